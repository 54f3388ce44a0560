//! What a sandbox is made of, and that it is what it says, and leaves nothing: seen on this machine.
//!
//! kill(2), /proc, /sys/fs/cgroup. Book: "How to use this book".
//! Invariant: the groups of one sandbox are told from those of others by the number of its shell.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

use super::*;
use crate::skip::{Runner, skip, skip_for, skip_under};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Output},
    time::Instant,
};

const LIMIT: Duration = Duration::from_secs(60);

fn sandbox() -> Option<Sandbox> {
    if !geteuid().is_root() {
        skip_for(Runner::Root, "sandbox", "only root makes one");
        return None;
    }
    Sandbox::here().inspect_err(|answer| skip("sandbox", &answer.to_string())).ok()
}

fn shell(sandbox: &Sandbox, script: &str) -> Command {
    let mut command = sandbox.command("sh", LIMIT);
    command.args(["-c", script]);
    command
}

/// What the script says in a sandbox; it must succeed.
fn said(sandbox: &Sandbox, script: &str) -> String {
    let Output { status, stdout, stderr } = shell(sandbox, script).stdin(Stdio::null()).output().unwrap();
    assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap().trim().to_owned()
}

/// A sandbox that has said its groups' names, and stays.
fn running(sandbox: &Sandbox, script: &str) -> (Child, Vec<PathBuf>) {
    let script = format!("{script}\necho ready; exec sleep 50");
    let mut command = shell(sandbox, &script);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    // timeout(1), which `setpriv` has become, waits for the shell that names the groups.
    let parent = i32::try_from(child.id()).unwrap();
    let shell = crate::processes::all().into_iter().find(|process| process.parent == parent).unwrap().pid;
    let name = format!("stage4-sandbox-{shell}");
    let groups: Vec<_> = sandbox.hierarchies.iter().map(|one| one.parent.join(&name)).collect();
    assert!(groups.iter().all(|group| group.is_dir()), "{groups:?}");
    (child, groups)
}

