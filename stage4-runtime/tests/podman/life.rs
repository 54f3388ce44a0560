//! Containers begin, are visited, stopped, and end, and podman knows it.
//!
//! Invariant: what podman says is compared with what the container itself has seen.

use super::place::{Claim, Podman, until};

pub const CLAIMS: &[Claim] = &[
    Claim { name: "output_and_exit_status_are_the_containers", holds: statuses, ordinary: true },
    Claim { name: "errors_have_the_statuses_and_words_that_podman_knows", holds: errors, ordinary: true },
    Claim { name: "a_container_in_the_background_has_logs_and_an_end", holds: background, ordinary: true },
    Claim { name: "exec_enters_as_asked", holds: visits, ordinary: true },
    Claim { name: "stop_asks_first_and_kills_then", holds: stop, ordinary: true },
    Claim { name: "kill_sends_the_signal_that_is_named", holds: kill, ordinary: true },
    Claim { name: "a_paused_container_stands_still", holds: pause, ordinary: false },
    Claim { name: "a_container_starts_again", holds: again, ordinary: true },
    Claim { name: "rm_force_leaves_nothing", holds: remove, ordinary: true },
];

fn statuses(podman: &Podman) {
    assert_eq!(podman.said(&[], "echo hello"), "hello");
    assert_eq!(podman.run(&[], "echo error >&2; exit 42").status, 42);
    assert_eq!(
        podman.run(&[], "kill -9 $$; sleep 9").status,
        0,
        "the first process cannot be killed from inside"
    );
    assert!(podman.run(&[], "echo error >&2").err.contains("error"));
    let asked = format!("echo typed | {} run --rm -i {} box cat", podman.line(), podman.usual().join(" "));
    assert_eq!(podman.shell(&asked).out, "typed\n");
}

fn errors(podman: &Podman) {
    let run = |command: &[&str]| podman.call(&[&["run", "--rm"][..], podman.usual(), command].concat());
    let missing = run(&["box", "nosuch"]);
    assert_eq!(missing.status, 127, "{missing:?}");
    assert!(missing.err.contains("executable file not found in $PATH"), "{missing:?}");
    assert!(run(&["box", "/no/such"]).status == 127);
    let denied = run(&["box", "/etc/passwd"]);
    assert_eq!(denied.status, 126, "{denied:?}");
    assert!(denied.err.to_lowercase().contains("permission denied"), "{denied:?}");
    assert_eq!(run(&["--no-such-option", "box"]).status, 125);
    podman.start("there", &[], "sleep 1000");
    assert_eq!(podman.call(&["exec", "there", "nosuch"]).status, 127);
    assert_eq!(podman.call(&["exec", "there", "/etc/passwd"]).status, 126);
}

fn background(podman: &Podman) {
    podman.start("there", &[], "echo out; echo err >&2; exit 5");
    assert_eq!(podman.ok(&["wait", "there"]), "5");
    let logs = podman.call(&["logs", "there"]);
    assert_eq!((logs.out.as_str(), logs.err.as_str()), ("out\n", "err\n"));
    assert_eq!(
        podman.inspect("there", "{{.State.Status}} {{.State.ExitCode}} {{.State.Running}}"),
        "exited 5 false"
    );
}

fn visits(podman: &Podman) {
    podman.start("there", &["--env", "A=1"], "echo $$ > /tmp/first; sleep 1000");
    assert_eq!(podman.call(&["exec", "there", "sh", "-c", "exit 7"]).status, 7);
    let inside = ["exec", "--user", "1000", "--env", "B=2", "--workdir", "/tmp", "there", "sh", "-c"];
    let told = podman.ok(&[&inside[..], &["echo $(id -u) $A $B $PWD $(cat first)"]].concat());
    assert_eq!(told, "1000 1 2 /tmp 1");
    assert_eq!(podman.ok(&["exec", "--tty", "there", "tty"]), "/dev/pts/0");
    podman.ok(&["exec", "--detach", "there", "sh", "-c", "echo done > /tmp/detached"]);
    until("the detached one has written", || {
        podman.call(&["exec", "there", "cat", "/tmp/detached"]).out == "done\n"
    });
    let asked = format!("echo typed | {} exec -i there cat", podman.line());
    assert_eq!(podman.shell(&asked).out, "typed\n");
}

fn stop(podman: &Podman) {
    podman.start("polite", &[], "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done");
    podman.start("stubborn", &[], "trap '' TERM; echo ready; while :; do sleep 0.1; done");
    for name in ["polite", "stubborn"] {
        until("its trap is set", || podman.ok(&["logs", name]).contains("ready"));
    }
    podman.ok(&["stop", "--time", "30", "polite"]);
    assert_eq!(podman.inspect("polite", "{{.State.ExitCode}}"), "3");
    podman.ok(&["stop", "--time", "1", "stubborn"]);
    assert_eq!(podman.inspect("stubborn", "{{.State.ExitCode}}"), "137");
}

fn kill(podman: &Podman) {
    podman.start("there", &[], "trap 'echo USR1' USR1; echo ready; while :; do sleep 0.1; done");
    until("its trap is set", || podman.ok(&["logs", "there"]).contains("ready"));
    podman.ok(&["kill", "--signal", "USR1", "there"]);
    until("it has heard", || podman.ok(&["logs", "there"]).contains("USR1"));
    assert_eq!(podman.inspect("there", "{{.State.Running}}"), "true");
    podman.ok(&["kill", "there"]);
    assert_eq!(podman.ok(&["wait", "there"]), "137");
    assert_ne!(podman.call(&["kill", "there"]).status, 0, "nobody is there to be killed");
}

fn pause(podman: &Podman) {
    podman.start("there", &[], "while :; do echo tick; sleep 0.05; done");
    podman.ok(&["pause", "there"]);
    assert_eq!(podman.inspect("there", "{{.State.Status}} {{.State.Paused}}"), "paused true");
    assert_ne!(podman.call(&["exec", "there", "true"]).status, 0, "nobody enters");
    let before = podman.ok(&["logs", "there"]);
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(podman.ok(&["logs", "there"]), before);
    podman.ok(&["unpause", "there"]);
    until("it goes on", || podman.ok(&["logs", "there"]) != before);
    podman.ok(&["pause", "there"]);
    podman.ok(&["rm", "--force", "there"]);
}

fn again(podman: &Podman) {
    podman.start("there", &[], "echo begun; sleep 1000");
    let first = podman.inspect("there", "{{.State.Pid}}");
    podman.ok(&["restart", "--time", "0", "there"]);
    assert_ne!(podman.inspect("there", "{{.State.Pid}}"), first);
    podman.ok(&["stop", "--time", "0", "there"]);
    podman.ok(&["start", "there"]);
    assert_eq!(podman.ok(&["ps", "--format", "{{.Names}}"]), "there");
    until("it has begun thrice", || podman.ok(&["logs", "there"]).matches("begun").count() == 3);
}

fn remove(podman: &Podman) {
    podman.start("there", &[], "sleep 1000");
    let pid = podman.inspect("there", "{{.State.Pid}}");
    assert!(std::path::Path::new("/proc").join(&pid).exists());
    podman.ok(&["rm", "--force", "--time", "0", "there"]);
    assert!(!std::path::Path::new("/proc").join(&pid).exists());
    assert_eq!(podman.ok(&["ps", "--all", "--quiet"]), "");
}
