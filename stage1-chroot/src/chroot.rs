//! Change the root directory of this process.
//!
//! chroot(2) Version 7 Unix 1979; fchdir(2) 4.3BSD-Reno 1990. Book: `cwd`.
//! Invariant: the directory that was checked as a root is the one that is entered.

use crate::{Error, Result, rootfs::Rootfs};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd;
use std::os::fd::OwnedFd;

/// Where the working directory is once the root has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkingDirectory {
    /// At the new root.
    Inside,
    /// Where it was, beyond the new root: the mistake of the era, and a way out.
    Outside,
}

// ANCHOR: run
/// Makes `root` the root directory of this process and of all it will start.
///
/// Needs CAP_SYS_CHROOT. chroot(2) changes where absolute paths begin and where `..` ends, and
/// nothing else: the working directory, open descriptors and mounts are as before.
pub fn chroot(root: &Rootfs, directory: WorkingDirectory) -> Result<()> {
    let outside = match directory {
        WorkingDirectory::Inside => None,
        WorkingDirectory::Outside => Some(working_directory()?),
    };
    // Not chroot(path), chdir("/"): between our check and the call, somebody could have put
    // another directory at that path. After these two the working directory is "/", too.
    unistd::fchdir(root).map_err(|errno| Error::call(format!("fchdir({:?})", root.path()), errno))?;
    unistd::chroot(".").map_err(|errno| Error::call(format!("chroot({:?})", root.path()), errno))?;
    // ANCHOR: cwd
    match outside {
        None => Ok(()),
        // Back to where we stood: the new root is no wall between us and what we hold open.
        Some(here) => unistd::fchdir(here).map_err(|errno| Error::call("fchdir(\".\")", errno)),
    }
    // ANCHOR_END: cwd
}
// ANCHOR_END: run

fn working_directory() -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(".", flags, Mode::empty()).map_err(|errno| Error::call("open(\".\", O_PATH|O_DIRECTORY)", errno))
}
