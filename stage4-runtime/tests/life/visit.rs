//! `exec`: one more process, in everything that the first one is in; and containers of ordinary users.

use crate::ground::{BINARY, Bench, until};
use serde_json::json;
use std::fs;

/// What `/proc/self/ns` shows, of the first process and of a visitor.
fn namespaces(bench: &Bench, id: &str) -> (Vec<String>, Vec<String>) {
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    let pid = bench.pid(id);
    let first = kinds
        .map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().to_str().unwrap().to_owned());
    let script = format!("for kind in {}; do readlink /proc/self/ns/$kind; done", kinds.join(" "));
    let visitor = bench.output(&["exec", id, "sh", "-c", &script]);
    (first.to_vec(), visitor.lines().map(str::to_owned).collect())
}

fn with_users(config: &mut serde_json::Value) {
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    for map in ["uidMappings", "gidMappings"] {
        config["linux"][map] = json!([{"containerID": 0, "hostID": 0, "size": 1000}]);
    }
}

#[test]
fn a_visitor_is_where_the_first_process_is() {
    let Some(bench) = Bench::new() else { return };
    for users in [false, true] {
        let id = bench.idle(|config| {
            if users {
                with_users(config)
            }
        });
        let (first, visitor) = namespaces(&bench, &id);
        assert_eq!(first, visitor, "users: {users}");
        let group = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        bench.output(&["exec", "--detach", "--pid-file", "visitor", &id, "sleep", "100"]);
        let visitor = fs::read_to_string(bench.path("visitor")).unwrap();
        assert_eq!(group(&visitor), group(&bench.pid(&id).to_string()));
        bench.output(&["delete", "--force", &id]);
    }
    bench.nothing_is_left();
}

#[test]
fn a_visitor_has_what_was_said_and_otherwise_what_the_first_one_has() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|config| config["process"]["env"].as_array_mut().unwrap().push(json!("ONE=1")));
    let script = "id; pwd; echo $ONE $TWO; grep -E 'CapBnd|NoNewPrivs' /proc/self/status; exit 9";
    let (status, plain, errors) = bench.call(&["exec", &id, "sh", "-c", script]);
    assert_eq!(status, 9, "{errors}");
    assert_eq!(plain, "uid=0 gid=0\n/\n1\nCapBnd:\t0000000020000420\nNoNewPrivs:\t1\n");
    let options =
        ["exec", "--user", "5:6", "-g", "77", "--env", "TWO=2", "--cwd", "/tmp", "--cap", "CAP_CHOWN", &id];
    let (status, other, errors) = bench.call(&[&options[..], &["sh", "-c", script]].concat());
    assert_eq!(status, 9, "{errors}");
    assert_eq!(other, "uid=5 gid=6 groups=77\n/tmp\n1 2\nCapBnd:\t0000000020000421\nNoNewPrivs:\t1\n");

    fs::write(
        bench.path("p.json"),
        r#"{"cwd":"/","args":["sh","-c","id; exit 3"],"user":{"uid":1,"gid":2},"env":["PATH=/bin"]}"#,
    )
    .unwrap();
    let (status, output, errors) = bench.call(&["exec", "--process", "p.json", &id]);
    assert_eq!((status, output.as_str()), (3, "uid=1 gid=2\n"), "{errors}");
    let seen = bench.output(&["exec", "--tty", &id, "tty"]);
    assert_eq!(seen, "/dev/pts/0");
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

#[test]
fn a_visit_that_fails_says_so_in_its_status() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|_| ());
    for (arguments, status, phrase) in [
        (&["exec", &id, "nosuch"][..], 127, "executable file not found in $PATH"),
        (&["exec", &id, "/etc"], 126, "permission denied"),
        (&["exec", "--cwd", "/nosuch", &id, "true"], 255, "ENOENT"),
        (&["exec", "--cgroup", "nosuch", &id, "true"], 255, "--cgroup"),
        (&["exec", &id, "sh", "-c", "kill -9 $$"], 137, ""),
    ] {
        let (got, _, errors) = bench.call(arguments);
        assert!(got == status && errors.contains(phrase), "{arguments:?}: {got}: {errors}");
    }
    bench.output(&["kill", &id, "KILL"]);
    until("it has stopped", || bench.status(&id) == "stopped");
    let (status, _, errors) = bench.call(&["exec", &id, "true"]);
    assert!(status == 255 && errors.contains("stopped"), "{status}: {errors}");
    bench.output(&["delete", &id]);
    bench.nothing_is_left();
}

