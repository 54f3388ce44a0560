//! Birth: a function runs in a new process, in new namespaces, made by one call.
//!
//! clone3(2), Linux 5.3, 2019; clone(2) where it is missing or filtered. Book: "The API" (`spawn`).
//! Invariant: the child never returns into its parent's code, and nothing is re-executed.

use crate::kind::{Kind, Kinds};
use crate::mount::{Incoming, PrivateMounts};
use crate::refusal;
use crate::sys::birth::{self as raw, Parentage, Side};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sched::{setns, unshare};
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Which call made the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// clone3(2), one call.
    Clone3,
    /// clone(2), because clone3 was answered with this.
    Clone(Errno),
}

/// A process that was born, seen by its parent. It must be waited for.
#[derive(Debug)]
pub struct Child {
    /// Its id, as the parent's pid namespace has it.
    pub pid: Pid,
    /// The same process as a descriptor; it never comes to mean another one.
    pub pidfd: OwnedFd,
    /// How it was made.
    pub way: Way,
}

/// Held by the child only: which namespaces it was born into, as proof for what may be done in them.
#[derive(Debug)]
pub struct Newborn {
    kinds: Kinds,
}

/// Runs `life` in a new process inside new namespaces of `kinds`; its return value is the exit status.
///
/// With `cgroup` (a directory of a version 2 hierarchy, Linux 5.7) the process is born in that group.
///
/// # Errors
/// EINVAL where this process has more than one thread; what clone(2) lists otherwise, with a hint.
pub fn birth(
    kinds: Kinds,
    cgroup: Option<BorrowedFd<'_>>,
    life: impl FnOnce(Newborn) -> u8,
) -> Result<Child> {
    let (side, way) = clone3_or_clone(kinds, cgroup)?;
    // clone(2) has no room for the flag of the time namespace.
    let kinds = if way == Way::Clone3 { kinds } else { kinds.without(Kind::Time) };
    Ok(part(side, kinds, way, life))
}

/// The same, but the new process is a child of our parent's, who has to be told its pid and to wait for it.
///
/// For a process that has joined namespaces on the way: what it begets is in them, and it can go. The kernel says
/// EINVAL to the first process of a pid namespace, which can have no siblings (clone(2), CLONE_PARENT).
///
/// # Errors
/// As of [`birth`], without the way of old kernels.
pub fn birth_of_sibling(
    kinds: Kinds,
    cgroup: Option<BorrowedFd<'_>>,
    life: impl FnOnce(Newborn) -> u8,
) -> Result<Child> {
    let side = raw::clone3(kinds, cgroup, Parentage::Sibling)
        .map_err(|errno| refusal::explain("clone3", errno, kinds))?;
    Ok(part(side, kinds, Way::Clone3, life))
}

/// The same in the namespaces of ours, with one table of descriptors for both: what one opens or closes, so has the
/// other, until either executes a program (execve(2) takes a copy).
///
/// `life` owns none of them: what it dropped, its parent would lose.
///
/// # Errors
/// As of [`birth`], without the way of old kernels.
pub fn birth_sharing_descriptors(life: impl FnOnce(Newborn) -> u8) -> Result<Child> {
    let side = raw::clone3(Kinds::NONE, None, Parentage::Sharer)
        .map_err(|errno| refusal::explain("clone3", errno, Kinds::NONE))?;
    Ok(part(side, Kinds::NONE, Way::Clone3, life))
}

/// From here on there are two: one returns, the other one lives and ends.
fn part(side: Side, kinds: Kinds, way: Way, life: impl FnOnce(Newborn) -> u8) -> Child {
    match side {
        Side::Parent { pid, pidfd } => Child { pid, pidfd, way },
        Side::Child => {
            let last = NeverReturn;
            let status = life(Newborn { kinds });
            std::mem::forget(last);
            raw::exit(status)
        }
    }
}

/// A filter from before 2019 knows clone(2), and answers clone3(2) with ENOSYS or EPERM, whatever is asked for.
fn clone3_or_clone(kinds: Kinds, cgroup: Option<BorrowedFd<'_>>) -> Result<(Side, Way)> {
    let refused = match raw::clone3(kinds, cgroup, Parentage::Child) {
        Ok(side) => return Ok((side, Way::Clone3)),
        Err(errno) => errno,
    };
    if matches!(refused, Errno::ENOSYS | Errno::EPERM) && cgroup.is_none() {
        match raw::clone(kinds) {
            Ok(side) => return Ok((side, Way::Clone(refused))),
            Err(errno) if refused == Errno::ENOSYS => return Err(refusal::explain("clone", errno, kinds)),
            Err(_) => (),
        }
    }
    Err(match cgroup {
        Some(_) => refusal::explain_in_group(refused, kinds),
        None => refusal::explain("clone3", refused, kinds),
    })
}

