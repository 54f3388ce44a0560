//! The host's file that an attempt may read, to show that it got out.
//!
//! openat(2), read(2). Book: `double-chroot`.
//! Invariant: it is only ever read, 4 KiB at most, and nothing but a regular file is opened; a canary that
//! is not there is no containment.

use super::climb::same;
use super::trace::Trace;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, stat};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The most that is read of it, in bytes.
const LIMIT: u64 = 4096;

/// The canary, and where we were when we set out for it.
#[derive(Debug)]
pub struct Canary<'a> {
    /// Its absolute path on the host.
    pub path: &'a Path,
    jail: Option<FileStat>,
}

impl<'a> Canary<'a> {
    /// A canary is named as the host names it.
    pub fn new(path: &'a Path) -> Result<Self> {
        if path.is_absolute() && path.file_name().is_some() {
            return Ok(Canary { path, jail: stat("/").ok() });
        }
        Err(Error::refused(format!("the canary {path:?} is not the absolute path of a file")))
    }

    /// Its path as seen from the host's root, without the slash that would mean our own.
    pub fn below_root(&self) -> &'a Path {
        self.path.strip_prefix("/").unwrap_or(self.path)
    }

    /// Opens it for reading; `place` is how the call is told, up to the flags, and `top` the root that was reached.
    pub fn open(
        &self,
        at: impl AsFd,
        path: &Path,
        place: &str,
        top: nix::Result<FileStat>,
        trace: &mut Trace<'_>,
    ) -> Result<OwnedFd> {
        // Looked at first: to open a device or a pipe may already do something.
        if let Ok(found) = fstatat(&at, path, AtFlags::AT_SYMLINK_NOFOLLOW) {
            self.refuse_irregular(&found)?;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let opened = openat(&at, path, flags, Mode::empty());
        let missing = matches!(opened, Err(Errno::ENOENT | Errno::ENOTDIR)) && self.is_outside(top);
        let opened = trace.call(format!("{place}, O_RDONLY|O_NOFOLLOW)"), opened);
        // Not contained: whoever stands outside and misses a file has only been given a wrong name.
        if missing {
            let error = Error::refused(format!("the jail was left, but outside there is no {:?}", self.path));
            return Err(error.with_hint("--canary names a file of the host by its path there"));
        }
        opened
    }

    fn is_outside(&self, top: nix::Result<FileStat>) -> bool {
        matches!((&self.jail, top), (Some(jail), Ok(top)) if !same(jail, &top))
    }

    /// Reads its first line, and tells it.
    pub fn first_line(&self, file: OwnedFd, trace: &mut Trace<'_>) -> Result<String> {
        let call = format!("read({:?})", self.path);
        self.refuse_irregular(&fstat(&file).map_err(|errno| Error::call(&call, errno))?)?;

        let mut bytes = Vec::new();
        if let Err(error) = File::from(file).take(LIMIT).read_to_end(&mut bytes) {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
            return trace.call(call, Err(errno)).map(|()| String::new());
        }
        let text = String::from_utf8_lossy(&bytes);
        match text.lines().next() {
            Some(line) if !line.is_empty() => {
                trace.line(format!("{call} = {line:?}"));
                Ok(line.to_owned())
            }
            _ => Err(Error::refused(format!(
                "the first line of the canary {:?} is empty: it would show nothing",
                self.path
            ))),
        }
    }

    fn refuse_irregular(&self, found: &FileStat) -> Result<()> {
        if found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits() {
            return Ok(());
        }
        Err(Error::refused(format!("the canary {:?} is not a regular file", self.path)))
    }
}
