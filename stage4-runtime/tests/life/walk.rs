//! From `create` to `delete`, and `run`, which is all of it.

use crate::ground::{Bench, until};
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_container_is_created_then_running_then_stopped_then_gone() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("echo begun > /shared/begun; sleep 1000", |config| {
        let shared = json!({"destination": "/shared", "type": "bind", "source": bench.path("shared"), "options": ["bind"]});
        config["mounts"].as_array_mut().unwrap().push(shared);
        config["annotations"] = json!({"a.b": "c"});
    });
    bench.output(&["create", "--pid-file", "pid", &id]);
    let state: serde_json::Value = serde_json::from_str(&bench.output(&["state", &id])).unwrap();
    assert_eq!(state["status"], "created");
    assert_eq!(state["pid"].to_string(), fs::read_to_string(bench.path("pid")).unwrap());
    assert_eq!(state["bundle"], bench.path("").to_str().unwrap().trim_end_matches('/'));
    assert_eq!(state["annotations"], json!({"a.b": "c"}));
    assert!(!bench.path("shared/begun").exists(), "nothing of its program has run yet");

    bench.output(&["start", &id]);
    assert_eq!(bench.status(&id), "running");
    until("its program has begun", || bench.path("shared/begun").exists());
    let list = bench.output(&["list"]);
    assert!(list.starts_with("ID ") && list.contains(&id) && list.contains("running"), "{list}");

    bench.output(&["kill", &id, "KILL"]);
    until("it has stopped", || bench.status(&id) == "stopped");
    bench.output(&["delete", &id]);
    assert_eq!(bench.call(&["state", &id]).0, 1);
    bench.nothing_is_left();
}

#[test]
fn run_gives_the_status_of_its_process_and_leaves_nothing() {
    let Some(bench) = Bench::new() else { return };
    let without_pids = |config: &mut serde_json::Value| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "pid");
    };
    for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        bench.config(script, without_pids);
        assert_eq!(bench.call(&["run", &bench.id()]).0, status, "{script}");
    }
    for (program, status, phrase) in [
        ("nosuch", 127, "executable file not found in $PATH"),
        ("/nosuch", 127, "no such file or directory"),
        ("/etc", 126, "permission denied"),
    ] {
        bench.config("", |config| config["process"]["args"] = json!([program]));
        let (got, _, errors) = bench.call(&["run", &bench.id()]);
        assert!(got == status && errors.contains(phrase), "{program}: {got}: {errors}");
        let (got, _, errors) = bench.call(&["create", &bench.id()]);
        assert!(got == status && errors.contains(phrase), "{program}: {got}: {errors}");
    }
    bench.nothing_is_left();
}

#[test]
fn run_passes_signals_on() {
    let Some(bench) = Bench::new() else { return };
    bench.config("trap 'exit 42' TERM; echo ready; while true; do sleep 0.05; done", |_| ());
    let mut running = bench.raw(&["run", &bench.id()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let pid = nix::unistd::Pid::from_raw(running.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(42));
    bench.nothing_is_left();
}

#[test]
fn run_with_keep_leaves_a_stopped_container() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("exit 3", |_| ());
    assert_eq!(bench.call(&["run", "--keep", &id]).0, 3);
    assert_eq!(bench.status(&id), "stopped");
    bench.output(&["delete", &id]);
    bench.nothing_is_left();
}

#[test]
fn what_comes_at_the_wrong_time_is_refused_in_words_that_callers_know() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    let refused = |arguments: &[&str], phrase: &str| {
        let (status, _, errors) = bench.call(arguments);
        assert!(status == 1 && errors.contains(phrase), "{arguments:?}: {status}: {errors}");
    };
    for verb in ["start", "state", "kill", "delete", "pause", "resume", "ps"] {
        refused(&[verb, &id], "does not exist");
    }
    bench.output(&["delete", "--force", &id]);
    bench.config("sleep 1000", |_| ());
    bench.output(&["create", &id]);
    refused(&["create", &id], "container with given ID already exists");
    refused(&["delete", &id], "not stopped");
    bench.output(&["start", &id]);
    refused(&["start", &id], "container is not in created state");
    refused(&["resume", &id], "not paused");
    bench.output(&["kill", &id, "9"]);
    until("it has stopped", || bench.status(&id) == "stopped");
    refused(&["kill", &id], "container not running");
    refused(&["start", &id], "cannot start a container that has stopped");
    refused(&["pause", &id], "container not running or created");
    bench.output(&["delete", &id]);
    bench.nothing_is_left();
}

