//! Extended attributes by descriptor.
//!
//! flistxattr(2), fgetxattr(2), fsetxattr(2), lsetxattr(2); Linux 2.4, 2001. Book: "Mounts" (`mounts`).
//! Invariant: a buffer is never longer than it is said to be.

use nix::errno::Errno;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The names, each with its NUL.
pub fn list(file: BorrowedFd<'_>) -> nix::Result<Vec<u8>> {
    // SAFETY: writes at most as many bytes as it is told are there; 0 only asks for the length.
    grown(|buffer| unsafe { libc::flistxattr(file.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// The value of `name`.
pub fn get(file: BorrowedFd<'_>, name: &CStr) -> nix::Result<Vec<u8>> {
    // SAFETY: as in `list`; the name is a C string.
    grown(|buffer| unsafe {
        libc::fgetxattr(file.as_raw_fd(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len())
    })
}

/// Gives `name` that value.
pub fn set(file: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> nix::Result<()> {
    // SAFETY: reads as many bytes as are there; the name is a C string.
    Errno::result(unsafe {
        libc::fsetxattr(file.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0)
    })
    .map(drop)
}

/// The same of what cannot be opened; a link at the end of `path` is not followed.
pub fn set_named(path: &CStr, name: &CStr, value: &[u8]) -> nix::Result<()> {
    // SAFETY: as in `set`; the path is a C string as well.
    Errno::result(unsafe {
        libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0)
    })
    .map(drop)
}

/// Asks for the length, then for as much; again where it has grown in between.
fn grown(mut call: impl FnMut(&mut [u8]) -> libc::ssize_t) -> nix::Result<Vec<u8>> {
    loop {
        let length = Errno::result(call(&mut []))? as usize;
        let mut buffer = vec![0; length];
        if length == 0 {
            return Ok(buffer);
        }
        match Errno::result(call(&mut buffer)) {
            Ok(length) => {
                buffer.truncate(length as usize);
                return Ok(buffer);
            }
            Err(Errno::ERANGE) => (),
            Err(errno) => return Err(errno),
        }
    }
}
