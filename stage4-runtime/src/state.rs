//! What is remembered of a container between two commands: a directory of its own.
//!
//! mkdir(2), flock(2), rename(2), 4.2BSD 1983. Book: "The life cycle" (`state`).
//! Invariant: the directory is there before the first resource is, and goes after the last; a record is whole or the
//! one before it; and whether the container lives is asked of the kernel, never remembered.

use crate::conversation::{DOORBELL, Doorbell};
use crate::id::ContainerId;
use crate::rdt::Membership;
use crate::{Error, Result};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

mod life;
pub mod traces;

pub use life::{Life, Status};
pub use traces::Traces;

/// What is written down, in `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Of the configuration.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// The bundle's absolute path.
    pub bundle: PathBuf,
    /// The root's absolute path, outside.
    pub rootfs: PathBuf,
    /// When it was made: RFC 3339, in UTC.
    pub created: String,
    /// Who made it.
    pub owner: u32,
    /// Of the configuration.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// The first process; none while it is not born yet.
    pub init: Option<Life>,
    /// Its class of the processor's cache, if it has one.
    #[serde(default)]
    pub rdt: Option<Membership>,
    /// Has it a session keyring of its own? Who comes later gets the same one.
    #[serde(default)]
    pub keyring: bool,
}

impl Record {
    /// What hooks, `state` and its callers are told (runtime.md, "State").
    pub fn state(&self, status: Status) -> Vec<u8> {
        self.state_value(status).to_string().into_bytes()
    }

    /// The same, to be a part of something.
    pub fn state_value(&self, status: Status) -> serde_json::Value {
        let pid = match (status, self.init) {
            (Status::Stopped, _) | (_, None) => 0,
            (_, Some(init)) => init.pid,
        };
        json!({
            "ociVersion": self.oci_version,
            "id": self.id,
            "status": status.to_string(),
            "pid": pid,
            "bundle": self.bundle,
            "rootfs": self.rootfs,
            "created": self.created,
            "owner": self.owner,
            "annotations": self.annotations,
        })
    }
}

/// The directory of all containers' state.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    fd: OwnedFd,
}

/// A container's directory of state.
#[derive(Debug)]
pub struct Place {
    /// Where it is.
    pub path: PathBuf,
    fd: OwnedFd,
}

/// The name of the directory of all, in `/run` or in the user's runtime directory.
const NAME: &str = "stage4-runtime";
const RECORD: &str = "state.json";
const NEXT: &str = "state.json.next";
/// The configuration as it was when the container was made: the bundle's may be edited afterwards.
const CONFIG: &str = "config.json";

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC).union(OFlag::O_NOFOLLOW);

impl Home {
    /// Where the state is kept unless `--root` says otherwise.
    pub fn default_path() -> Result<PathBuf> {
        if geteuid().is_root() {
            return Ok(Path::new("/run").join(NAME));
        }
        match std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty()) {
            Some(directory) => Ok(Path::new(&directory).join(NAME)),
            None => Err(Error::refused("there is no directory for the state of containers").with_hint(
                "an ordinary user sets XDG_RUNTIME_DIR (pam_systemd(8) does), or gives --root DIR",
            )),
        }
    }

    /// Opens it; makes it when it is not there.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = open(path, DIRECTORY, Mode::empty());
        let fd = match opened {
            Err(Errno::ENOENT) => {
                // The sticky bit says to those who clean up runtime directories: leave it (XDG Base Directory).
                std::fs::create_dir_all(path).map_err(|e| Error::io(format!("mkdir({path:?})"), &e))?;
                let mode = Mode::S_ISVTX | Mode::S_IRWXU;
                fchmodat(AT_FDCWD, path, mode, FchmodatFlags::FollowSymlink)
                    .map_err(|errno| Error::call(format!("chmod({path:?}, 01700)"), errno))?;
                open(path, DIRECTORY, Mode::empty())
            }
            other => other,
        };
        let fd = fd.map_err(|errno| Error::call(format!("open({path:?}, O_DIRECTORY|O_NOFOLLOW)"), errno))?;
        Ok(Home { path: path.to_owned(), fd })
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
        self.hold(id)
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
        let home = self.path.display();
        Error::refused(format!("container {id} does not exist"))
            .with_hint(format!("`stage4-runtime list` shows those that are known in {home}"))
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

/// Nobody else makes, starts or deletes this container while it is held.
///
/// init inherits a copy, and has to close it: the lock is released with the last one.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not used")] File);

impl Place {
    /// Waits until nobody else holds it.
    pub fn lock(&self) -> Result<Lock> {
        let file = self.again()?;
        file.lock().map_err(|e| Error::io(format!("flock({:?}, LOCK_EX)", self.path), &e))?;
        Ok(Lock(file))
    }

    /// Does somebody hold it?
    pub fn is_locked(&self) -> bool {
        self.again().is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Another description of the same directory: a lock belongs to a description.
    fn again(&self) -> Result<File> {
        let opened = openat(&self.fd, ".", DIRECTORY, Mode::empty());
        opened.map(File::from).map_err(|errno| Error::call(format!("open({:?})", self.path), errno))
    }

    /// Writes the record; a reader sees the one before it or this one.
    pub fn write(&self, record: &Record) -> Result<()> {
        let text = serde_json::to_vec(record).map_err(|e| Error::refused(format!("{RECORD}: {e}")))?;
        self.write_file(NEXT, &text)?;
        renameat(&self.fd, NEXT, &self.fd, RECORD)
            .map_err(|errno| Error::call(format!("rename({:?})", self.path.join(RECORD)), errno))
    }

    /// What is written down; none: nothing yet.
    ///
    /// # Errors
    /// It is not what we write.
    pub fn read(&self) -> Result<Option<Record>> {
        let Some(text) = self.read_file(RECORD)? else { return Ok(None) };
        serde_json::from_slice(&text).map(Some).map_err(|e| {
            Error::refused(format!("{}: {e}", self.path.join(RECORD).display())).with_hint(
                "the record is damaged; `stage4-runtime delete --force` removes the container all the same",
            )
        })
    }

    /// Keeps the configuration as it is now.
    pub fn keep_config(&self, text: &[u8]) -> Result<()> {
        self.write_file(CONFIG, text)
    }

    /// The configuration as it was when the container was made.
    pub fn config(&self) -> Result<Vec<u8>> {
        self.read_file(CONFIG)?.ok_or_else(|| {
            Error::refused(format!("{} is not there", self.path.join(CONFIG).display()))
                .with_hint("the container is not whole; `stage4-runtime delete --force` removes it")
        })
    }

    /// Whether it waits for `start`.
    pub fn waits_for_start(&self) -> Result<bool> {
        Doorbell::hangs(self.as_fd(), &self.path)
    }

    fn write_file(&self, name: &str, text: &[u8]) -> Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let path = || self.path.join(name);
        let fd = openat(&self.fd, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|errno| Error::call(format!("open({:?}, O_WRONLY|O_CREAT)", path()), errno))?;
        File::from(fd).write_all(text).map_err(|e| Error::io(format!("write({:?})", path()), &e))
    }

    fn read_file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = || self.path.join(name);
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(None),
            other => other.map_err(|errno| Error::call(format!("open({:?})", path()), errno))?,
        };
        let mut text = Vec::new();
        File::from(fd).read_to_end(&mut text).map_err(|e| Error::io(format!("read({:?})", path()), &e))?;
        Ok(Some(text))
    }

    /// Removes one of its files; gone is gone.
    pub fn remove(&self, name: &str) -> Result<()> {
        match unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Error::call(format!("unlink({:?})", self.path.join(name)), errno)),
        }
    }
}

impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