#[test]
fn a_created_container_holds_nothing_of_the_hosts_open() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("true", |_| ());
    bench.output(&["--log", "log", "--debug", "create", &id]);
    let pid = bench.pid(&id);
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let entry = entry.unwrap();
        let number: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
        let target = fs::read_link(entry.path()).unwrap();
        assert!(number < 3 || target.to_str().unwrap().starts_with("socket:"), "{number} is {target:?}");
    }
    assert_eq!(
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
        5,
        "its streams, the doorbell, the line"
    );
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

#[test]
fn a_preserved_descriptor_arrives_and_no_other() {
    let Some(bench) = Bench::new() else { return };
    fs::write(bench.path("word"), "preserved").unwrap();
    bench.config("cat <&3; ls /proc/self/fd | grep -c .", |_| ());
    let run = format!(
        "exec 3<word 4<word; {} --root state run --preserve-fds 1 {}",
        crate::ground::BINARY,
        bench.id()
    );
    let output =
        std::process::Command::new("sh").args(["-c", &run]).current_dir(bench.path("")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // 0 to 3, and the one by which ls(1) reads.
    assert_eq!(text, "preserved5\n", "{}", String::from_utf8_lossy(&output.stderr));
    bench.nothing_is_left();
}

#[test]
fn a_terminal_is_attended_or_sent() {
    let Some(bench) = Bench::new() else { return };
    bench.config("tty; readlink /proc/self/fd/0", |config| config["process"]["terminal"] = json!(true));
    let seen = bench.output(&["run", &bench.id()]);
    assert_eq!(seen.replace('\r', ""), "/dev/pts/0\n/dev/pts/0");

    let (status, _, errors) = bench.call(&["create", &bench.id()]);
    assert!(status == 1 && errors.contains("--console-socket"), "{errors}");

    let receiver = bench.raw(&["recvtty", "socket"]).stdout(Stdio::piped()).spawn().unwrap();
    until("somebody listens", || bench.path("socket").exists());
    let id = bench.id();
    bench.output(&["run", "--detach", "--console-socket", "socket", &id]);
    let seen = receiver.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(seen.stdout).unwrap().replace('\r', ""), "/dev/pts/0\n/dev/pts/0\n");
    assert!(!bench.path("socket").exists());
    until("it has stopped", || bench.status(&id) == "stopped");
    bench.output(&["delete", &id]);
    bench.nothing_is_left();
}

#[test]
fn pause_stops_all_and_resume_lets_them_go_on() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("i=0; while true; do i=$((i+1)); echo $i > /tmp/count; sleep 0.01; done", |config| {
        config["root"]["readonly"] = json!(false);
    });
    bench.output(&["run", "--detach", &id]);
    let count = || fs::read_to_string(bench.path("rootfs/tmp/count")).unwrap_or_default();
    until("it counts", || !count().is_empty());
    bench.output(&["pause", &id]);
    assert_eq!(bench.status(&id), "paused");
    let before = count();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(count(), before);
    assert!(bench.call(&["exec", &id, "true"]).2.contains("cannot exec in a paused container"));
    bench.output(&["resume", &id]);
    until("it counts on", || count() != before);
    bench.output(&["pause", &id]);
    bench.output(&["kill", &id, "KILL"]);
    until("it has stopped, paused or not", || bench.status(&id) == "stopped");
    bench.output(&["delete", &id]);

    let id = bench.idle(|_| ());
    bench.output(&["pause", &id]);
    bench.output(&["delete", "--force", &id]);

    // More often than there is room in the queue of who waits for its start, and cannot look.
    let id = bench.id();
    bench.output(&["create", &id]);
    bench.output(&["pause", &id]);
    (0..40).for_each(|_| assert_eq!(bench.status(&id), "paused"));
    bench.output(&["resume", &id]);
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

