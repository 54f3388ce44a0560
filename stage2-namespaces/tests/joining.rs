//! Who we are in the namespaces of others, and whose numbers we go by.
//!
//! setns(2), pidfd_open(2), user_namespaces(7). Book: "Joining" (`enter`).
//! Invariant: what a container says about itself gains its owner nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;

use ground::{
    BINARY, Runner, eventually, has, is_root, marked, output, run, sandbox, skip, skip_for, stage2,
};
use ground::{namespace, stderr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// An ordinary user who need not have a name.
const STRANGER: u32 = 12_345;

/// A number of seconds to sleep that no other test and no other program uses; none is the beginning of another.
fn mark(n: u32) -> String {
    format!("{}.{n:03}", 8_000_000 + std::process::id())
}

/// A container of somebody's, with a copy of the command that its owner may run; it ends with this.
struct Container {
    child: Child,
    place: tempfile::TempDir,
}

impl Container {
    /// `run` by `uid` with `options`; `script` ends in a sleep of `mark`.
    fn begin(uid: u32, options: &[&str], script: &str, mark: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let binary = place.path().join("stage2");
        // The one under test may lie where only root may look. Copied by a process of its own: what another test forks
        // meanwhile would inherit a copy open for writing, and execve(2) then is ETXTBSY.
        assert!(Command::new("cp").arg(BINARY).arg(&binary).status().unwrap().success());
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let script = format!("{script} exec sleep {mark}");
        let mut command = Command::new(&binary);
        command.arg("run").args(options).args(["--", "sh", "-c", &script]).current_dir("/").uid(uid).gid(uid);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let sleeper = format!("sleep\0{mark}");
        eventually("the container runs", || marked(&sleeper).len() == 1);
        Container { child, place }
    }

    fn binary(&self) -> PathBuf {
        self.place.path().join("stage2")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// User, group and groups that a command has outside, after it was entered into the process that sleeps for `mark`.
fn entered(mark: &str, own: &str) -> Vec<String> {
    let target = marked(&format!("sleep\0{mark}"))[0].to_string();
    let mut enter =
        Command::new(BINARY).args(["enter", &target, "--all", "--", "sleep", own]).spawn().unwrap();
    let sleeper = format!("sleep\0{own}");
    eventually("the command is inside", || marked(&sleeper).iter().any(|pid| namespace_of(*pid, &target)));
    let pid = marked(&sleeper).into_iter().find(|pid| namespace_of(*pid, &target)).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    enter.wait().unwrap();
    let fields = ["Uid:", "Gid:", "Groups:"].map(|name| {
        let field = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        field.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    fields.to_vec()
}

/// Has the command begun, in the user namespace of `target`?
fn namespace_of(pid: i32, target: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep\0"))
        && namespace(&pid.to_string(), "user") == namespace(target, "user")
}

#[test]
fn enter_takes_no_id_of_the_host_along() {
    if !is_root() {
        return skip_for(Runner::Root, "only root has ids that a container must not get");
    }
    let mapped = ["--user", "--uid-map", "0:100000:10", "--gid-map", "0:100000:10", "--pid", "--mount-proc"];
    let _container = Container::begin(0, &mapped, "", &mark(1));
    assert_eq!(
        entered(&mark(1), &mark(2)),
        ["100000 100000 100000 100000", "100000 100000 100000 100000", ""]
    );
}

#[test]
fn enter_believes_nothing_that_a_container_says_of_itself() {
    if !is_root() {
        return skip_for(Runner::Root, "only root enters what is another user's");
    }
    // Maps without a root, and a fifo on which a reader would wait for ever.
    for (n, forged) in [(10, "echo 1 1 1 > /proc/self/uid_map"), (20, "mkfifo /proc/self/uid_map")] {
        let script = format!(
            "mount -t tmpfs none /proc; mkdir /proc/self; {forged}; cp -a /proc/self/uid_map /proc/self/gid_map;"
        );
        let kinds = ["-Umpi", "--map-root", "--mount-proc"];
        let _container = Container::begin(STRANGER, &kinds, &script, &mark(n));
        let ids = [STRANGER; 4].map(|id| id.to_string()).join(" ");
        assert_eq!(entered(&mark(n), &mark(n + 1)), [&*ids, &*ids, ""], "{forged}");
    }
}

#[test]
fn enter_refuses_where_root_would_stay_root_outside() {
    if !is_root() {
        return skip_for(Runner::Root, "only root enters what is another user's");
    }
    for (n, owner) in [(30, STRANGER), (31, 0)] {
        let _container = Container::begin(owner, &["--user"], "", &mark(n));
        let target = marked(&format!("sleep\0{}", mark(n)))[0].to_string();
        let text = stderr(stage2(&["enter", &target, "--user", "--", "id"]).env("LC_ALL", "C"));
        assert!(text.contains("has no root for us to become"), "{text}");
        stage2(&["enter", &target, "--user", "--", "id"]).assert().code(1).stdout("");
    }
}

#[test]
fn enter_cannot_be_traced_by_those_it_joins() {
    let owner = if is_root() { STRANGER } else { nix::unistd::geteuid().as_raw() };
    let container = Container::begin(owner, &["-Up", "--map-root"], "", &mark(40));
    let target = marked(&format!("sleep\0{}", mark(40)))[0].to_string();
    // In a pid namespace the command is a child; the one that waits for it has joined the rest.
    let arguments = ["enter", &target, "--user", "--pid", "--", "sleep", &mark(41)];
    let mut enter = Command::new(container.binary()).args(arguments).uid(owner).gid(owner).spawn().unwrap();
    let sleeper = format!("sleep\0{}", mark(41));
    eventually("the command is inside", || marked(&sleeper).len() == 2);
    // The files of what may not be traced are root's: proc_pid(5).
    let files_of = std::fs::metadata(format!("/proc/{}/status", enter.id())).unwrap().uid();
    enter.kill().unwrap();
    enter.wait().unwrap();
    assert_eq!(files_of, 0);
}

#[test]
fn enter_names_the_process_of_a_thread() {
    let thread = nix::unistd::gettid().to_string();
    let text = stderr(&mut stage2(&["enter", &thread, "--uts", "--", "true"]));
    let process = format!("{thread} is a thread: name its process, {}", std::process::id());
    assert!(text.contains(&process), "{text}");
}

#[test]
fn enter_asks_again_whether_the_process_is_there() {
    if !has("strace") {
        return;
    }
    let own = std::process::id().to_string();
    let mut traced = assert_cmd::Command::new("strace");
    traced.args(["-qq", "-o", "/dev/null", "-e", "inject=pidfd_send_signal:error=ESRCH", BINARY]);
    let text = stderr(traced.args(["enter", &own, "--uts", "--", "true"]));
    if text.contains("PTRACE") {
        return skip("ptrace(2) is not allowed here");
    }
    assert!(text.contains(&format!("process {own} has ended")), "{text}");
}

#[test]
fn pid_numbers_of_another_namespace_are_refused() {
    // Without --mount-proc: the /proc is that of the host.
    for words in
        [&["mounts", "1"][..], &["list", "1"], &["diff", "1", "2"], &["enter", "1", "--uts", "--", "true"]]
    {
        let text = stderr(&mut run(&["--pid"], &[&[BINARY], words].concat()));
        assert!(text.contains("numbers the processes of another pid namespace"), "{words:?}: {text}");
    }
}

#[test]
fn pid_numbers_are_not_needed_for_ourselves_and_our_children() {
    let script = format!(
        "mount -t tmpfs mark-own /mnt; {BINARY} mounts --below /mnt; {BINARY} run --user --map-root -- id -u"
    );
    let seen = output(&mut run(&["--pid", "--mount"], &["sh", "-c", &script]));
    assert!(seen.contains("mark-own") && seen.ends_with("\n0"), "{seen}");
}

#[test]
fn time_offsets_of_one_clock_leave_the_other() {
    let script =
        "$S2 run --time --boottime 1000 -- $S2 run --time --monotonic 500 -- cat /proc/self/timens_offsets";
    let seen = output(&mut sandbox(script));
    let words: Vec<&str> = seen.split_whitespace().collect();
    assert_eq!(words, ["monotonic", "500", "0", "boottime", "1000", "0"]);
    // The host's clock cannot go below zero, though ours could.
    let script = "$S2 run --time --boottime 1000000000 -- $S2 run --time --boottime -900000000 -- true";
    let text = stderr(&mut sandbox(script));
    assert!(text.contains("offset -900000000 is out of range"), "{text}");
}
