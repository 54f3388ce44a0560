//! Killed, damaged, and two at once: nothing is left, or `delete --force` removes it.

use crate::ground::{Bench, told, until};
use serde_json::json;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn of_many_who_create_one_id_at_once_one_wins() {
    let Some(bench) = Bench::new() else { return };
    bench.config("sleep 1000", |_| ());
    for _ in 0..20 {
        let id = bench.id();
        let all: Vec<_> = (0..4)
            .map(|_| {
                bench.raw(&["create", &id]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
            })
            .collect();
        let ends: Vec<_> = all.into_iter().map(|one| told(&finish(one))).collect();
        let won = ends.iter().filter(|end| end.0 == 0).count();
        assert_eq!(won, 1, "{ends:?}");
        assert!(ends.iter().all(|end| end.0 == 0 || end.2.contains("already exists")), "{ends:?}");
        assert_eq!(bench.status(&id), "created");
        bench.output(&["delete", "--force", &id]);
    }
    bench.nothing_is_left();
}

/// The winner's init holds its standard error, as it should: only what is there already is read.
fn finish(mut child: std::process::Child) -> std::process::Output {
    use std::io::Read;
    let status = child.wait().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut text = Vec::new();
    if !status.success() {
        stderr.read_to_end(&mut text).unwrap();
    }
    std::process::Output { status, stdout: Vec::new(), stderr: text }
}

#[test]
fn a_creation_that_is_killed_at_any_moment_is_removed_by_force() {
    let Some(bench) = Bench::new() else { return };
    bench.config("sleep 1000", |config| {
        config["hooks"] = json!({"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "0.02"]}]});
    });
    for round in 0..40 {
        let id = bench.id();
        let mut maker =
            bench.raw(&["create", &id]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(2500 * round));
        maker.kill().ok();
        maker.wait().unwrap();
        bench.output(&["delete", "--force", &id]);
        assert_eq!(bench.call(&["state", &id]).0, 1, "round {round}");
    }
    bench.nothing_is_left();
}

#[test]
fn a_container_with_a_damaged_record_is_removed_by_force() {
    let Some(bench) = Bench::new() else { return };
    for damage in ["", "garbage", "{\"id\": 5}", "missing"] {
        let id = bench.idle(|_| ());
        let record = bench.path("state").join(&id).join("state.json");
        match damage {
            "missing" => fs::remove_file(record).unwrap(),
            text => fs::write(record, text).unwrap(),
        }
        assert_eq!(bench.call(&["state", &id]).0, 1, "{damage:?}");
        assert_eq!(bench.call(&["delete", &id]).0, 1, "{damage:?}");
        assert_eq!(bench.call(&["list"]).0, 0, "others can be seen all the same");
        bench.output(&["delete", "--force", &id]);
    }
    bench.nothing_is_left();
}

#[test]
fn a_container_whose_group_has_gone_is_deleted() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|_| ());
    bench.output(&["kill", &id, "KILL"]);
    until("it has stopped", || bench.status(&id) == "stopped");
    let traces = fs::read_to_string(bench.path("state").join(&id).join("traces")).unwrap();
    let groups: Vec<_> = traces.lines().filter_map(|line| line.strip_prefix("group ")).collect();
    assert!(!groups.is_empty());
    groups.iter().for_each(|group| drop(fs::remove_dir(group)));
    bench.output(&["delete", &id]);
    bench.nothing_is_left();
}

#[test]
fn a_creation_in_a_group_of_others_is_refused_and_they_live_on() {
    let Some(bench) = Bench::new() else { return };
    let (others, way) = (bench.id(), bench.id());
    let path = format!("/{way}");
    bench.config("sleep 1000", |config| config["linux"]["cgroupsPath"] = json!(format!("{path}/deeper")));
    bench.output(&["run", "--detach", &others]);
    let pid = bench.pid(&others);
    // The very group, and one above it, which has nobody in it itself.
    for occupied in [format!("{path}/deeper"), path] {
        bench.config("sleep 1000", |config| config["linux"]["cgroupsPath"] = json!(occupied));
        let (status, _, errors) = bench.call(&["create", &bench.id()]);
        assert!(status == 1 && errors.contains("has processes in it already"), "{status}: {errors}");
        assert_eq!((bench.status(&others).as_str(), bench.pid(&others)), ("running", pid));
    }
    bench.end(&others);
    // The way to it was made with it, and stays, as with all runtimes.
    let layout = stage3_cgroups::Layout::read().unwrap();
    layout.useful().for_each(|one| drop(fs::remove_dir(one.mount.join(&way))));
    bench.nothing_is_left();
}

#[test]
fn a_creation_that_fails_leaves_nothing_wherever_it_fails() {
    let Some(bench) = Bench::new() else { return };
    type Edit = fn(&mut serde_json::Value);
    let edits: [(&str, Edit); 6] = [
        ("source of a mount", |config| {
            let mount =
                json!({"destination": "/x", "type": "bind", "source": "/nosuch", "options": ["bind"]});
            config["mounts"].as_array_mut().unwrap().push(mount);
        }),
        ("namespace", |config| {
            config["linux"]["namespaces"].as_array_mut().unwrap().retain(|kind| kind["type"] != "network");
            let joined = json!({"type": "network", "path": "/dev/null"});
            config["linux"]["namespaces"].as_array_mut().unwrap().push(joined);
        }),
        ("limit", |config| config["linux"]["resources"]["cpu"] = json!({"cpus": "9999"})),
        ("createRuntime", |config| config["hooks"] = json!({"createRuntime": [{"path": "/bin/false"}]})),
        ("createContainer", |config| config["hooks"] = json!({"createContainer": [{"path": "/bin/false"}]})),
        ("program", |config| config["process"]["args"] = json!(["nosuch"])),
    ];
    for (what, edit) in edits {
        for verb in ["create", "run"] {
            bench.config("sleep 1000", edit);
            let (status, _, errors) = bench.call(&[verb, &bench.id()]);
            assert!(status != 0 && !errors.is_empty(), "{what}");
            bench.nothing_is_left();
        }
    }
}

#[test]
fn whatever_is_killed_at_any_moment_is_removed_by_force() {
    let Some(bench) = Bench::new() else { return };
    bench.config("sleep 1000", |_| ());
    for round in 0..30u64 {
        let id = bench.id();
        let verb = ["run", "exec", "delete"][round as usize % 3];
        if verb != "run" {
            bench.output(&["run", "--detach", &id]);
        }
        let arguments = match verb {
            "run" => vec!["run", &id],
            "exec" => vec!["exec", &id, "sleep", "5"],
            _ => vec!["delete", "--force", &id],
        };
        let mut killed = bench.raw(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(2500 * (round / 3)));
        killed.kill().ok();
        killed.wait().unwrap();
        bench.output(&["delete", "--force", &id]);
        assert_eq!(bench.call(&["state", &id]).0, 1, "round {round}: {verb}");
    }
    bench.nothing_is_left();
}

/// A directory of state without room: for the configuration, or for nothing at all.
#[test]
fn a_directory_of_state_that_is_full_is_an_error_that_leaves_nothing() {
    let Some(bench) = Bench::new() else { return };
    bench.config("true", |_| ());
    for limit in ["size=4k", "nr_inodes=2", "nr_inodes=3", "nr_inodes=5"] {
        // In mounts of its own, which end with it.
        let script = format!(
            "mkdir -p small && mount -t tmpfs -o {limit} stage4-small small && \
             for verb in create run; do {} --root small/state $verb {} && exit 3; done; \
             ls small/state | grep -c . ",
            crate::ground::BINARY,
            bench.id()
        );
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).current_dir(bench.path(""));
        let (status, output, errors) = bench.watch(command);
        assert_eq!((status, output.trim()), (1, "0"), "{limit}: {errors}");
        assert_eq!(errors.matches("ENOSPC").count(), 2, "{limit}: {errors}");
    }
    bench.nothing_is_left();
}

