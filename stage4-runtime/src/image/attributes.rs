//! Whose a new file is, who may do what with it, and when it was written.
//!
//! fchownat(2), fchmod(2), fsetxattr(2), utimensat(2). Book: "Images" (`images`).
//! Invariant: a file whose owner could not be set has no set-id bits: it would make everybody somebody else than the
//! image meant. What is lost so is counted and told, never silent; attributes that steer an overlay are never set.

use super::tape::Entry;
use super::tree::Directory;
use crate::sys::xattr;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmod, fchmodat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

/// What an image has, and its copy on this machine has not.
#[derive(Debug, Default)]
pub struct Losses {
    /// Files that belong to whoever unpacked them: their own owners have no number here.
    pub owners: Loss,
    /// Devices.
    pub devices: Loss,
    /// Extended attributes.
    pub attributes: Loss,
}

impl Losses {
    /// And these.
    pub fn add(&mut self, more: Losses) {
        let Losses { owners, devices, attributes } = more;
        for (all, more) in
            [(&mut self.owners, owners), (&mut self.devices, devices), (&mut self.attributes, attributes)]
        {
            if all.count == 0 {
                all.first = more.first;
            }
            all.count += more.count;
        }
    }
}

/// So many of a kind, and one of them.
#[derive(Debug, Default)]
pub struct Loss {
    /// How many.
    pub count: u64,
    /// The first.
    pub first: String,
}

impl Loss {
    /// One more.
    pub fn add(&mut self, what: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = what();
        }
        self.count += 1;
    }
}

/// No entry of an image says what a machine's own security module or file server is to say, and what steers an overlay
/// could lead out of it.
const FOREIGN: [&[u8]; 4] = [b"security.selinux", b"system.nfs4_acl", b"trusted.overlay.", b"user.overlay."];

/// Whether an attribute is none of an image's.
pub fn is_foreign(name: &[u8]) -> bool {
    FOREIGN.iter().any(|foreign| name.starts_with(foreign))
}

/// Of a file or a directory that is open. The owner comes first: who gives a file away loses its set-id bits and
/// capabilities (chown(2)).
///
/// # Errors
/// What the kernel refuses.
pub fn set_open(fd: BorrowedFd<'_>, entry: &Entry, losses: &mut Losses) -> Result<()> {
    let kept = own(entry, losses, |uid, gid| fchown(fd, Some(uid), Some(gid)))?;
    fchmod(fd, mode(entry, kept)).map_err(|errno| Error::call("fchmod()", errno))?;
    set_xattrs(entry, losses, |name, value| xattr::set(fd, name, value))?;
    let time = time(entry.mtime);
    futimens(fd, &time, &time).map_err(|errno| Error::call("futimens()", errno))
}

/// Of what cannot be opened without doing something: a link, a pipe, a device.
///
/// # Errors
/// What the kernel refuses.
pub fn set_named(
    parent: &Directory,
    name: &OsStr,
    is_link: bool,
    entry: &Entry,
    losses: &mut Losses,
) -> Result<()> {
    let fd = parent.fd.as_fd();
    let nofollow = AtFlags::AT_SYMLINK_NOFOLLOW;
    let kept = own(entry, losses, |uid, gid| fchownat(fd, name, Some(uid), Some(gid), nofollow))?;
    if !is_link {
        fchmodat(fd, name, mode(entry, kept), FchmodatFlags::FollowSymlink)
            .map_err(|errno| Error::call(format!("fchmodat({name:?})"), errno))?;
    }
    // By a descriptor only what is open for reading can be given some.
    let path = [format!("/proc/self/fd/{}/", fd.as_raw_fd()).as_bytes(), name.as_bytes()].concat();
    let path = text(path)?;
    set_xattrs(entry, losses, |name, value| xattr::set_named(&path, name, value))?;
    let time = time(entry.mtime);
    utimensat(fd, name, &time, &time, UtimensatFlags::NoFollowSymlink)
        .map_err(|errno| Error::call(format!("utimensat({name:?})"), errno))
}

/// What an extended attribute of an open file is.
///
/// # Errors
/// It has none of this name.
pub fn get(file: impl AsFd, name: &CStr) -> Result<Vec<u8>> {
    xattr::get(file.as_fd(), name).map_err(|errno| Error::call(format!("fgetxattr({name:?})"), errno))
}

/// Seconds and nanoseconds, as the kernel has them.
pub fn time((seconds, nanoseconds): (i64, u32)) -> TimeSpec {
    TimeSpec::new(seconds, nanoseconds.into())
}

fn own(entry: &Entry, losses: &mut Losses, chown: impl Fn(Uid, Gid) -> nix::Result<()>) -> Result<bool> {
    let id = |id: u64| {
        u32::try_from(id)
            .ok()
            .filter(|id| *id != u32::MAX)
            .ok_or_else(|| Error::refused(format!("nobody can have the id {id}")))
    };
    match chown(Uid::from_raw(id(entry.uid)?), Gid::from_raw(id(entry.gid)?)) {
        Ok(()) => Ok(true),
        Err(Errno::EINVAL | Errno::EPERM) => {
            losses
                .owners
                .add(|| format!("{} of {}:{}", String::from_utf8_lossy(&entry.path), entry.uid, entry.gid));
            Ok(false)
        }
        Err(errno) => Err(Error::call(format!("fchown({}, {})", entry.uid, entry.gid), errno)),
    }
}

fn mode(entry: &Entry, owner_kept: bool) -> Mode {
    Mode::from_bits_truncate(if owner_kept { entry.mode } else { entry.mode & 0o1777 })
}

fn set_xattrs(
    entry: &Entry,
    losses: &mut Losses,
    set: impl Fn(&CStr, &[u8]) -> nix::Result<()>,
) -> Result<()> {
    for (name, value) in &entry.xattrs {
        let told =
            || format!("{} of {}", String::from_utf8_lossy(name), String::from_utf8_lossy(&entry.path));
        if is_foreign(name) {
            losses.attributes.add(told);
            continue;
        }
        match set(&text(name.clone())?, value) {
            Ok(()) => (),
            Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::EINVAL) => losses.attributes.add(told),
            Err(errno) => {
                return Err(Error::call(format!("fsetxattr({:?})", String::from_utf8_lossy(name)), errno));
            }
        }
    }
    Ok(())
}

fn text(bytes: Vec<u8>) -> Result<CString> {
    CString::new(bytes).map_err(|_| Error::refused("a name has NUL in it"))
}
