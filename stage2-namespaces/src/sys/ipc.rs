//! System V and POSIX objects of the ipc namespace.
//!
//! msgget(2), shmget(2): System V, 1983; mq_overview(7): Linux 2.6.6, 2004. Book: "ipc" (`ipc`).
//! Invariant: objects are made exclusively, so that one which was there before is never taken for ours.

use super::{answer, descriptor};
use nix::errno::Errno;
use std::ffi::CStr;
use std::os::fd::OwnedFd;

/// Only its owner reads and writes; and it must not be there yet.
const NEW: i32 = libc::IPC_CREAT | libc::IPC_EXCL | 0o600;

/// Makes the System V message queue `key`; its id.
pub fn make_queue(key: i32) -> nix::Result<i32> {
    // SAFETY: takes no pointers.
    Errno::result(unsafe { libc::msgget(key, NEW) })
}

/// Makes a System V shared memory segment `key` of `size` bytes; its id.
pub fn make_memory(key: i32, size: usize) -> nix::Result<i32> {
    // SAFETY: takes no pointers; nothing is attached.
    Errno::result(unsafe { libc::shmget(key, size, NEW) })
}

/// Makes the POSIX message queue `name` (without the slash that libc wants) for at most 8 messages of 64 bytes.
pub fn make_posix_queue(name: &CStr) -> nix::Result<OwnedFd> {
    // SAFETY: all zeroes are a valid mq_attr.
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    attributes.mq_maxmsg = 8;
    attributes.mq_msgsize = 64;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: a C string and a whole mq_attr that outlive the call; a new descriptor is returned.
    unsafe {
        descriptor(libc::syscall(libc::SYS_mq_open, name.as_ptr(), flags, 0o600, &raw const attributes))
    }
}

/// Removes the System V message queue `key`.
pub fn remove_queue(key: i32) -> nix::Result<()> {
    // SAFETY: takes no pointers; IPC_RMID ignores its buffer.
    unsafe {
        let id = Errno::result(libc::msgget(key, 0))?;
        Errno::result(libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut())).map(drop)
    }
}

/// Removes the System V shared memory segment `key`.
pub fn remove_memory(key: i32) -> nix::Result<()> {
    // SAFETY: takes no pointers; IPC_RMID ignores its buffer.
    unsafe {
        let id = Errno::result(libc::shmget(key, 0, 0))?;
        Errno::result(libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut())).map(drop)
    }
}

/// Removes the POSIX message queue `name`.
pub fn remove_posix_queue(name: &CStr) -> nix::Result<()> {
    // SAFETY: a C string that outlives the call.
    answer(unsafe { libc::syscall(libc::SYS_mq_unlink, name.as_ptr()) }).map(drop)
}
