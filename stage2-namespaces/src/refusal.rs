//! Why the kernel made no namespace, and what the reader can do.
//!
//! The errors of clone(2) and unshare(2); namespaces(7), "The /proc/sys/user directory". Book: "The API" (`spawn`).
//! Invariant: only reads; the error itself stays the one the kernel gave.

use crate::kind::{Kind, Kinds};
use crate::sys::birth::single_threaded;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::unistd::geteuid;
use stage1_chroot::loan::refusal::Readings;
use std::fs;
use std::path::Path;

/// The failed call `name` for `kinds`, with a hint.
pub(crate) fn explain(name: &str, errno: Errno, kinds: Kinds) -> Error {
    let error = Error::call(format!("{name}({kinds})"), errno);
    match hint(errno, kinds) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The same of clone3(2) for somebody who was to be born in a group.
///
/// ENODEV is what clone(2) lists for a group that was deleted; where its end has begun while we hold its descriptor,
/// it is ENOENT (`css_tryget_online_from_dir()` in kernel/cgroup/cgroup.c).
pub(crate) fn explain_in_group(errno: Errno, kinds: Kinds) -> Error {
    let error = explain("clone3", errno, kinds);
    match errno {
        Errno::ENODEV | Errno::ENOENT => error
            .with_hint("the group was deleted meanwhile: see who removes empty groups here, and try again"),
        _ => error,
    }
}

fn hint(errno: Errno, kinds: Kinds) -> Option<String> {
    match errno {
        // EUSERS was the answer for user namespaces before Linux 4.9, and still is for 32 nested ones.
        Errno::ENOSPC | Errno::EUSERS => Some(limits(kinds)),
        Errno::EPERM if kinds.has(Kind::User) => Some(unprivileged(errno)),
        Errno::EPERM => Some(
            "needs CAP_SYS_ADMIN: be root, or add --user --map-root and own the namespaces as an ordinary user".into(),
        ),
        Errno::EINVAL if !single_threaded() => Some("this process has more than one thread".into()),
        Errno::EINVAL => unknown(kinds),
        Errno::EAGAIN => Some("too many processes: see `ulimit -u` and the cgroup's pids.max".into()),
        Errno::ENOMEM => Some("no memory, or the pid namespace has lost its pid 1 and takes no more processes".into()),
        _ => None,
    }
}

/// The limits of the kinds asked for, smallest first: the one that was reached is hardly a large one.
fn limits(kinds: Kinds) -> String {
    let read = |kind: Kind| -> Option<(u64, &str)> {
        let name = kind.facts().limit;
        Some((fs::read_to_string(format!("/proc/sys/user/{name}")).ok()?.trim().parse().ok()?, name))
    };
    let mut limits: Vec<_> = kinds.iter().filter_map(read).collect();
    limits.sort_unstable();
    let told: Vec<String> = limits.iter().map(|(limit, name)| format!("{name} = {limit}")).collect();
    format!(
        "a limit of /proc/sys/user here or in a parent user namespace is reached ({}), or 32 levels of nesting",
        told.join(", ")
    )
}

fn unknown(kinds: Kinds) -> Option<String> {
    let missing: Vec<String> = kinds
        .iter()
        .filter(|kind| !kind.known_here())
        .map(|k| format!("{k} ({})", k.facts().kernel))
        .collect();
    (!missing.is_empty())
        .then(|| format!("/proc/self/ns does not list {}: since that kernel", missing.join(", ")))
}

/// Why an ordinary user gets no user namespace here; stage 1 met the same refusals when it borrowed one.
fn unprivileged(errno: Errno) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    let readings = Readings::take(effective.unwrap_or(0), geteuid());
    stage1_chroot::loan::refusal::explain(errno, &readings)
}

/// Everything we read about others is below /proc: say so where it is missing.
pub(crate) fn require_proc() -> Result<()> {
    match fs::symlink_metadata("/proc/self") {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::refused("no /proc is mounted here")
            .with_hint("mount -t proc proc /proc; inside `run`, add --mount-proc")),
    }
}

/// A process id means one process to the kernel and another to a /proc from outside of our pid namespace.
fn require_our_numbers() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    // Our number in the pid namespace of that /proc, and in each below it down to ours (proc_pid_status(5)).
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    match numbers.map_or(1, |numbers| numbers.split_whitespace().count()) {
        1 => Ok(()),
        _ => Err(Error::refused("the /proc here numbers the processes of another pid namespace")
            .with_hint("mount -t proc proc /proc; with `run --pid`, add --mount-proc")),
    }
}

/// The process `pid` is there and visible, or an error that says which of the two is missing.
pub(crate) fn require_process(pid: i32) -> Result<()> {
    require_proc()?;
    if pid <= 0 {
        return Err(Error::refused(format!("{pid} is not a process id")).with_hint("process ids start at 1"));
    }
    require_our_numbers()?;
    if Path::new(&format!("/proc/{pid}")).exists() {
        return Ok(());
    }
    // kill(2) with signal 0 only asks; EPERM is an answer by somebody who is there.
    match nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) {
        Err(Errno::ESRCH) => Err(Error::call(format!("open(\"/proc/{pid}\")"), Errno::ENOENT)
            .with_hint(format!("there is no process {pid} in this pid namespace; has it ended?"))),
        _ => Err(Error::call(format!("open(\"/proc/{pid}\")"), Errno::ENOENT).with_hint(format!(
            "process {pid} lives, but this /proc hides it (hidepid): ask as its user or as root"
        ))),
    }
}
