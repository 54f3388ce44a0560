//! A connection, with an owner.
//!
//! accept4(2), Linux 2.6.28, 2008. Book: "A container's birth" (`birth`).
//! Invariant: what is returned closes itself, and does not outlive an execve(2).

use nix::sys::socket::{SockFlag, accept4};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The next one who connects to `listener`.
pub fn accept(listener: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    let connection = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC)?;
    // SAFETY: the kernel has just opened it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(connection) })
}