#[test]
fn a_visitor_of_a_container_with_a_filter_is_under_it() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["getcwd"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}],
        });
    });
    let (_, output, _) = bench.call(&["exec", &id, "grep", "Seccomp:", "/proc/self/status"]);
    assert_eq!(output, "Seccomp:\t2\n");
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

#[test]
fn an_ordinary_user_runs_and_visits_a_container() {
    let Some(bench) = Bench::new() else { return };
    const USER: u32 = 61_234;
    let ordinary = |arguments: &[&str]| {
        let ids = [format!("--reuid={USER}"), format!("--regid={USER}")];
        let mut command = std::process::Command::new("setpriv");
        command.args(ids).args(["--clear-groups", "--bounding-set=-all", BINARY, "--root"]);
        command.arg(bench.path("home")).args(arguments).current_dir(bench.path(""));
        bench.watch(command)
    };
    if fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|most| most.trim() == "0") {
        return crate::ground::skip("user namespaces are off: user.max_user_namespaces is 0");
    }
    let chown =
        std::process::Command::new("chown").args(["-R", &USER.to_string()]).arg(bench.path("")).status();
    assert!(chown.unwrap().success());
    let (status, _, errors) = ordinary(&["spec", "--rootless"]);
    if status != 0 && errors.contains("Permission denied") {
        return crate::ground::skip("an ordinary user may not execute the built command");
    }
    assert_eq!(status, 0, "{errors}");
    let mut config = bench.read("config.json");
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["sh", "-c", "id; cat /proc/self/uid_map; exit 5"]);
    fs::write(bench.path("config.json"), config.to_string()).unwrap();
    let (status, output, errors) = ordinary(&["run", "one"]);
    assert_eq!(status, 5, "{errors}");
    let words: Vec<_> = output.split_whitespace().collect();
    assert_eq!(words, ["uid=0", "gid=0", "0", &USER.to_string(), "1"]);
    config["process"]["args"] = json!(["sleep", "1000"]);
    fs::write(bench.path("config.json"), config.to_string()).unwrap();
    assert_eq!(ordinary(&["create", "two"]).0, 0);
    let (status, _, errors) = ordinary(&["exec", "two", "true"]);
    assert!(status == 255 && errors.contains("`stage4-runtime start` it"), "{status}: {errors}");
    assert_eq!(ordinary(&["start", "two"]).0, 0);
    let (status, output, errors) = ordinary(&["exec", "two", "sh", "-c", "id; exit 6"]);
    assert_eq!((status, output.as_str()), (6, "uid=0 gid=0\n"), "{errors}");
    assert_eq!(ordinary(&["delete", "--force", "two"]).0, 0);
    assert_eq!(ordinary(&["list", "-q"]).1, "");
    bench.nothing_is_left();
}

/// Few machines have resctrl: its files are plain ones here, and what is written into them is seen.
#[test]
fn exec_goes_into_the_class_that_is_written_down() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|_| ());
    let class = bench.path("class");
    let record = format!("state/{id}/state.json");
    let mut state = bench.read(&record);
    state["rdt"] = json!({"class": class, "made": false, "monitor": class.join("monitor")});
    fs::write(bench.path(&record), state.to_string()).unwrap();
    let (status, output, errors) = bench.call(&["exec", &id, "echo", "has run"]);
    assert!(status == 255 && output.is_empty() && errors.contains("linux.intelRdt"), "{status}: {errors}");
    fs::create_dir_all(class.join("monitor")).unwrap();
    let files = [class.join("tasks"), class.join("monitor/tasks")];
    files.iter().for_each(|file| fs::write(file, "").unwrap());
    assert_eq!(bench.output(&["exec", &id, "echo", "has run"]), "has run");
    files.iter().for_each(|file| assert_eq!(fs::read_to_string(file).unwrap(), "0\n"));
    fs::remove_dir_all(class.join("monitor")).unwrap();
    bench.end(&id);
    bench.nothing_is_left();
}
