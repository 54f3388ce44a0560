//! A process born into new namespaces, by one call.
//!
//! clone3(2), Linux 5.3, 2019; before it clone(2); pidfd_open(2), Linux 5.3. Book: "The API" (`spawn`).
//! Invariant: the caller has one thread, so the copy has no lock that nobody will ever open.

use super::{answer, descriptor};
use crate::kind::{Kind, Kinds};
use nix::errno::Errno;
use nix::unistd::Pid;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Which side of the birth we are on.
pub enum Side {
    /// The one who called.
    Parent {
        /// The child, as the parent's pid namespace numbers it.
        pid: Pid,
        /// The same, as a descriptor that never means another process.
        pidfd: OwnedFd,
    },
    /// The copy.
    Child,
}

/// The parts of `struct clone_args` (linux/sched.h) up to its third version, Linux 5.7.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// libc has it as a C int, where it is 0.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Whose child the new process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parentage {
    /// The caller's.
    Child,
    /// The caller's parent's: CLONE_PARENT. It is the one who waits for it.
    Sibling,
    /// The caller's, with the caller's descriptors and no copies of them: CLONE_FILES.
    Sharer,
}

/// Has this process one thread, and its memory for itself?
///
/// unshare(CLONE_VM) changes nothing and is EINVAL for everybody else (unshare(2)): cheaper than /proc, and there
/// where /proc is not.
pub fn single_threaded() -> bool {
    // SAFETY: takes no pointers; with one thread it has no effect, with more it fails.
    unsafe { libc::unshare(libc::CLONE_VM) == 0 }
}

// ANCHOR: spawn
/// One call makes the process and every namespace it is born into.
///
/// The user namespace comes first inside the kernel, and the others belong to it: so an ordinary user may make all.
pub fn clone3(kinds: Kinds, cgroup: Option<BorrowedFd<'_>>, parentage: Parentage) -> nix::Result<Side> {
    if !single_threaded() {
        return Err(Errno::EINVAL);
    }
    let mut pidfd: RawFd = -1;
    let into_cgroup = if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    // A sibling inherits the exit signal of ours, and clone3(2) takes no other.
    let (shared, exit_signal) = match parentage {
        Parentage::Child => (0, libc::SIGCHLD as u64),
        Parentage::Sibling => (libc::CLONE_PARENT as u64, 0),
        Parentage::Sharer => (libc::CLONE_FILES as u64, libc::SIGCHLD as u64),
    };
    let args = CloneArgs {
        flags: kinds.bits() | libc::CLONE_PIDFD as u64 | into_cgroup | shared,
        pidfd: &raw mut pidfd as u64,
        exit_signal,
        cgroup: cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
        ..Default::default()
    };
    // SAFETY: without CLONE_VM the child is a copy with a stack of its own, as after fork(2); one thread (checked)
    // means that no lock is held in the copy. `args` and `pidfd` outlive the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match answer(pid)? {
        0 => Ok(Side::Child),
        // SAFETY: CLONE_PIDFD has just put a descriptor of ours there, or left the -1.
        pid => unsafe { held(Pid::from_raw(pid as i32), pidfd) },
    }
}
// ANCHOR_END: spawn

/// The same by clone(2), for kernels before 5.3 and for filters that refuse what they cannot read.
///
/// The time namespace has no room in its flags; the caller unshares it.
pub fn clone(kinds: Kinds) -> nix::Result<Side> {
    if !single_threaded() {
        return Err(Errno::EINVAL);
    }
    let mut pidfd: RawFd = -1;
    let flags = kinds.without(Kind::Time).bits() as libc::c_long
        | libc::c_long::from(libc::CLONE_PIDFD)
        | libc::c_long::from(libc::SIGCHLD);
    // SAFETY: as in `clone3`; a null stack means the copy of ours. CLONE_PIDFD writes to the third argument, which
    // is the third everywhere; those after it differ in order between architectures, and are null.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, &raw mut pidfd, 0usize, 0usize) };
    match answer(pid)? {
        0 => Ok(Side::Child),
        // SAFETY: CLONE_PIDFD has just put a descriptor of ours there, or left the -1.
        pid => unsafe { held(Pid::from_raw(pid as i32), pidfd) },
    }
}

/// Linux before 5.2 passes over CLONE_PIDFD in silence: then nobody may learn of the child, so it ends at once.
///
/// # Safety
/// `pidfd` is negative, or a descriptor that nobody else owns.
unsafe fn held(pid: Pid, pidfd: RawFd) -> nix::Result<Side> {
    if pidfd < 0 {
        kill(pid, libc::SIGKILL);
        while waitpid(pid, 0) == Err(Errno::EINTR) {}
        return Err(Errno::ENOSYS);
    }
    // SAFETY: not negative, so it is ours alone (the caller's promise).
    Ok(Side::Parent { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// A descriptor for the process `pid`.
pub fn pidfd_open(pid: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: takes no pointers; what it returns is a new descriptor.
    unsafe { descriptor(libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0)) }
}

/// Send `signal` to the process behind `pidfd`.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> nix::Result<()> {
    // SAFETY: a null siginfo means the one kill(2) would send.
    answer(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<u8>(), 0)
    })
    .map(drop)
}

/// End this process now: no destructors, no handlers; they belong to the parent this is a copy of.
pub fn exit(status: u8) -> ! {
    // SAFETY: has no preconditions.
    unsafe { libc::_exit(i32::from(status)) }
}

/// Sends a signal by number; that the process is gone is no error.
pub fn kill(pid: Pid, signal: i32) {
    // SAFETY: takes no pointers.
    unsafe { libc::kill(pid.as_raw(), signal) };
}

/// Who has ended: `pid`, or -1 for any child of ours; with the word that says how. None: with WNOHANG, nobody yet.
///
/// The word is the kernel's own, for nix's has no room for an end by a real-time signal.
pub fn waitpid(pid: Pid, options: i32) -> nix::Result<Option<(Pid, i32)>> {
    let mut word = 0;
    // SAFETY: `word` is an int of ours and outlives the call.
    let ended = unsafe { libc::waitpid(pid.as_raw(), &raw mut word, options) };
    Errno::result(ended).map(|ended| (ended != 0).then_some((Pid::from_raw(ended), word)))
}

/// Closes all descriptors but the standard three, whoever may own them, and spends the rest of this process in `life`.
///
/// A plain function, not a closure: so it has captured no descriptor; and no owner of one ever runs again.
pub fn with_nothing_open(life: fn(Pid) -> u8, whom: Pid) -> ! {
    // SAFETY: takes no pointers. What I/O safety forbids is to use a descriptor that another has closed: the frames
    // that own these are never returned to, for this ends in `exit`.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    exit(life(whom))
}

/// Back to the default, where the signal is ignored; only there, for doing so discards one that is pending.
pub fn heed(signal: i32) {
    // SAFETY: all zeroes are a valid sigaction; the kernel writes the present one over it.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, std::ptr::null(), &raw mut present) == 0
            && present.sa_sigaction == libc::SIG_IGN
        {
            // SIG_DFL installs no function.
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}
