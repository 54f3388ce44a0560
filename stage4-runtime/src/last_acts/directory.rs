//! The working directory: inside the root, whatever its name leads through.
//!
//! openat2(2), RESOLVE_IN_ROOT, Linux 5.6, 2020; fchdir(2). Book: "The last acts" (`last-acts`).
//! Invariant: no link of /proc is followed to it, and getcwd(2) can name it (CVE-2024-21626).

use super::Who;
use crate::beneath::{self, Node};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{fchdir, getcwd};
use std::ffi::{CStr, OsStr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where the process works.
pub struct Directory<'a> {
    path: &'a CStr,
    entered: bool,
}

impl<'a> Directory<'a> {
    /// Enters it, if root may. For the container's first process it is made where it is missing, as other runtimes do.
    pub fn enter(root: BorrowedFd<'_>, path: &'a CStr, who: Who) -> Result<Self> {
        let entered = match enter(root, path) {
            Err(error) if error.errno() == Some(Errno::ENOENT) && who == Who::Init => {
                beneath::make(root, as_path(path), Node::Directory).map_err(|error| match error.errno() {
                    Some(Errno::EROFS) => error.with_hint(
                        "process.cwd is not there, and the root is read-only: name a directory that is, or make it in the image",
                    ),
                    _ => error.with_hint("process.cwd is not there, and cannot be made"),
                })?;
                enter(root, path).map(|()| true)
            }
            // Of a file system whose server knows the user, and not root: he tries again (NFS, root_squash).
            Err(error) if matches!(error.errno(), Some(Errno::EACCES | Errno::EPERM)) => Ok(false),
            other => other.map(|()| true),
        }?;
        Ok(Directory { path, entered })
    }

    // ANCHOR: leaked-descriptor
    /// Enters it as its user, if root could not; and makes sure that it is a place inside.
    pub fn confirm(self, root: BorrowedFd<'_>) -> Result<()> {
        if !self.entered {
            enter(root, self.path)?;
        }
        match getcwd() {
            Ok(path) if path.is_absolute() => Ok(()),
            other => Err(Error::refused(format!(
                "process.cwd: {:?} is not inside the container: {other:?}",
                self.path
            ))),
        }
    }
    // ANCHOR_END: leaked-descriptor
}

fn as_path(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

// ANCHOR: leaked-descriptor-enter
fn enter(root: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    let directory = beneath::open(root, as_path(path), OFlag::O_PATH | OFlag::O_DIRECTORY);
    directory.and_then(fchdir).map_err(|errno| {
        let error = Error::call(format!("chdir({path:?})"), errno);
        match errno {
            Errno::ELOOP => {
                error.with_hint("process.cwd: it leads through a link of /proc, which could lead out, or links turn in a circle")
            }
            _ => error.with_hint("process.cwd: it must be a directory that the process's user may enter"),
        }
    })
}
// ANCHOR_END: leaked-descriptor-enter
