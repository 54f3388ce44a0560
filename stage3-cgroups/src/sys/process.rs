//! A process by descriptor, so that a signal cannot hit another one that got its number.
//!
//! pidfd_open(2), Linux 5.3; pidfd_send_signal(2), Linux 5.1; 2019. Book: "The whole group" (`kill`).
//! Invariant: a descriptor is of one process for ever; what is sent after its end is ESRCH.

use super::descriptor;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// The process that has the number `pid` now.
pub fn pidfd_open(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: takes no pointers; what it returns is a new descriptor.
    unsafe { descriptor(libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32) }
}

/// SIGKILL to the process behind `pidfd`.
pub fn pidfd_kill(pidfd: BorrowedFd<'_>) -> nix::Result<()> {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: without a siginfo the kernel reads no memory of ours.
    let sent =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, nothing, 0) };
    Errno::result(sent).map(drop)
}
