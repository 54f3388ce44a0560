//! What is removed from a root, with all that is below it.
//!
//! unlinkat(2), Linux 2.6.16, 2006; openat2(2) RESOLVE_NO_XDEV, 2020. Book: "Images" (`images`).
//! Invariant: no link is followed, no mount is entered, and nothing outside is touched; however deep the directories are, two descriptors are
//! enough, and a way back up is believed only where it leads to the directory that it came from.

use crate::{Error, Result};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::fstat;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::vec::IntoIter;

/// Whether a name in the directory with this inode remains. A directory that does is still emptied of what does not.
pub type Keep<'a> = &'a dyn Fn(u64, &OsStr) -> bool;

/// Nothing remains.
pub const ALL: Keep<'static> = &|_, _| false;

/// One directory on the way down.
struct Level {
    /// In the directory above.
    name: OsString,
    inode: u64,
    names: IntoIter<OsString>,
    /// Something in it remains.
    kept: bool,
}

/// Removes `name`, which need not be there; a directory in which something remains is not removed.
///
/// # Errors
/// What the kernel refuses, with the name.
pub fn remove(parent: BorrowedFd<'_>, name: &OsStr, keep: Keep<'_>) -> Result<()> {
    let remains = keep(inode(parent)?, name);
    match directory(parent, name) {
        Ok(below) => match clear(below, keep)? || remains {
            true => Ok(()),
            false => unlink(parent, name, UnlinkatFlags::RemoveDir),
        },
        Err(Errno::ENOENT) => Ok(()),
        Err(Errno::ENOTDIR | Errno::ELOOP) if remains => Ok(()),
        Err(Errno::ENOTDIR | Errno::ELOOP) => unlink(parent, name, UnlinkatFlags::NoRemoveDir),
        Err(errno) => Err(failed("openat2", name, errno)),
    }
}

/// Removes all that is in a directory; says whether something remains.
///
/// # Errors
/// As of [`remove`].
pub fn clear(mut here: OwnedFd, keep: Keep<'_>) -> Result<bool> {
    let mut way = vec![Level::read(here.as_fd(), OsString::new())?];
    while let Some(level) = way.last_mut() {
        if let Some(name) = level.names.next() {
            let remains = keep(level.inode, &name);
            match directory(here.as_fd(), &name) {
                Ok(below) => {
                    level.kept |= remains;
                    here = below;
                    way.push(Level::read(here.as_fd(), name)?);
                }
                Err(Errno::ENOENT) => (),
                Err(Errno::ENOTDIR | Errno::ELOOP) if remains => level.kept = true,
                Err(Errno::ENOTDIR | Errno::ELOOP) => {
                    unlink(here.as_fd(), &name, UnlinkatFlags::NoRemoveDir)?;
                }
                Err(errno) => return Err(failed("openat2", &name, errno)),
            }
        } else {
            let (name, kept) = (std::mem::take(&mut level.name), level.kept);
            way.pop();
            let Some(above) = way.last_mut() else { return Ok(kept) };
            here = above.back_from(here.as_fd())?;
            // Where the directory itself is kept, it was counted on the way down.
            match kept || keep(above.inode, &name) {
                true => above.kept = true,
                false => unlink(here.as_fd(), &name, UnlinkatFlags::RemoveDir)?,
            }
        }
    }
    Ok(false)
}

impl Level {
    fn read(directory: BorrowedFd<'_>, name: OsString) -> Result<Self> {
        Ok(Level { inode: inode(directory)?, name, names: names(directory)?, kept: false })
    }

    /// This directory, from one that was in it.
    fn back_from(&self, below: BorrowedFd<'_>) -> Result<OwnedFd> {
        let above =
            directory(below, OsStr::new("..")).map_err(|errno| failed("openat2", OsStr::new(".."), errno))?;
        match inode(above.as_fd())? == self.inode {
            true => Ok(above),
            false => Err(Error::refused(format!(
                "the directory below {:?} was moved while it was removed",
                self.name
            ))),
        }
    }
}

/// All names in a directory that was not read before.
///
/// # Errors
/// What the kernel refuses.
pub fn names(directory: BorrowedFd<'_>) -> Result<IntoIter<OsString>> {
    let failed = |errno| Error::call("getdents64()", errno);
    let copy = directory.try_clone_to_owned().map_err(|error| Error::io("fcntl(F_DUPFD_CLOEXEC)", &error))?;
    let mut names = Vec::new();
    for entry in Dir::from_fd(copy).map_err(failed)?.iter() {
        let entry = entry.map_err(failed)?;
        let bytes = entry.file_name().to_bytes();
        if !matches!(bytes, b"." | b"..") {
            names.push(OsStr::from_bytes(bytes).to_owned());
        }
    }
    Ok(names.into_iter())
}

fn directory(parent: BorrowedFd<'_>, name: &OsStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let resolve = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    openat2(parent, name, OpenHow::new().flags(flags).resolve(resolve))
}

/// The number of what is open.
pub fn inode(fd: BorrowedFd<'_>) -> Result<u64> {
    fstat(fd).map(|status| status.st_ino).map_err(|errno| Error::call("fstat()", errno))
}

fn unlink(parent: BorrowedFd<'_>, name: &OsStr, flags: UnlinkatFlags) -> Result<()> {
    match unlinkat(parent, name, flags) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(failed("unlinkat", name, errno)),
    }
}

fn failed(call: &str, name: &OsStr, errno: Errno) -> Error {
    let error = Error::call(format!("{call}({name:?})"), errno);
    match errno {
        Errno::EXDEV | Errno::EBUSY => error.with_hint("something is mounted there: unmount it first"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::fs;

    #[test]
    fn images_removal_follows_no_link_and_keeps_what_is_to_remain() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("root/gone/below/deeper")).unwrap();
        fs::write(at("root/gone/below/deeper/kept"), "").unwrap();
        fs::write(at("root/gone/below/file"), "").unwrap();
        fs::create_dir(at("outside")).unwrap();
        fs::write(at("outside/file"), "").unwrap();
        std::os::unix::fs::symlink(at("outside"), at("root/gone/link")).unwrap();
        let root = fs::File::open(at("root")).unwrap();
        remove(root.as_fd(), "gone".as_ref(), &|_, name| name == "kept").unwrap();
        assert!(at("root/gone/below/deeper/kept").exists() && !at("root/gone/below/file").exists());
        assert!(!at("root/gone/link").is_symlink() && at("outside/file").exists());
        remove(root.as_fd(), "gone".as_ref(), ALL).unwrap();
        remove(root.as_fd(), "gone".as_ref(), ALL).unwrap();
        assert_eq!(fs::read_dir(at("root")).unwrap().count(), 0);
    }

    #[test]
    fn images_removal_knows_no_depth_that_is_too_deep() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::File::open(dir.path()).unwrap();
        let mut here: OwnedFd = root.try_clone().unwrap().into();
        for _ in 0..5000 {
            nix::sys::stat::mkdirat(&here, "d", Mode::S_IRWXU).unwrap();
            here = directory(here.as_fd(), "d".as_ref()).unwrap();
        }
        remove(root.as_fd(), "d".as_ref(), ALL).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
