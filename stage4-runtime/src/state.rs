//! What is remembered of a container between two commands: a directory of its own.
//!
//! mkdir(2), flock(2), rename(2), 4.2BSD 1983. Book: "The life cycle" (`state`).
//! Invariant: the directory is there before the first resource is, and goes after the last; a record is whole or the
//! one before it; and whether the container lives is asked of the kernel, never remembered.

use crate::conversation::DOORBELL;
use crate::id::ContainerId;
use crate::rootless::is_root_of_the_machine;
use crate::{Error, Result};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use place::{CONFIG, NEXT, RECORD};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

mod life;
mod place;
mod record;
pub mod traces;

pub use life::{Life, Status};
pub use place::{Lock, Place};
pub use record::Record;
pub use traces::Traces;

/// The directory of all containers' state.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    fd: OwnedFd,
}

/// The name of the directory of all, in `/run` or in the user's runtime directory.
const NAME: &str = "stage4-runtime";
const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC).union(OFlag::O_NOFOLLOW);

impl Home {
    /// Where the state is kept unless `--root` says otherwise.
    pub fn default_path() -> Result<PathBuf> {
        let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty());
        match own.filter(|_| !is_root_of_the_machine()) {
            Some(directory) => Ok(Path::new(&directory).join(NAME)),
            None if geteuid().is_root() => Ok(Path::new("/run").join(NAME)),
            None => Err(Error::refused("there is no directory for the state of containers").with_hint(
                "an ordinary user sets XDG_RUNTIME_DIR (pam_systemd(8) does), or gives --root DIR",
            )),
        }
    }

    /// Opens it. None: it is not there, and no container is.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let fd = match open(path, DIRECTORY, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(None),
            opened => opened.map_err(|errno| {
                let error = Error::call(format!("open({path:?}, O_DIRECTORY|O_NOFOLLOW)"), errno);
                match errno {
                    Errno::EACCES => {
                        error.with_hint("an ordinary user sets XDG_RUNTIME_DIR, or gives --root DIR")
                    }
                    _ => error,
                }
            })?,
        };
        Ok(Some(Home { path: path.to_owned(), fd }))
    }

    /// Opens it; makes it when it is not there.
    pub fn make(path: &Path) -> Result<Self> {
        if let Some(home) = Self::open(path)? {
            return Ok(home);
        }
        // The sticky bit says to those who clean up runtime directories: leave it (XDG Base Directory).
        std::fs::create_dir_all(path).map_err(|e| Error::io(format!("mkdir({path:?})"), &e))?;
        let mode = Mode::S_ISVTX | Mode::S_IRWXU;
        fchmodat(AT_FDCWD, path, mode, FchmodatFlags::FollowSymlink)
            .map_err(|errno| Error::call(format!("chmod({path:?}, 01700)"), errno))?;
        Self::open(path)?.ok_or_else(|| Error::call(format!("open({path:?}, O_DIRECTORY)"), Errno::ENOENT))
    }

    /// Makes the directory of a new container, and holds it: nobody else touches it until the lock is dropped.
    ///
    /// # Errors
    /// There is such a container.
    pub fn claim(&self, id: &ContainerId) -> Result<(Place, Lock)> {
        let path = self.path.join(id.as_str());
        mkdirat(&self.fd, id.as_str(), Mode::S_IRWXU).map_err(|errno| match errno {
            Errno::EEXIST => Error::refused(format!("container with given ID already exists: {id}"))
                .with_hint("`stage4-runtime list` shows it, `stage4-runtime delete --force` removes it"),
            errno => Error::call(format!("mkdir({path:?})"), errno),
        })?;
        match self.hold(id) {
            // Somebody's `delete --force` was quicker than our lock: then there is none of that name, or another's.
            Err(error) if error.errno().is_none() => self.claim(id),
            held => held.inspect_err(|_| {
                // Whoever is told of an error has no container.
                unlinkat(&self.fd, id.as_str(), UnlinkatFlags::RemoveDir).ok();
            }),
        }
    }

    /// The directory of a container that there is, and nobody else's until the lock is dropped.
    pub fn hold(&self, id: &ContainerId) -> Result<(Place, Lock)> {
        let place = self.find(id)?;
        let lock = place.lock()?;
        // Whoever held it before may have deleted it, and somebody else have made one of the same name.
        match self.is_here(id, &place)? {
            true => Ok((place, lock)),
            false => Err(self.unknown(id)),
        }
    }

    fn is_here(&self, id: &ContainerId, place: &Place) -> Result<bool> {
        let failed = |errno| Error::call(format!("fstat({:?})", place.path), errno);
        let ours = fstat(&place.fd).map_err(failed)?;
        match fstatat(&self.fd, id.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => Ok(false),
            other => {
                let there = other.map_err(failed)?;
                Ok((ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino))
            }
        }
    }

    fn unknown(&self, id: &ContainerId) -> Error {
        Self::unknown_in(&self.path, id)
    }

    /// There is no such container in the directory `path`.
    pub fn unknown_in(path: &Path, id: &ContainerId) -> Error {
        Error::refused(format!("container {id} does not exist"))
            .with_hint(format!("`stage4-runtime list` shows those that are known in {}", path.display()))
    }

    /// The directory of a container that there is.
    pub fn find(&self, id: &ContainerId) -> Result<Place> {
        let path = self.path.join(id.as_str());
        let fd = openat(&self.fd, id.as_str(), DIRECTORY, Mode::empty()).map_err(|errno| match errno {
            Errno::ENOENT => self.unknown(id),
            errno => Error::call(format!("open({path:?}, O_DIRECTORY|O_NOFOLLOW)"), errno),
        })?;
        Ok(Place { path, fd })
    }

    /// Is there such a container?
    pub fn has(&self, id: &ContainerId) -> bool {
        fstatat(&self.fd, id.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
    }

    /// All ids, sorted.
    pub fn ids(&self) -> Result<Vec<ContainerId>> {
        let failed = |errno| Error::call(format!("getdents({:?})", self.path), errno);
        let mut directory = Dir::openat(&self.fd, ".", DIRECTORY, Mode::empty()).map_err(failed)?;
        let mut ids = Vec::new();
        for entry in directory.iter() {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            ids.extend(name.parse().ok());
        }
        ids.sort();
        Ok(ids)
    }

    /// Removes what is known of a container; its resources are gone already. Gone is gone: no error.
    pub fn forget(&self, id: &ContainerId, place: &Place) -> Result<()> {
        // The traces last: until then whoever comes after us can do what we did not.
        for name in [DOORBELL, NEXT, CONFIG, RECORD, traces::TRACES] {
            place.remove(name)?;
        }
        // Not one of the same name that somebody has made since.
        if !self.is_here(id, place)? {
            return Ok(());
        }
        match unlinkat(&self.fd, id.as_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Error::call(format!("rmdir({:?})", place.path), errno)),
        }
    }
}