#[test]
fn update_changes_what_it_names_and_nothing_else() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|config| {
        config["linux"]["resources"]["pids"] = json!({"limit": 30});
        config["linux"]["resources"]["memory"] = json!({"limit": 64 << 20});
    });
    let stats =
        || -> serde_json::Value { serde_json::from_str(&bench.output(&["events", "--stats", &id])).unwrap() };
    let now = stats();
    assert_eq!((&now["type"], &now["id"]), (&json!("stats"), &json!(id)));
    assert_eq!(now["data"]["pids"], json!({"current": 1, "limit": 30}));
    assert_eq!(now["data"]["memory"]["usage"]["limit"], 64 << 20);
    bench.output(&["update", "--pids-limit", "40", &id]);
    assert_eq!(stats()["data"]["pids"]["limit"], 40);
    assert_eq!(stats()["data"]["memory"]["usage"]["limit"], 64 << 20);
    let mut command = bench.runtime(&["update", "--resources", "-", &id]);
    command.write_stdin(r#"{"memory": {"limit": 134217728}}"#).assert().success();
    assert_eq!(stats()["data"]["memory"]["usage"]["limit"], 128 << 20);
    assert_eq!(stats()["data"]["pids"]["limit"], 40);
    let mut command = bench.runtime(&["update", "--resources", "-", &id]);
    command.write_stdin(r#"{"memory": {"limit": "much"}}"#).assert().code(1);
    let pids: Vec<i32> = serde_json::from_str(&bench.output(&["ps", "--format", "json", &id])).unwrap();
    assert_eq!(pids, [bench.pid(&id)]);
    bench.end(&id);
    bench.nothing_is_left();
}

#[test]
fn ps_is_a_table_of_the_hosts_or_numbers() {
    let Some(bench) = Bench::new() else { return };
    if std::process::Command::new("ps").arg("-V").output().is_err() {
        return crate::ground::skip("ps(1) is not installed: apt-get install procps");
    }
    let id = bench.idle(|_| ());
    let pid = bench.pid(&id);
    let pids: Vec<i32> = serde_json::from_str(&bench.output(&["ps", "--format", "json", &id])).unwrap();
    assert_eq!(pids, [pid]);
    let table = bench.output(&["ps", &id]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("UID") && lines[1].contains("sleep 1000"), "{table}");
    assert!(lines[1].split_whitespace().nth(1) == Some(&pid.to_string()), "{table}");
    // Options are ps(1)'s, hyphens or none, before and behind which runc's callers put the name.
    let table = bench.output(&["ps", &id, "-o", "pid,comm"]);
    let words: Vec<&str> = table.split_whitespace().collect();
    assert_eq!(words, ["PID", "COMMAND", &pid.to_string(), "sleep"], "{table}");
    assert!(bench.output(&["ps", &id, "aux"]).lines().count() == 2);
    let (status, _, errors) = bench.call(&["ps", &id, "-eo", "comm"]);
    assert!(status == 1 && errors.contains("no column PID"), "{errors}");
    bench.end(&id);
    bench.nothing_is_left();
}

#[test]
fn events_tell_of_memory_that_runs_out() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|config| {
        config["linux"]["resources"]["memory"] = json!({"limit": 16 << 20, "swap": 16 << 20});
    });
    let mut watching =
        bench.raw(&["events", "--interval", "100ms", &id]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let first = next();
    assert_eq!(
        (&first["type"], &first["data"]["memory"]["usage"]["limit"]),
        (&json!("stats"), &json!(16 << 20))
    );
    // Grows to 64 MiB if nobody ends it.
    let grow = "x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do x=$x$x; done";
    assert_eq!(bench.call(&["exec", &id, "sh", "-c", grow]).0, 137);
    let told = (0..600).map(|_| next()).find(|event| event["type"] == "oom");
    assert_eq!(told.unwrap(), json!({"type": "oom", "id": id}));
    // With its container it ends by itself.
    bench.end(&id);
    assert!(watching.wait().unwrap().success());
    bench.nothing_is_left();
}
