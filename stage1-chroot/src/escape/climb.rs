//! Up the tree to where it ends.
//!
//! `..` 1971; openat(2) 2006 (Linux 2.6.16). Book: `double-chroot`.
//! Invariant: the walk ends, and always at a root: the caller's own, or, past it, the host's.

use nix::Result;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat, stat};
use nix::unistd::chdir;
use std::os::fd::OwnedFd;

/// How a directory is opened to be walked from, as strace would print it.
pub const DIRECTORY: &str = "O_PATH|O_DIRECTORY";

/// How the walk is told.
pub const TOLD: &str = "openat(<fd>, \"..\", O_PATH|O_DIRECTORY) until it no longer moves";

/// No path of PATH_MAX (4096) bytes has more levels.
const LEVELS: usize = 2048;

/// `openat(directory, "..")` until it no longer moves.
pub fn climb(mut directory: OwnedFd) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    for _ in 0..LEVELS {
        let above = openat(&directory, "..", flags, Mode::empty())?;
        if same(&fstat(&directory)?, &fstat(&above)?) {
            return Ok(above);
        }
        directory = above;
    }
    Err(Errno::ENAMETOOLONG)
}

/// `chdir("..")` until it no longer moves.
pub fn climb_with_chdir() -> Result<()> {
    let mut here = stat(".")?;
    for _ in 0..LEVELS {
        chdir("..")?;
        let above = stat(".")?;
        if same(&here, &above) {
            return Ok(());
        }
        here = above;
    }
    Err(Errno::ENAMETOOLONG)
}

/// Are these the same directory? At a root, `..` is the directory itself.
pub fn same(one: &FileStat, other: &FileStat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
