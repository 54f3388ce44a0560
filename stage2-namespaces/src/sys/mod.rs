//! Kernel calls that no safe wrapper offers; the only rooms of this crate with `unsafe` in them.
//!
//! clone3(2), pidfd_open(2), open_tree(2), fsopen(2), ioctl_ns(2), msgget(2), mq_open(2). Book: "The API" (`spawn`).
//! Invariant: every function here is safe to call with any argument; the kernel says no where it must.
#![allow(unsafe_code, reason = "this is the room for it")]

pub mod birth;
pub mod ipc;
pub mod mount;
pub mod nsfs;
pub mod socket;

use nix::errno::Errno;
use std::os::fd::{FromRawFd, OwnedFd};

/// What a raw call returned, as nix tells it.
fn answer(returned: libc::c_long) -> nix::Result<libc::c_long> {
    Errno::result(returned)
}

/// A call that returns a new descriptor.
///
/// # Safety
/// `returned` is what a system call gave that opens a descriptor, and nobody else holds it.
unsafe fn descriptor(returned: libc::c_long) -> nix::Result<OwnedFd> {
    // SAFETY: not negative, so the kernel has just opened it for us alone (the caller's promise).
    answer(returned).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