fn gone(groups: &[PathBuf]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while groups.iter().any(|group| group.exists()) {
        assert!(Instant::now() < deadline, "{groups:?} are still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_hybrid_machine_gives_version_1_below_our_own_groups() {
    let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        33 31 0:32 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,xattr,memory\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/x,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n\
        50 31 0:32 /docker/x /elsewhere rw - cgroup cgroup rw,memory";
    let found = hierarchies(mounts, "3:name=systemd:/\n2:memory:/docker/x/y\n1:cpu,cpuacct:/a\n0::/\n");
    let lines: Vec<_> = found.iter().map(line).collect();
    let expected = [
        "/sys/fs/cgroup/cpu,cpuacct/a\tcgroup\tcpu,cpuacct\tcpu,cpuacct",
        "/sys/fs/cgroup/memory/y\tcgroup\tmemory\tmemory",
        "/sys/fs/cgroup/systemd/\tcgroup\tnone,name=systemd\tsystemd",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn version_2_is_entered_at_the_top() {
    let found =
        hierarchies("41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate", "0::/user.slice\n");
    assert_eq!(found.iter().map(line).collect::<Vec<_>>(), ["/sys/fs/cgroup\tcgroup2\trw\t"]);
    assert_eq!(Sandbox { hierarchies: found }.version(), 2);
}

#[test]
fn inside_is_one_layout_and_its_top_is_a_group_of_our_own() {
    let Some(sandbox) = sandbox() else { return };
    let mounted = said(&sandbox, "grep cgroup /proc/mounts | grep -v tmpfs | cut -d' ' -f3 | sort -u");
    assert_eq!(mounted, if sandbox.version() == 2 { "cgroup2" } else { "cgroup" });
    for Hierarchy { name, options, .. } in &sandbox.hierarchies {
        let own = if sandbox.version() == 1 { options.trim_start_matches("none,") } else { "" };
        let seen = if sandbox.version() == 1 { "/" } else { "/init" }; // who hands down has no processes
        let script =
            format!("mkdir /sys/fs/cgroup/{name}/a && sed -n 's/^[0-9]*:{own}://p' /proc/self/cgroup");
        assert_eq!(said(&sandbox, &script), seen, "{own}");
    }
}

#[test]
fn a_limit_set_inside_holds() {
    let Some(sandbox) = sandbox() else { return };
    if !said(&sandbox, "find /sys/fs/cgroup -name pids.max").contains("pids.max") {
        return skip_under("v1", "sandbox", "what is mounted here has no controller of processes");
    }
    let script = "cd /sys/fs/cgroup; [ ! -d pids ] || cd pids; mkdir few; echo 0 > few/cgroup.procs; \
        echo 2 > few/pids.max; (sleep 0; sleep 0; sleep 0) 2>&1; (sleep 9 & sleep 9 & sleep 9) 2>&1 | head -1";
    let told = said(&sandbox, &format!("sh -c '{script}' 2>&1 || :"));
    assert!(told.contains("fork"), "{told}");
}

#[test]
fn the_host_is_not_seen_and_not_written_to() {
    let Some(sandbox) = sandbox() else { return };
    let script = "set -e; for place in /etc /var/lib/containers /var/lib/docker /run /dev/shm /var/tmp; do \
        echo x > $place/stage4-written; done; hostname stage4-inside; \
        ls /sys/class/net; cat /sys/class/net/lo/operstate; ls -d $HOME $TMPDIR; cat /proc/1/comm";
    assert_eq!(said(&sandbox, script), "lo\nunknown\n/run/home\n/run/tmp\nsh");
    for place in ["/etc", "/var/lib/containers", "/var/lib/docker", "/run", "/dev/shm", "/var/tmp"] {
        assert!(!Path::new(place).join("stage4-written").exists(), "{place}");
    }
    assert_ne!(nix::unistd::gethostname().unwrap(), "stage4-inside");
}

#[test]
fn status_input_and_arguments_pass_through() {
    let Some(sandbox) = sandbox() else { return };
    let mut command = shell(&sandbox, "read word; echo \"$word $1\"; kill -INT $$; exit 42");
    command.args(["sh", "a  b\n'c"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"hello\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello a  b\n'c\n");
    // SIGINT is not ignored inside, as it would be behind a shell's `&`.
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(shell(&sandbox, "exit 42").status().unwrap().code(), Some(42));
}

#[test]
fn time_is_limited_and_nothing_is_left() {
    let Some(sandbox) = sandbox() else { return };
    let mut command = sandbox.command("sleep", Duration::from_secs(2));
    assert_eq!(command.arg("1000").status().unwrap().code(), Some(124));
}

/// What a client could leave: groups inside groups, who ignores signals, who is frozen, who has a session of his own.
const STUBBORN: &str = "cd /sys/fs/cgroup; [ ! -d freezer ] || cd freezer; mkdir -p a/b c; \
    setsid sh -c 'trap \"\" TERM INT HUP; sleep 1000' & \
    sleep 1000 & echo $! > c/cgroup.procs; \
    [ ! -e c/freezer.state ] || echo FROZEN > c/freezer.state; [ ! -e c/cgroup.freeze ] || echo 1 > c/cgroup.freeze; ";

#[test]
fn nothing_is_left_when_it_ends() {
    let Some(sandbox) = sandbox() else { return };
    let (mut child, groups) = running(&sandbox, &format!("{STUBBORN} sh -c 'sleep 1; kill -9 $PPID' &"));
    child.wait().unwrap();
    assert!(groups.iter().all(|group| !group.exists()), "{groups:?}");
}

#[test]
fn nothing_is_left_when_it_is_interrupted() {
    let Some(sandbox) = sandbox() else { return };
    let (mut child, groups) = running(&sandbox, STUBBORN);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    child.wait().unwrap();
    gone(&groups);
}

#[test]
fn groups_count_as_left_only_where_nobody_stands_by_them() {
    let Some(sandbox) = sandbox() else { return };
    let (mut child, groups) = running(&sandbox, STUBBORN);
    // No shell of a sandbox has this number.
    let stale = sandbox.hierarchies[0].parent.join(format!("stage4-sandbox-{}", std::process::id()));
    fs::create_dir(&stale).unwrap();
    let left = crate::residue::find();
    fs::remove_dir(&stale).unwrap();
    let left = left.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    gone(&groups);
    let is_left = |group: &PathBuf| left.contains(&crate::residue::Residue::Cgroup(group.clone()));
    assert!(is_left(&stale) && !groups.iter().any(is_left), "{left:?}");
}

#[test]
fn nothing_is_left_when_it_is_killed() {
    let Some(sandbox) = sandbox() else { return };
    let (mut child, groups) = running(&sandbox, STUBBORN);
    child.kill().unwrap();
    child.wait().unwrap();
    gone(&groups);
}
