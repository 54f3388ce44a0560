//! What is left when things go wrong: nothing.
//!
//! prctl(2) PR_SET_PDEATHSIG, /proc/sys/user. Book: "When the parent dies" (`init`).
//! Invariant: whatever is killed at whatever moment, the host is as before.

mod ground;

use ground::{BINARY, Runner, eventually, has, host, is_root, marked, run, sandbox};
use ground::{skip, skip_for, stage2, stderr};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A number of seconds to sleep that no other test and no other program uses.
fn mark(n: u32) -> String {
    format!("{}.{n}", 7_000_000 + std::process::id())
}

#[test]
fn init_and_all_below_end_with_a_parent_that_is_killed_at_any_moment() {
    let before = host();
    for (n, kinds) in [&["--all", "--map-root"][..], &["--uts", "--user", "--map-root"], &["--pid", "--user"]]
        .iter()
        .enumerate()
    {
        for microseconds in (0..6000).step_by(250) {
            let mark = mark(n as u32 * 10_000 + microseconds);
            let mut parent = Command::new(BINARY)
                .arg("run")
                .args(*kinds)
                .args(["--", "sleep", &mark])
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_micros(microseconds.into()));
            parent.kill().unwrap();
            parent.wait().unwrap();
            eventually(&format!("{kinds:?} killed after {microseconds} us"), || marked(&mark).is_empty());
        }
    }
    assert_eq!(host(), before);
}

#[test]
fn init_takes_those_along_that_changed_their_ids() {
    if !is_root() {
        return skip_for(Runner::Root, "only root may become somebody else");
    }
    if !has("setpriv") {
        return;
    }
    // The wish to die with the parent is cleared by this; but nobody outlives his pid 1.
    let mark = mark(2);
    let mut parent = Command::new(BINARY)
        .args(["run", "--pid", "--", "setpriv", "--reuid", "12345", "--clear-groups", "sleep", &mark])
        .spawn()
        .unwrap();
    eventually("it sleeps", || {
        let line = |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        marked(&mark).iter().any(|pid| line(pid).starts_with(b"sleep"))
    });
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("it has ended as well", || marked(&mark).is_empty());
}

#[test]
fn pod_ends_with_its_holder_and_its_parent() {
    let pod = |mark: &str| {
        let owned: &[&str] = if is_root() { &[] } else { &["--user", "--map-root"] };
        let members = ["--", "sleep", mark, "---", "sleep", mark];
        Command::new(BINARY).arg("pod").args(owned).args(members).stderr(Stdio::null()).spawn().unwrap()
    };
    let sleeps =
        |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|l| l.starts_with(b"sleep"));
    let mark = mark(1);
    let mut parent = pod(&mark);
    eventually("both members run", || marked(&mark).iter().filter(|pid| sleeps(pid)).count() == 2);
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("the pod is gone", || marked(&mark).is_empty());
    // And at any moment before.
    for microseconds in (0..20_000).step_by(500) {
        let mut parent = pod(&mark);
        std::thread::sleep(Duration::from_micros(microseconds));
        parent.kill().unwrap();
        parent.wait().unwrap();
        eventually(&format!("the pod killed after {microseconds} us"), || marked(&mark).is_empty());
    }
}

