//! A container's directory of state, and the files in it.
//!
//! openat(2), flock(2), renameat(2). Book: "The life cycle" (`state`).
//! Invariant: every file is reached by the directory's descriptor, whatever its name means by then; a record is whole
//! or the one before it.

use super::{DIRECTORY, Record};
use crate::conversation::Doorbell;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// A container's directory of state.
#[derive(Debug)]
pub struct Place {
    /// Where it is.
    pub path: PathBuf,
    pub(super) fd: OwnedFd,
}

pub(super) const RECORD: &str = "state.json";
pub(super) const NEXT: &str = "state.json.next";
/// The configuration as it was when the container was made: the bundle's may be edited afterwards.
pub(super) const CONFIG: &str = "config.json";

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
        self.write_file(NEXT, OFlag::O_TRUNC, &text)?;
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
        self.write_file(CONFIG, OFlag::O_TRUNC, text)
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

    /// Behind what is there (`O_APPEND`) or instead of it (`O_TRUNC`): then whoever is killed here leaves an empty file.
    pub(super) fn write_file(&self, name: &str, how: OFlag, text: &[u8]) -> Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | how;
        let path = || self.path.join(name);
        let fd = openat(&self.fd, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|errno| Error::call(format!("open({:?}, O_WRONLY|O_CREAT)", path()), errno))?;
        File::from(fd).write_all(text).map_err(|e| Error::io(format!("write({:?})", path()), &e))
    }

    pub(super) fn read_file(&self, name: &str) -> Result<Option<Vec<u8>>> {
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
