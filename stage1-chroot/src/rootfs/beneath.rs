//! Directories inside a root, reached without ever leaving it.
//!
//! openat2(RESOLVE_IN_ROOT), Linux 5.6 (2020), mkdirat(2). Book: `build`.
//! Invariant: a link inside the root, absolute or full of `..`, leads to a place inside the root.

use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, mkdirat};
use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

/// Opens the directory `path` of the root, whatever links lead there.
pub fn open(root: BorrowedFd<'_>, path: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
    openat2(root, path, how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS))
}

/// Opens the directory `path` of the root and makes what is missing of it; says whether it made the last part.
pub fn make(root: BorrowedFd<'_>, path: &Path) -> Result<(OwnedFd, bool)> {
    let failed = |errno| hinted(Error::call(format!("openat2([root], {path:?}, RESOLVE_IN_ROOT)"), errno));
    let (parent, name) = match (open(root, path), split(path)) {
        (Err(Errno::ENOENT), Some(parts)) => parts,
        (opened, _) => return opened.map(|directory| (directory, false)).map_err(failed),
    };
    let (parent, _) = make(root, parent)?;
    let made = match mkdirat(&parent, name, Mode::from_bits_truncate(0o755)) {
        Ok(()) => true,
        // It exists and leads nowhere: opening it again says so.
        Err(Errno::EEXIST) => false,
        Err(errno) => return Err(Error::call(format!("mkdirat([root], {path:?}, 0755)"), errno)),
    };
    open(root, path).map(|directory| (directory, made)).map_err(failed)
}

/// The directory that `path` lies in, and its name there; `None` for the root itself.
pub fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}

fn hinted(error: Error) -> Error {
    match error.errno() {
        Some(Errno::ENOTDIR) => {
            error.with_hint("a file stands in the root where a directory is needed: move it away")
        }
        Some(Errno::ELOOP) => {
            error.with_hint("links in the root turn in a circle: remove them, or begin with an empty root")
        }
        Some(Errno::ENOENT) => {
            error.with_hint("a link in the root leads to nothing: remove it, or begin with an empty root")
        }
        Some(Errno::ENOSYS) => error.with_hint("openat2 needs Linux 5.6 or newer"),
        _ => error,
    }
}
