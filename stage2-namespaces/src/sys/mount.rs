//! Mounts by descriptor.
//!
//! open_tree(2), move_mount(2), fsopen(2), fsmount(2); Linux 5.2, 2019. Book: "pivot_root" (`pivot`).
//! Invariant: a mount is made detached first, so that nobody sees it half done.

use super::{answer, descriptor};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A copy of the mount at `directory` and all below it, attached nowhere yet.
pub fn open_tree(directory: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    let flags =
        libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | (libc::AT_RECURSIVE | libc::AT_EMPTY_PATH) as u32;
    // SAFETY: the empty path is a C string; what is returned is a new descriptor.
    unsafe { descriptor(libc::syscall(libc::SYS_open_tree, directory.as_raw_fd(), c"".as_ptr(), flags)) }
}

/// Attaches a detached `mount` on top of `target`: a directory on a directory, a file on a file.
///
/// # Errors
/// ENOTDIR where one is a directory and the other is not; EINVAL where `target` is of another mount namespace.
pub fn move_mount(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> nix::Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    let (from, to) = (mount.as_raw_fd(), target.as_raw_fd());
    // SAFETY: both paths are empty C strings.
    answer(unsafe { libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), to, c"".as_ptr(), flags) })
        .map(drop)
}

/// No set-user-ID programs, no devices, no programs at all: neither proc nor mqueue has any to offer.
const SAFE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

/// A new instance of the file system `kind`, mounted but attached nowhere: only this descriptor reaches it.
pub fn detached(kind: &CStr) -> nix::Result<OwnedFd> {
    // SAFETY: `kind` is a C string; a new descriptor is returned.
    let context =
        unsafe { descriptor(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC)) }?;
    let nothing = std::ptr::null::<u8>();
    // SAFETY: FSCONFIG_CMD_CREATE takes no key and no value, and wants null for them.
    answer(unsafe {
        let create = libc::FSCONFIG_CMD_CREATE;
        libc::syscall(libc::SYS_fsconfig, context.as_fd().as_raw_fd(), create, nothing, nothing, 0)
    })?;
    // SAFETY: takes no pointers; a new descriptor is returned.
    unsafe { descriptor(libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), libc::FSMOUNT_CLOEXEC, SAFE)) }
}