#[test]
fn init_passes_on_what_the_parent_is_sent() {
    for kinds in [&["--pid"][..], &["--uts"]] {
        let owned: &[&str] = if is_root() { &[] } else { &["--user", "--map-root"] };
        let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
        let mut parent = Command::new(BINARY)
            .arg("run")
            .args(kinds)
            .args(owned)
            .args(["--", "sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        std::io::Read::read_exact(parent.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let pid = nix::unistd::Pid::from_raw(parent.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert_eq!(parent.wait().unwrap().code(), Some(9), "{kinds:?}");
    }
}

#[test]
fn spawn_limits_reached_are_named() {
    for (option, limit) in
        [("--net", "max_net_namespaces"), ("--uts", "max_uts_namespaces"), ("--pid", "max_pid_namespaces")]
    {
        let script = format!("echo 0 > /proc/sys/user/{limit}; {BINARY} run {option} -- true");
        let text = stderr(&mut stage2(&["run", "--user", "--map-root", "--", "sh", "-c", &script]));
        assert!(text.contains("ENOSPC") && text.contains(&format!("{limit} = 0")), "{text}");
    }
}

#[test]
fn spawn_failures_after_the_birth_are_told_and_leave_nothing() {
    let before = host();
    let root = tempfile::tempdir().unwrap();
    let path = root.path().to_str().unwrap();
    let text = stderr(&mut run(&["--pid", "--root", path, "--mount-proc"], &["true"]));
    assert!(
        text.contains("openat(root, \"proc\"") && text.contains("hint: it needs a directory /proc"),
        "{text}"
    );
    std::os::unix::fs::symlink("/tmp", root.path().join("proc")).unwrap();
    let text = stderr(&mut run(&["--pid", "--root", path, "--mount-proc"], &["true"]));
    assert!(text.contains("ENOTDIR") || text.contains("ELOOP"), "a link is not followed: {text}");
    assert_eq!(host(), before);
}

#[test]
fn net_half_made_labs_are_removed_wholly() {
    // The name of the second namespace is taken: what was built until then goes again, and what was there stays.
    let script = "$S2 net add stage2-t2; if $S2 net lab t; then exit 9; fi; $S2 net show --format json; $S2 net delete --lab t; ls /run";
    let output = sandbox(script).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let seen = String::from_utf8(output.stdout).unwrap();
    assert_eq!(seen.matches("\"link\"").count(), 1, "only lo: {seen}");
    // A file that stands for no namespace, as after a crash between its making and its mounting.
    let script =
        "$S2 net add a; touch /run/netns/b; $S2 net list; $S2 net delete b; $S2 net delete a; ls /run";
    let seen = ground::output(&mut sandbox(script));
    assert!(seen.lines().count() == 3 && seen.contains('b'), "{seen}");
}

#[test]
fn net_one_of_many_gets_the_name() {
    let script = "for i in 1 2 3 4 5 6 7 8; do $S2 net add same 2>/dev/null && echo won & done; wait; $S2 net list | wc -l; grep -c ' /run/netns ' /proc/self/mountinfo; $S2 net delete same";
    let seen = ground::output(&mut sandbox(script));
    assert_eq!(
        seen.lines().collect::<Vec<_>>(),
        ["won", "2", "1"],
        "one winner, one heading and one name, one mount"
    );
}

#[test]
fn spawn_falls_back_to_clone_and_says_so() {
    if !has("strace") {
        return;
    }
    for errno in ["ENOSYS", "EPERM"] {
        let mut traced = assert_cmd::Command::new("strace");
        traced.args([
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=clone3",
            "-e",
            &format!("inject=clone3:error={errno}"),
            BINARY,
        ]);
        traced.args([
            "run",
            "--all",
            "--map-root",
            "--",
            "readlink",
            "/proc/self/ns/time",
            "/proc/self/ns/net",
        ]);
        let output = traced.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if text.contains("PTRACE") {
            return skip("ptrace(2) is not allowed here");
        }
        assert!(text.contains(&format!("note: clone3: {errno}")), "{text}");
        let inside = String::from_utf8(output.stdout).unwrap();
        for (line, kind) in inside.lines().zip(["time", "net"]) {
            assert_ne!(line, ground::namespace("self", kind));
        }
        assert_eq!(inside.lines().count(), 2, "{text}");
    }
}

#[test]
fn spawn_by_clone_needs_no_other_call_to_hold_the_child() {
    if !has("strace") {
        return;
    }
    let inject = ["-e", "inject=clone3:error=ENOSYS", "-e", "inject=pidfd_open:error=ENOSYS"];
    let mut traced = assert_cmd::Command::new("strace");
    traced.args(["-qq", "-o", "/dev/null", "-e", "trace=clone3,pidfd_open"]).args(inject);
    let output = traced.args([BINARY, "run", "--user", "--", "echo", "ran"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.contains("PTRACE") {
        return skip("ptrace(2) is not allowed here");
    }
    assert!(output.status.success() && output.stdout == b"ran\n", "{text}");
}

/// Has a child of process `pid` the directory `path` open?
fn a_child_has_open(pid: u32, path: &std::path::Path) -> bool {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let open = |child: &str| std::fs::read_dir(format!("/proc/{child}/fd")).into_iter().flatten().flatten();
    let mut links = children.split_whitespace().flat_map(open);
    links.any(|link| std::fs::read_link(link.path()).is_ok_and(|target| target == path))
}

#[test]
fn pivot_refuses_a_root_that_was_exchanged_meanwhile() {
    if !has("strace") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (root, other) = (place.path().join("root"), place.path().join("other"));
    std::fs::create_dir(&root).unwrap();
    // The root is open when the birth begins, which takes three seconds; meanwhile it becomes another directory.
    let mut traced = Command::new("strace");
    traced.args(["-qq", "-o", "/dev/null", "-e", "trace=clone3", "-e", "inject=clone3:delay_enter=3000000"]);
    traced.args([BINARY, "run", "--user", "--map-root", "--mount", "--root", root.to_str().unwrap(), "true"]);
    let mut traced = traced.stderr(Stdio::piped()).spawn().unwrap();
    while !a_child_has_open(traced.id(), &root) && traced.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::fs::rename(&root, &other).unwrap();
    std::fs::create_dir(&root).unwrap();
    let text = String::from_utf8(traced.wait_with_output().unwrap().stderr).unwrap();
    if text.contains("PTRACE") {
        return skip("ptrace(2) is not allowed here");
    }
    assert!(text.contains("is another directory than at the start"), "{text}");
}

#[test]
fn user_maps_need_a_proc_and_say_so() {
    let script = "mount -t tmpfs none /proc; $S2 run --user --map-root -- true";
    let text = stderr(&mut sandbox(script));
    assert!(text.contains("no /proc is mounted here"), "{text}");
}

#[test]
fn pod_members_all_begin_with_the_mask_we_had() {
    let owned: &[&str] = if is_root() { &[] } else { &["--user", "--map-root"] };
    let member = ["grep", "SigBlk", "/proc/self/status"];
    let mut pod = stage2(&["pod"]);
    pod.args(owned).arg("--").args(member).arg("---").args(member);
    let seen = ground::output(&mut pod);
    assert_eq!(seen.lines().collect::<Vec<_>>(), ["SigBlk:\t0000000000000000"; 2]);
}