#[test]
fn streams_that_are_closed_are_no_obstacle() {
    let Some(bench) = Bench::new() else { return };
    bench.config("exit 7", |_| ());
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let run = format!("{} --root state run {} {closed}", crate::ground::BINARY, bench.id());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &run]).current_dir(bench.path(""));
        assert_eq!(bench.watch(command).0, 7, "{closed}");
    }
    bench.nothing_is_left();
}

/// Without one its mounts would be the host's. Refused before anything is made.
#[test]
fn a_container_without_a_mount_namespace_of_its_own_is_refused() {
    let Some(bench) = Bench::new() else { return };
    for path in [None, Some("/proc/self/ns/mnt")] {
        bench.config("true", |config| {
            let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|namespace| namespace["type"] != "mount");
            namespaces.extend(path.map(|path| json!({"type": "mount", "path": path})));
        });
        let (status, _, errors) = bench.call(&["run", &bench.id()]);
        assert!(status == 1 && errors.contains("a container has a new mount namespace"), "{errors}");
        assert!(!bench.path("state").exists(), "nothing was begun");
    }
    bench.nothing_is_left();
}

/// An error of the kernel does not say that there is nothing to protect. Of the parent only: strace(1) follows no child.
#[test]
fn an_error_is_not_taken_for_less_to_be_done() {
    let Some(bench) = Bench::new() else { return };
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        return crate::ground::skip("strace is not installed");
    }
    let facts = "grep CapBnd /proc/self/status; cat /proc/self/cgroup; readlink /proc/self/ns/uts";
    let id = bench.id();
    let first = facts.replace("; readlink /proc/self/ns/uts", "");
    bench.config(&first, |_| ());
    let hindered = |call: &str, number: usize, words: &[&str]| {
        let mut strace = std::process::Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
        strace.arg(format!("inject={call}:error=EIO:when={number}")).arg(crate::ground::BINARY);
        strace.args(["--root", "state"]).args(words).current_dir(bench.path(""));
        let (status, output, errors) = bench.watch(strace);
        assert!(status == 0 || !errors.is_empty(), "{number}. {call}: {status}");
        (status == 0).then(|| output.trim().to_owned())
    };
    let usual = bench.output(&["run", &id]).trim().to_owned();
    // Capabilities; where control groups are mounted; the groups themselves.
    for (call, numbers) in [("prctl", 2..45), ("statfs", 1..12), ("openat", 20..48)] {
        for number in numbers.step_by(3) {
            let output = hindered(call, number, &["run", &id]);
            assert_eq!(output.unwrap_or_else(|| usual.clone()), usual, "{number}. {call} of run");
            bench.nothing_is_left();
        }
    }
    let other = bench.idle(|_| ());
    let visit = ["exec", &other, "sh", "-c", facts];
    let usual = bench.output(&visit).trim().to_owned();
    // Namespaces, and the doors of the groups.
    for (call, number) in
        (10..52).step_by(2).map(|n| ("statx", n)).chain((20..60).step_by(3).map(|n| ("openat", n)))
    {
        let output = hindered(call, number, &visit);
        assert_eq!(output.unwrap_or_else(|| usual.clone()), usual, "{number}. {call} of exec");
    }
    bench.end(&other);
    bench.nothing_is_left();
}
