//! Which open files a command inherits: the standard three, and those asked for.
//!
//! close_range(2) 2020 (Linux 5.9); before it, a walk through /proc/self/fd. Book: `run`.
//! Invariant: a descriptor that was not asked for does not survive execve(2).

use crate::{Error, Result, sys};
use nix::errno::Errno;
use std::os::fd::{OwnedFd, RawFd};

/// The number of the first descriptor after standard input, output and error.
pub const FIRST: RawFd = 3;

/// Checks that `count` descriptors from [`FIRST`] on are open, so that they can be preserved.
///
/// Call it before this process opens files of its own, which would take their numbers.
pub fn check_preserved(count: u16) -> Result<()> {
    match (FIRST..FIRST + RawFd::from(count)).find(|&fd| !sys::is_open(fd)) {
        None => Ok(()),
        Some(fd) => Err(Error::refused(format!("descriptor {fd} is to be preserved, but is not open"))
            .with_hint(format!("a shell opens it with a redirection such as {fd}<DIRECTORY"))),
    }
}

/// Lets execve(2) close every descriptor but the standard three and the `count` after them.
///
/// They are marked, not closed: until then their owners in this process still use them.
pub fn close_others_on_exec(count: u16) -> Result<()> {
    let first = FIRST + RawFd::from(count);
    sys::close_range_on_exec(first).or_else(|_too_old| mark_each(first))
}

/// What was done before Linux 5.11: mark one after the other.
///
/// Not every number up to RLIMIT_NOFILE: a descriptor may be older than a lowered limit, and would slip through.
fn mark_each(first: RawFd) -> Result<()> {
    const LIST: &str = "/proc/self/fd";
    let failed = |error| {
        Error::io(format!("open({LIST:?})"), &error)
            .with_hint("without close_range(2) (Linux 5.11) the open descriptors are found in /proc")
    };
    for entry in std::fs::read_dir(LIST).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(fd) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if fd >= first {
            sys::close_on_exec(fd)
                .or_else(gone)
                .map_err(|errno| Error::call(format!("fcntl({fd}, F_SETFD)"), errno))?;
        }
    }
    Ok(())
}

/// The descriptor that reads the list may be in it, and is closed by itself.
fn gone(errno: Errno) -> nix::Result<()> {
    if errno == Errno::EBADF { Ok(()) } else { Err(errno) }
}

/// Opens the inherited directory number `fd` once more, as our own, to look up names from.
///
/// # Errors
/// EBADF where nothing of that number is open, ENOTDIR where it is no directory.
pub fn reopen_directory(fd: RawFd) -> nix::Result<OwnedFd> {
    sys::open_directory_at(fd, c".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use std::os::fd::AsRawFd;

    fn flag(file: &std::fs::File) -> FdFlag {
        FdFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFD).unwrap())
    }

    #[test]
    fn the_way_of_old_kernels_marks_what_close_range_marks() {
        type Mark = fn(RawFd) -> Result<()>;
        let by_range: Mark =
            |first| sys::close_range_on_exec(first).map_err(|e| Error::call("close_range", e));
        for mark in [mark_each as Mark, by_range] {
            let low = std::fs::File::open("/").unwrap();
            let high = std::fs::File::open("/").unwrap();
            let (low, high) = if low.as_raw_fd() < high.as_raw_fd() { (low, high) } else { (high, low) };
            for file in [&low, &high] {
                fcntl(file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
            }
            mark(high.as_raw_fd()).unwrap();
            assert_eq!(flag(&low), FdFlag::empty());
            assert_eq!(flag(&high), FdFlag::FD_CLOEXEC);
        }
    }

    #[test]
    fn a_number_that_is_not_open_cannot_be_preserved() {
        assert!(check_preserved(0).is_ok());
        let error = check_preserved(u16::MAX).unwrap_err();
        assert!(error.to_string().contains("not open"), "{error}");
    }
}
