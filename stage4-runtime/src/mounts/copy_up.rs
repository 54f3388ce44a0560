//! `tmpcopyup`: a new tmpfs begins with a copy of what it will cover.
//!
//! openat(2), copy_file_range(2), fsetxattr(2). Book: "Mounts" (`mounts`).
//! Invariant: both sides are descriptors, no link is followed, and no mount below is entered.

use crate::sys::xattr;
use crate::{Error, Result};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstat, fstatat, futimens, mkdirat, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Copies all that is in `from` to `to`, owners, modes, times and attributes included.
pub(super) fn copy_up(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let from = openat(from, ".", DIRECTORY, Mode::empty()).map_err(|errno| failed("openat", c".", errno))?;
    let device = fstat(&from).map_err(|errno| failed("fstat", c".", errno))?.st_dev;
    contents(from, to, device)
}

/// Deep trees cost two descriptors a level; EMFILE then says so.
fn contents(from: OwnedFd, to: BorrowedFd<'_>, device: u64) -> Result<()> {
    let mut from = Dir::from_fd(from).map_err(|errno| failed("getdents64", c".", errno))?;
    let names = from.iter().map(|entry| entry.map(|entry| entry.file_name().to_owned()));
    let names: Vec<CString> =
        names.collect::<nix::Result<_>>().map_err(|errno| failed("getdents64", c".", errno))?;
    let dots = |name: &&CString| !matches!(name.to_bytes(), b"." | b"..");
    names.iter().filter(dots).try_for_each(|name| entry(from.as_fd(), to, name, device))
}

fn entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, device: u64) -> Result<()> {
    let call = |call, errno| failed(call, name, errno);
    let stat = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|errno| call("fstatat", errno))?;
    match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFDIR => directory(from, to, name, device, &stat),
        SFlag::S_IFREG => file(from, to, name, &stat),
        SFlag::S_IFLNK => {
            let target = readlinkat(from, name).map_err(|errno| call("readlinkat", errno))?;
            symlinkat(target.as_os_str(), to, name).map_err(|errno| call("symlinkat", errno))?;
            owner_and_times(to, name, &stat)
        }
        kind => {
            let mode = Mode::from_bits_truncate(stat.st_mode & 0o7777);
            mknodat(to, name, kind, mode, stat.st_rdev).map_err(|errno| call("mknodat", errno))?;
            owner_and_times(to, name, &stat)
        }
    }
}

fn directory(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &CStr,
    device: u64,
    stat: &FileStat,
) -> Result<()> {
    let call = |call, errno| failed(call, name, errno);
    let source = openat(from, name, DIRECTORY, Mode::empty()).map_err(|errno| call("openat", errno))?;
    mkdirat(to, name, Mode::from_bits_truncate(0o700)).map_err(|errno| call("mkdirat", errno))?;
    let new = openat(to, name, DIRECTORY, Mode::empty()).map_err(|errno| call("openat", errno))?;
    attributes(source.as_fd(), new.as_fd(), name)?;
    // Something is mounted here: it is covered, and so is the place where it stood.
    if stat.st_dev == device {
        contents(source, new.as_fd(), device)?;
    }
    finish(new.as_fd(), name, stat)
}

fn file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, stat: &FileStat) -> Result<()> {
    let call = |call, errno| failed(call, name, errno);
    let read = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let mut source =
        File::from(openat(from, name, read, Mode::empty()).map_err(|errno| call("openat", errno))?);
    let write = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o600);
    let mut new = File::from(openat(to, name, write, mode).map_err(|errno| call("openat", errno))?);
    // copy_file_range(2) or what else the kernel is quickest with.
    std::io::copy(&mut source, &mut new)
        .map_err(|error| Error::io(format!("copy_file_range({name:?})"), &error))?;
    attributes(source.as_fd(), new.as_fd(), name)?;
    finish(new.as_fd(), name, stat)
}

/// A tmpfs does not take every attribute; what it does not know cannot be looked for in it either.
fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let names = match xattr::list(from) {
        Ok(names) => names,
        Err(Errno::EOPNOTSUPP) => return Ok(()),
        Err(errno) => return Err(failed("flistxattr", name, errno)),
    };
    for attribute in names.split_inclusive(|byte| *byte == 0) {
        let Ok(attribute) = CStr::from_bytes_with_nul(attribute) else { continue };
        let value = xattr::get(from, attribute).map_err(|errno| failed("fgetxattr", name, errno))?;
        match xattr::set(to, attribute, &value) {
            Ok(()) | Err(Errno::EOPNOTSUPP) => (),
            Err(errno) => return Err(failed("fsetxattr", name, errno)),
        }
    }
    Ok(())
}

/// The owner first: chown(2) takes set-user-ID away.
fn finish(new: BorrowedFd<'_>, name: &CStr, stat: &FileStat) -> Result<()> {
    let call = |call, errno| failed(call, name, errno);
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    fchown(new, Some(uid), Some(gid)).map_err(|errno| call("fchown", errno))?;
    fchmod(new, Mode::from_bits_truncate(stat.st_mode & 0o7777)).map_err(|errno| call("fchmod", errno))?;
    let (read, written) = times(stat);
    futimens(new, &read, &written).map_err(|errno| call("futimens", errno))
}

fn owner_and_times(to: BorrowedFd<'_>, name: &CStr, stat: &FileStat) -> Result<()> {
    let call = |call, errno| failed(call, name, errno);
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    fchownat(to, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
        .map_err(|errno| call("fchownat", errno))?;
    let (read, written) = times(stat);
    utimensat(to, name, &read, &written, UtimensatFlags::NoFollowSymlink)
        .map_err(|errno| call("utimensat", errno))
}

fn times(stat: &FileStat) -> (TimeSpec, TimeSpec) {
    (TimeSpec::new(stat.st_atime, stat.st_atime_nsec), TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec))
}

fn failed(call: &str, name: &CStr, errno: Errno) -> Error {
    let error = Error::call(format!("{call}({name:?}) for tmpcopyup"), errno);
    match errno {
        Errno::ENOSPC => error.with_hint("the tmpfs is too small for what it covers: give it a larger size="),
        Errno::EMFILE => error.with_hint("its directories are too deep for the limit of open files"),
        Errno::EINVAL => error.with_hint("an owner of a file has no id in the container's user namespace"),
        _ => error,
    }
}
