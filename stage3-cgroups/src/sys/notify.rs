//! Descriptors that become readable when something happened.
//!
//! eventfd(2), Linux 2.6.22; inotify(7), Linux 2.6.13. Book: "Notifications" (`events`).
//! Invariant: neither blocks a reader, and neither outlives an execve(2).

use super::descriptor;
use nix::errno::Errno;
use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// A counter that starts at 0.
pub fn eventfd() -> nix::Result<OwnedFd> {
    // SAFETY: takes no pointers; what it returns is a new descriptor.
    unsafe { descriptor(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)) }
}

/// A queue of changes of files.
pub fn inotify() -> nix::Result<OwnedFd> {
    // SAFETY: takes no pointers; what it returns is a new descriptor.
    unsafe { descriptor(libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK)) }
}

/// Changes of the file behind `file` go into the queue.
pub fn watch(queue: BorrowedFd<'_>, file: BorrowedFd<'_>) -> nix::Result<()> {
    // By the descriptor's name, so that it is that very file.
    let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `path` ends with a NUL and outlives the call.
    Errno::result(unsafe { libc::inotify_add_watch(queue.as_raw_fd(), path.as_ptr(), libc::IN_MODIFY) })
        .map(drop)
}
