//! The host's file that an attempt may read, to show that it got out.
//!
//! openat(2), read(2). Book: `double-chroot`.
//! Invariant: it is only ever read, 4 KiB at most, and nothing but a regular file is opened.

use super::trace::Trace;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The most that is read of it, in bytes.
const LIMIT: u64 = 4096;

/// A canary is named as the host names it.
pub fn check(canary: &Path) -> Result<()> {
    if canary.is_absolute() && canary.file_name().is_some() {
        return Ok(());
    }
    Err(Error::refused(format!("the canary {canary:?} is not the absolute path of a file")))
}

/// Its path as seen from the host's root, without the slash that would mean our own.
pub fn below_root(canary: &Path) -> &Path {
    canary.strip_prefix("/").unwrap_or(canary)
}

/// Opens it for reading; `place` is how the call is told, up to the flags.
pub fn open(at: impl AsFd, path: &Path, place: &str, trace: &mut Trace<'_>) -> Result<OwnedFd> {
    // Looked at first: to open a device or a pipe may already do something.
    if let Ok(found) = fstatat(&at, path, AtFlags::AT_SYMLINK_NOFOLLOW) {
        refuse_irregular(&found, place)?;
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    trace.call(format!("{place}, O_RDONLY|O_NOFOLLOW)"), openat(&at, path, flags, Mode::empty()))
}

/// Reads its first line, and tells it.
pub fn first_line(file: OwnedFd, canary: &Path, trace: &mut Trace<'_>) -> Result<String> {
    let call = format!("read({canary:?})");
    refuse_irregular(&fstat(&file).map_err(|errno| Error::call(&call, errno))?, &call)?;

    let mut bytes = Vec::new();
    if let Err(error) = File::from(file).take(LIMIT).read_to_end(&mut bytes) {
        return trace
            .call(call, Err(Errno::from_raw(error.raw_os_error().unwrap_or_default())))
            .map(|()| String::new());
    }
    let text = String::from_utf8_lossy(&bytes);
    match text.lines().next() {
        Some(line) if !line.is_empty() => {
            trace.line(format!("{call} = {line:?}"));
            Ok(line.to_owned())
        }
        _ => Err(Error::refused(format!(
            "the first line of the canary {canary:?} is empty: it would show nothing"
        ))),
    }
}

fn refuse_irregular(found: &FileStat, what: &str) -> Result<()> {
    if found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits() {
        return Ok(());
    }
    Err(Error::refused(format!("{what}: the canary is not a regular file")))
}
