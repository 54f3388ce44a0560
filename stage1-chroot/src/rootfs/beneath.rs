//! Directories inside a root, reached without ever leaving it.
//!
//! openat2(RESOLVE_IN_ROOT), Linux 5.6 (2020), mkdirat(2). Book: `build`.
//! Invariant: a link inside the root, absolute or full of `..`, leads to a place inside the root.

use crate::{Error, Result};
use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// How often a path is walked before it is given up.
const ATTEMPTS: usize = 1000;

/// Opens the directory `path` of the root, whatever links lead there.
pub fn open(root: BorrowedFd<'_>, path: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
    let how = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    // While anything on this host is renamed or mounted, the kernel cannot be sure of a `..` (openat2(2)).
    let answers = (0..ATTEMPTS).map(|_| openat2(root, path, how));
    answers.into_iter().find(|answer| !matches!(answer, Err(Errno::EAGAIN))).unwrap_or(Err(Errno::EAGAIN))
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
        Ok(()) => {
            admit(&parent, name)
                .map_err(|errno| Error::call(format!("fchmod([root]{path:?}, 0755)"), errno))?;
            true
        }
        // It exists and leads nowhere: opening it again says so.
        Err(Errno::EEXIST) => false,
        Err(errno) => return Err(Error::call(format!("mkdirat([root], {path:?}, 0755)"), errno)),
    };
    open(root, path).map(|directory| (directory, made)).map_err(failed)
}

/// Lets everybody walk through a directory that was just made, whatever the umask (umask(2)) of who builds:
/// who lives in a root need not be who built it.
pub fn admit<P: ?Sized + NixPath>(parent: impl AsFd, name: &P) -> nix::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    fchmod(openat(parent, name, flags, Mode::empty())?, Mode::from_bits_truncate(0o755))
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
        Some(Errno::EAGAIN) => {
            error.with_hint("too much is renamed on this host right now: repeat the build")
        }
        Some(Errno::EPERM) => error.with_hint(
            "a system call filter older than openat2 (2020) refuses it: run outside the container",
        ),
        Some(Errno::ENOSYS) => error.with_hint("openat2 needs Linux 5.6 or newer"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    #[test]
    fn build_is_not_stopped_by_renames_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("root/a/b")).unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        fs::create_dir(&one).unwrap();
        let root = fs::File::open(dir.path().join("root")).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    fs::rename(&one, &other).and_then(|()| fs::rename(&other, &one)).unwrap();
                }
            });
            let walk = "a/b/../../".repeat(3);
            let failed = (0..5000).find_map(|_| open(root.as_fd(), walk.as_ref()).err());
            done.store(true, Relaxed);
            assert_eq!(failed, None);
        });
    }
}
