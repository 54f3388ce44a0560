//! Hooks: each at its moment, with the state of that moment; and what their failures mean.

use crate::ground::{Bench, until};
use serde_json::{Value, json};
use std::fs;

const MOMENTS: [(&str, &str); 6] = [
    ("prestart", "creating"),
    ("createRuntime", "creating"),
    ("createContainer", "creating"),
    ("startContainer", "created"),
    ("poststart", "running"),
    ("poststop", "stopped"),
];

fn with_hooks(bench: &Bench, config: &mut Value) {
    let file = bench.path("shared/log");
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.push(json!({"destination": "/shared", "type": "bind", "source": bench.path("shared"), "options": ["bind"]}));
    for (moment, _) in MOMENTS {
        // The last one before the program sees the container's files, all others the host's.
        let file = if moment == "startContainer" { "/shared/log".into() } else { file.clone() };
        let script = format!("echo \"{moment} $(cat)\" >> {}", file.display());
        config["hooks"][moment] =
            json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}]);
    }
}

#[test]
fn hooks_run_in_order_and_each_is_told_the_state() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("echo 'process {}' >> /shared/log; sleep 1000", |config| with_hooks(&bench, config));
    bench.output(&["create", &id]);
    let pid = bench.pid(&id);
    let log = || fs::read_to_string(bench.path("shared/log")).unwrap();
    assert_eq!(log().lines().count(), 3, "{}", log());
    bench.output(&["start", &id]);
    until("the process has begun", || log().lines().count() >= 6);
    bench.end(&id);
    let told: Vec<(String, Value)> = log()
        .lines()
        .filter(|line| !line.starts_with("process"))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(moment, state)| (moment.to_owned(), serde_json::from_str(state).unwrap()))
        .collect();
    assert_eq!(told.len(), MOMENTS.len(), "{told:?}");
    for ((moment, state), (wanted, status)) in told.iter().zip(MOMENTS) {
        assert_eq!((moment.as_str(), &state["status"], &state["id"]), (wanted, &json!(status), &json!(id)));
        let told = if status == "stopped" { 0 } else { pid };
        assert_eq!(state["pid"], told, "{moment}");
    }
    let order = log();
    assert!(order.find("startContainer") < order.find("process"), "{order}");
    bench.nothing_is_left();
}

/// config.md, "createContainer Hooks": the container's mounts are made, and its root is not yet `/`; engines' hooks look
/// for the container's files beneath the path that the state tells.
#[test]
fn hooks_of_create_container_find_its_mounts_beneath_the_path_of_its_root() {
    let Some(bench) = Bench::new() else { return };
    let seen = bench.path("shared/seen");
    for no_pivot in [false, true] {
        let id = bench.id();
        bench.config("cat /proc/1/comm; ls -d /..", |config| {
            let script = format!(
                "cat {0}/proc/1/comm > {1}; ls -d {0}/dev/ptmx >> {1}",
                bench.path("rootfs").display(),
                seen.display()
            );
            config["hooks"]["createContainer"] = json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
        });
        let way: &[&str] = if no_pivot { &["--no-pivot"] } else { &[] };
        let output = bench.output(&[&["run"], way, &[&id]].concat());
        assert!(output.starts_with("sh\n"), "{output}");
        let told = fs::read_to_string(&seen).unwrap();
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(told.contains("/rootfs/dev/ptmx"), "{told}");
    }
    bench.nothing_is_left();
}

/// Whatever failed: who was told that it is made is told that it has gone (runtime.md, Lifecycle, steps 3 to 13).
#[test]
fn hooks_that_fail_end_the_container_and_only_those_after_its_end_warn() {
    let Some(bench) = Bench::new() else { return };
    for (moment, _) in MOMENTS {
        let gone = bench.path("shared/gone");
        bench.config("exit 5", |config| {
            let script = format!("cat > {}", gone.display());
            config["hooks"]["poststop"] = json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
            // Of the container in the one case, of the host in the others: both have it.
            let failing = json!({"path": "/bin/sh", "args": ["sh", "-c", "echo sorry; exit 9"]});
            let list = &mut config["hooks"][moment];
            *list = list.as_array().into_iter().flatten().cloned().chain([failing]).collect();
        });
        let (status, _, errors) = bench.call(&["run", &bench.id()]);
        let warns = moment == "poststop";
        assert_eq!(status, if warns { 5 } else { 1 }, "{moment}: {errors}");
        assert!(
            errors.contains(moment) && errors.contains("status 9") && errors.contains("sorry"),
            "{errors}"
        );
        assert_eq!(errors.contains("warning"), warns, "{errors}");
        let state = bench.read("shared/gone");
        assert_eq!((&state["status"], &state["pid"]), (&json!("stopped"), &json!(0)), "{moment}");
        fs::remove_file(gone).unwrap();
        bench.nothing_is_left();
    }
}

/// More than a packet between parent and init has room for, and more than a pipe.
#[test]
fn hooks_are_told_a_state_of_any_length() {
    let Some(bench) = Bench::new() else { return };
    let text = "x".repeat(1000);
    bench.config("true", |config| {
        config["annotations"] = (0..500).map(|number| (format!("a{number}"), json!(text))).collect();
        let script = format!("cat > {}", bench.path("shared/state").display());
        config["hooks"]["createContainer"] =
            json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}]);
    });
    bench.output(&["run", &bench.id()]);
    let state = bench.read("shared/state");
    assert_eq!(state["annotations"]["a499"], json!(text));
    assert_eq!(state["annotations"].as_object().unwrap().len(), 500);
    bench.nothing_is_left();
}
