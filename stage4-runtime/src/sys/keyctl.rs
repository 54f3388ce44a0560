//! Keyrings.
//!
//! keyctl(2), Linux 2.6.10, 2004. Book: "The session keyring" (`keyring`).
//! Invariant: a serial number means one key for as long as we hold it.

use nix::errno::Errno;
use std::ffi::CStr;

const JOIN_SESSION_KEYRING: libc::c_long = 1;
const SETPERM: libc::c_long = 5;
const DESCRIBE: libc::c_long = 6;

/// Joins the session keyring `name`, which is made where there is none; its serial number.
pub fn join_session(name: &CStr) -> nix::Result<i32> {
    // SAFETY: a C string that outlives the call.
    let key = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, name.as_ptr()) };
    Errno::result(key).map(|key| key as i32)
}

/// What is known of a key: `type;uid;gid;permissions;description`, permissions in hexadecimal digits.
pub fn describe(key: i32) -> nix::Result<Vec<u8>> {
    let mut text = vec![0_u8; 4096];
    // SAFETY: the kernel writes at most as many bytes as it is told there are.
    let length = unsafe {
        libc::syscall(libc::SYS_keyctl, DESCRIBE, libc::c_long::from(key), text.as_mut_ptr(), text.len())
    };
    // What it returns is the length of the whole text, with its NUL, even where there was no room for it.
    let length = Errno::result(length)? as usize;
    text.truncate(length.saturating_sub(1));
    Ok(text)
}

/// Sets who may do what with a key (keyctl_setperm(3)).
pub fn set_permissions(key: i32, permissions: u32) -> nix::Result<()> {
    let (key, permissions) = (libc::c_long::from(key), libc::c_ulong::from(permissions));
    // SAFETY: takes no pointers.
    Errno::result(unsafe { libc::syscall(libc::SYS_keyctl, SETPERM, key, permissions) }).map(drop)
}
