//! A directory and all below it, removed; what is mounted in it is not.
//!
//! openat2(RESOLVE_NO_XDEV), Linux 5.6 (2020), unlinkat(2). Book: "How to use this book".
//! Invariant: nothing is removed on the other side of a mount or of a link.

use nix::{
    Result,
    dir::Dir,
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::Mode,
    unistd::{UnlinkatFlags, unlinkat},
};
use std::{
    ffi::{CStr, CString},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

/// Removes the directory `path` and all below it; its file `last` goes last, when all else is gone.
///
/// # Errors
/// EXDEV at a mount, which stays as it is, with the directories above it.
pub fn remove(path: &Path, last: &CStr) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::EINVAL) };
    let name = CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)?;
    let parent = open(parent, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let directory = enter(&parent, &name)?;
    empty(&directory, Some(last))?;
    gone(unlinkat(&directory, last, UnlinkatFlags::NoRemoveDir))?;
    gone(unlinkat(&parent, name.as_c_str(), UnlinkatFlags::RemoveDir))
}

/// Not by comparing st_dev: a bind mount of the same file system has the same.
fn enter(parent: impl AsFd, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let resolve = ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_SYMLINKS;
    openat2(parent, name, OpenHow::new().flags(flags).resolve(resolve))
}

fn empty(directory: &OwnedFd, except: Option<&CStr>) -> Result<()> {
    for name in names(directory)?.iter().map(CString::as_c_str).filter(|name| Some(*name) != except) {
        match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) => {
                empty(&enter(directory, name)?, None)?;
                gone(unlinkat(directory, name, UnlinkatFlags::RemoveDir))?;
            }
            other => gone(other)?,
        }
    }
    Ok(())
}

/// The names in it, all read before the first is removed.
fn names(directory: &OwnedFd) -> Result<Vec<CString>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let entries = Dir::openat(directory, c".", flags, Mode::empty())?;
    let names = entries.into_iter().map(|entry| Ok(entry?.file_name().to_owned()));
    let dots = [c".", c".."];
    names.filter(|name| !matches!(name, Ok(name) if dots.contains(&name.as_c_str()))).collect()
}

/// Somebody else removed it first, which is what is wanted.
fn gone(answer: Result<()>) -> Result<()> {
    answer.or_else(|errno| if errno == Errno::ENOENT { Ok(()) } else { Err(errno) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink, path::PathBuf};

    fn ground(name: &str) -> PathBuf {
        let ground = std::env::temp_dir().join(format!("stage-tree-{name}-{}", std::process::id()));
        fs::create_dir_all(ground.join("tree/a/b")).unwrap();
        fs::create_dir(ground.join("precious")).unwrap();
        fs::write(ground.join("precious/file"), "the host's").unwrap();
        fs::write(ground.join("tree/.lock"), "").unwrap();
        ground
    }

    #[test]
    fn all_is_removed_and_links_are_not_followed() {
        let ground = ground("links");
        symlink(ground.join("precious"), ground.join("tree/a/link")).unwrap();
        remove(&ground.join("tree"), c".lock").unwrap();
        assert!(!ground.join("tree").exists() && ground.join("precious/file").exists());
        fs::remove_dir_all(ground).unwrap();
    }

    #[test]
    fn a_mount_is_not_entered() {
        let root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        assert_eq!(enter(root, c"proc").unwrap_err(), Errno::EXDEV);
    }

    #[test]
    fn a_link_in_the_place_of_the_directory_is_refused() {
        let ground = ground("top");
        symlink(ground.join("precious"), ground.join("link")).unwrap();
        assert_eq!(remove(&ground.join("link"), c".lock"), Err(Errno::ELOOP));
        assert!(ground.join("precious/file").exists());
        fs::remove_dir_all(ground).unwrap();
    }
}