/// A panic in the child must not unwind into the copy of its parent's stack.
struct NeverReturn;

impl Drop for NeverReturn {
    fn drop(&mut self) {
        raw::exit(101)
    }
}

impl Newborn {
    /// Are we in a new namespace of this kind?
    pub fn has(&self, kind: Kind) -> bool {
        self.kinds.has(kind)
    }

    /// The proof that what we mount now stays with us; cuts every mount off from its peers first.
    pub fn private_mounts(&self, incoming: Incoming) -> Result<PrivateMounts> {
        match self.has(Kind::Mnt) {
            true => PrivateMounts::claim(incoming),
            false => Err(Error::refused("this process was born into its parent's mount namespace")
                .with_hint("add --mount: what would be mounted now, the host would see")),
        }
    }
}

impl Child {
    /// The child that somebody else has begotten for us ([`birth_of_sibling`]), by the number it was told to have.
    pub fn adopt(pid: Pid) -> Result<Self> {
        let pidfd = raw::pidfd_open(pid).map_err(|errno| Error::call(format!("pidfd_open({pid})"), errno))?;
        Ok(Child { pid, pidfd, way: Way::Clone3 })
    }

    /// Waits for its end. The status is the one it gave, or 128 + n where signal n killed it.
    pub fn wait(self) -> Result<u8> {
        loop {
            match raw::waitpid(self.pid, 0) {
                Ok(ended) => {
                    if let Some(code) = ended.and_then(|(_, word)| exit_status(word)) {
                        return Ok(code);
                    }
                }
                Err(Errno::EINTR) => (),
                Err(errno) => return Err(Error::call(format!("waitpid({})", self.pid), errno)),
            }
        }
    }

    /// Its number in the /proc that is mounted here: not `pid`, where that /proc is of another pid namespace.
    pub(crate) fn number_in_proc(&self) -> Result<i32> {
        refusal::require_proc()?;
        // The kernel numbers it as the /proc that is read does (pidfd_show_fdinfo() in kernel/fork.c).
        let path = format!("/proc/self/fdinfo/{}", self.pidfd.as_raw_fd());
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(format!("open({path:?})"), &e))?;
        let number = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
        number.filter(|number| *number > 0).ok_or_else(|| {
            Error::refused(format!("the /proc here does not show process {}", self.pid))
                .with_hint("it has ended, or that /proc is of a pid namespace which the process is not in")
        })
    }

    /// Sends it a signal by descriptor: it cannot hit another process that got the same number.
    pub fn signal(&self, signal: i32) -> Result<()> {
        raw::pidfd_send_signal(self.pidfd.as_fd(), signal)
            .map_err(|errno| Error::call(format!("pidfd_send_signal({}, {signal})", self.pid), errno))
    }
}

/// The word of wait(2) as shells say it: the exit code, or 128 + n for signal n. None: it is not over yet.
pub fn exit_status(word: i32) -> Option<u8> {
    if libc::WIFEXITED(word) {
        return Some(libc::WEXITSTATUS(word) as u8);
    }
    libc::WIFSIGNALED(word).then(|| 128 + libc::WTERMSIG(word) as u8)
}

/// Enters a time namespace that unshare(2) made for children only, after `set` has moved its clocks.
///
/// A process that enters freezes the offsets, and clone3(CLONE_NEWTIME) enters at once: offsets need the long way.
pub(crate) fn enter_new_time(set: impl FnOnce() -> Result<()>) -> Result<()> {
    let time = Kinds::NONE.with(Kind::Time, true);
    unshare(time.flags()).map_err(|errno| refusal::explain("unshare", errno, time))?;
    set()?;
    let path = "/proc/self/ns/time_for_children";
    let file = std::fs::File::open(path).map_err(|e| Error::io(format!("open({path:?})"), &e))?;
    setns(file, time.flags()).map_err(|errno| Error::call(format!("setns(<{path}>, CLONE_NEWTIME)"), errno))
}
