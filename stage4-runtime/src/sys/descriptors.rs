//! All descriptors but a few, closed by number.
//!
//! close_range(2), Linux 5.9, 2020. Book: "A container's birth" (`birth`).
//! Invariant: what is kept is named; a descriptor that nobody thought of is not.

use nix::errno::Errno;
use std::os::fd::RawFd;

/// Closes every descriptor from `first` on but `kept`.
///
/// For a process that will execute a program or end, and return to none of those who own what is closed.
pub fn close_all_but(first: RawFd, kept: &[RawFd]) -> nix::Result<()> {
    let mut kept: Vec<RawFd> = kept.iter().copied().filter(|fd| *fd >= first).collect();
    kept.sort_unstable();
    let mut from = first;
    for fd in kept {
        if from < fd {
            close(from, fd - 1)?;
        }
        from = from.max(fd + 1);
    }
    close(from, RawFd::MAX)
}

fn close(from: RawFd, to: RawFd) -> nix::Result<()> {
    // SAFETY: takes numbers only. That an owner is left with a number of nothing, or of another file, is the caller's
    // to exclude, as said above; memory is not touched.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
    Errno::result(answer).map(drop)
}

/// Is there a descriptor of this number?
pub fn is_open(number: RawFd) -> bool {
    // SAFETY: takes numbers only, and changes nothing.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}
