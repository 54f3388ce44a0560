//! What all tests stand on: the command, loud skips, and the host's state to compare with.
//!
//! No kernel calls of its own. Book: "How it is tested".
//! Invariant: a test that cannot observe says SKIP, and fails where STAGES_NO_SKIP=1.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

use assert_cmd::Command;
pub use observe::skip::Runner;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

pub const BINARY: &str = env!("CARGO_BIN_EXE_stage2-namespaces");

/// The command with nothing but these arguments; it ends within half a minute.
pub fn stage2(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).timeout(Duration::from_secs(30));
    command
}

/// `run` with `kinds`, as root or as an ordinary user, who owns them by a user namespace.
pub fn run(kinds: &[&str], words: &[&str]) -> Command {
    let mut command = stage2(&["run"]);
    let owned = if is_root() { &[][..] } else { &["--user", "--map-root"][..] };
    command.args(kinds).args(owned.iter().filter(|o| !kinds.contains(o))).arg("--").args(words);
    command
}

/// What it printed; it must have succeeded.
pub fn output(command: &mut Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap().trim().to_owned()
}

pub fn stderr(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stderr).unwrap()
}

/// A shell in a network, a mount namespace and a /run of its own: root or not, the host sees none of it.
pub fn sandbox(script: &str) -> Command {
    let script = format!("mount -t tmpfs run /run && S2={BINARY} && {script}");
    let mut command =
        stage2(&["run", "--user", "--map-root", "--mount", "--net", "--pid", "--mount-proc", "--"]);
    command.args(["sh", "-ec", &script]);
    command
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says why a claim is not tested here.
pub fn skip(reason: &str) {
    observe::skip::skip("stage2", reason);
}

/// Says that a claim is about the other kind of user.
pub fn skip_for(runner: Runner, reason: &str) {
    observe::skip::skip_for(runner, "stage2", reason);
}

/// Is `program` there? If not, says so.
pub fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let found =
        path.split(':').chain(["/usr/sbin", "/sbin"]).any(|dir| Path::new(dir).join(program).is_file());
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// The namespace of `kind` that the process `who` (a pid, or `self`) is in.
pub fn namespace(who: &str, kind: &str) -> String {
    fs::read_link(format!("/proc/{who}/ns/{kind}")).unwrap().to_str().unwrap().to_owned()
}

/// What the host must look the same by, before and after.
pub fn host() -> (Vec<String>, Vec<String>, Vec<String>) {
    let lines = |path: &str| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let links =
        fs::read_dir("/sys/class/net").unwrap().flatten().map(|e| e.file_name().into_string().unwrap());
    let mut links: Vec<String> = links.collect();
    links.sort();
    let handles =
        fs::read_dir("/run/netns").into_iter().flatten().flatten().map(|e| format!("{:?}", e.path()));
    (lines("/proc/self/mountinfo"), links, handles.collect())
}

/// The processes whose command line holds `mark`, but those of tests.
pub fn marked(mark: &str) -> Vec<i32> {
    let pids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|l| String::from_utf8_lossy(&l).contains(mark))
    })
    .collect()
}

/// Waits until `done`, or not more than a minute.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
