//! The kernel calls that no safe wrapper offers: the only `unsafe` of this crate.
//!
//! signal(2) 1979, capget(2) 1999, ioctl_ficlone(2) 2016, close_range(2) 2020. Book: `run`, `build`.
//! Invariant: any argument may be given to any function here; the worst answer is an errno.
#![allow(unsafe_code, reason = "the room for it; each function says why it is safe to call")]

use nix::errno::Errno;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

mod ioctl {
    // FICLONE is _IOW(0x94, 9, int), but takes the descriptor itself, not a pointer to it: ioctl_ficlone(2).
    nix::ioctl_write_int_bad!(ficlone, nix::request_code_write!(0x94, 9, size_of::<nix::libc::c_int>()));
}

/// Lets `dst` share all blocks of `src` until either is written; see ioctl_ficlone(2).
pub fn reflink(dst: BorrowedFd<'_>, src: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: both descriptors are open for as long as they are borrowed, and the kernel reads no memory of ours.
    unsafe { ioctl::ficlone(dst.as_raw_fd(), src.as_raw_fd()) }.map(drop)
}

/// Copies up to `length` bytes from where `src` stands to where `dst` stands; see copy_file_range(2).
pub fn copy_file_range(src: BorrowedFd<'_>, dst: BorrowedFd<'_>, length: usize) -> nix::Result<usize> {
    let (none_in, none_out) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: both descriptors are open for as long as they are borrowed; without offsets the kernel moves the
    // positions of the files and writes to no memory of ours.
    let copied =
        unsafe { nix::libc::copy_file_range(src.as_raw_fd(), none_in, dst.as_raw_fd(), none_out, length, 0) };
    Errno::result(copied).map(isize::cast_unsigned)
}

/// The effective capabilities of this process, one bit for each (capabilities(7)).
pub fn effective_capabilities() -> nix::Result<u64> {
    // linux/capability.h; `libc` has neither the structures nor the call.
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;

    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: capget(2) writes the header's version and, for version 3, two data structures; both
    // outlive the call.
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    Errno::result(answer)?;
    Ok(u64::from(data[1].effective) << 32 | u64::from(data[0].effective))
}

/// Marks every descriptor from `first` on as closed by the next execve(2).
///
/// # Errors
/// ENOSYS before Linux 5.9, EINVAL before 5.11 (the flag is younger than the call).
pub fn close_range_on_exec(first: RawFd) -> nix::Result<()> {
    // SAFETY: with CLOSE_RANGE_CLOEXEC the call closes nothing now, so that every owner of a
    // descriptor in this process still owns it afterwards; it takes no pointers.
    let answer =
        unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(answer).map(drop)
}

/// Marks one descriptor, open or not, as closed by the next execve(2).
pub fn close_on_exec(fd: RawFd) -> nix::Result<()> {
    // SAFETY: F_SETFD takes an integer and changes a flag; a number that is not open gives EBADF.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// Is there an open descriptor of this number?
pub fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD only reads a flag; a number that is not open gives EBADF.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// `openat(fd, path, O_PATH|O_DIRECTORY|O_CLOEXEC)` from a descriptor known by its number only,
/// as a process knows those it inherited.
pub fn open_directory_at(fd: RawFd, path: &CStr) -> nix::Result<OwnedFd> {
    if fd < 0 {
        return Err(Errno::EBADF); // AT_FDCWD is such a number, and was not inherited
    }
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string that outlives the call; a number that is not open gives EBADF.
    let new = Errno::result(unsafe { libc::openat(fd, path.as_ptr(), flags) })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

/// Lets a write to a closed pipe end this process again, as it does for every program not in Rust:
/// the runtime ignores SIGPIPE, and what is ignored stays ignored across execve(2) (signal(7)).
pub fn default_sigpipe() {
    // SAFETY: SIG_DFL installs no handler, so that no code of ours can run in a signal's context;
    // the call cannot fail for a signal that exists and may be changed.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
