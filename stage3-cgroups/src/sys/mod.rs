//! Kernel calls that no safe wrapper offers; the only rooms of this crate with `unsafe` in them.
//!
//! eventfd(2), inotify(7), bpf(2), pidfd_open(2). Book: "Notifications" (`events`), "Devices" (`devices`).
//! Invariant: every function here is safe to call with any argument; the kernel says no where it must.
#![allow(unsafe_code, reason = "this is the room for it")]

pub mod bpf;
pub mod notify;
pub mod process;

use nix::errno::Errno;
use std::os::fd::{FromRawFd, OwnedFd};

/// A call that returns a new descriptor.
///
/// # Safety
/// `returned` is what a system call gave that opens a descriptor, and nobody else holds it.
unsafe fn descriptor(returned: i32) -> nix::Result<OwnedFd> {
    // SAFETY: not negative, so the kernel has just opened it for us alone (the caller's promise).
    Errno::result(returned).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}
