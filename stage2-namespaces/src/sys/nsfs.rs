//! What a namespace descriptor answers when asked.
//!
//! ioctl_ns(2): Linux 4.9, 2016 (USERNS, PARENT), 4.11 (NSTYPE, OWNER_UID). Book: "Who owns whom" (`list`).
//! Invariant: only questions; none of these changes anything.

use super::descriptor;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

// linux/nsfs.h: _IO(0xb7, 1) and so on; the direction and size of _IO are 0 on most machines, not on all.
const NS_GET_USERNS: libc::Ioctl = nix::request_code_none!(0xb7, 0x1) as libc::Ioctl;
const NS_GET_PARENT: libc::Ioctl = nix::request_code_none!(0xb7, 0x2) as libc::Ioctl;
const NS_GET_NSTYPE: libc::Ioctl = nix::request_code_none!(0xb7, 0x3) as libc::Ioctl;
const NS_GET_OWNER_UID: libc::Ioctl = nix::request_code_none!(0xb7, 0x4) as libc::Ioctl;

/// The user namespace that owns `namespace`. EPERM: it is outside of what we may see.
pub fn owner(namespace: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    // SAFETY: takes no argument; a new descriptor is returned.
    unsafe { descriptor(libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS).into()) }
}

/// The parent of a pid or user namespace. EPERM: it is outside of what we may see; EINVAL: kind without parents.
pub fn parent(namespace: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    // SAFETY: takes no argument; a new descriptor is returned.
    unsafe { descriptor(libc::ioctl(namespace.as_raw_fd(), NS_GET_PARENT).into()) }
}

/// The clone flag of the namespace's kind. ENOTTY: the file is no namespace.
pub fn flag(namespace: BorrowedFd<'_>) -> nix::Result<u64> {
    // SAFETY: takes no argument.
    Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_NSTYPE) }).map(|flag| flag as u64)
}

/// The user who made the user namespace `namespace`, as our own user namespace numbers him.
pub fn owner_uid(namespace: BorrowedFd<'_>) -> nix::Result<u32> {
    let mut uid: libc::uid_t = 0;
    // SAFETY: writes one uid_t to where it is told, and `uid` is there.
    Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) }).map(|_| uid)
}
