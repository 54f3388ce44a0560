//! Named network namespaces: a bind mount keeps one though no process is in it.
//!
//! mount(2) of /proc/self/ns/net on a file below /run/netns, as ip-netns(8) does it; 2011. Book: "net" (`net`).
//! Invariant: a name without its namespace is removed; what `ip netns` made is ours to use, and the reverse.

use super::name::HandleName;
use crate::birth::birth;
use crate::kind::{Kind, Kinds};
use crate::nsfs::Namespace;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{NSFS_MAGIC, statfs};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where iproute2 keeps them.
pub const DIRECTORY: &str = "/run/netns";

const ROOTLESS: &str = "a handle is a mount, and mounting needs CAP_SYS_ADMIN: be root; or, as an ordinary user, work \
                        inside `run --user --map-root --mount --net`, with a tmpfs mounted on /run";

/// The file that stands for `name`.
pub fn path(name: &HandleName) -> PathBuf {
    Path::new(DIRECTORY).join(name.as_str())
}

/// Whether there is a file of that name, whatever it stands for.
pub fn is_there(name: &HandleName) -> bool {
    fs::symlink_metadata(path(name)).is_ok()
}

/// The namespace called `name`.
pub fn open(name: &HandleName) -> Result<Namespace> {
    let path = path(name);
    if !path.exists() {
        return Err(Error::call(format!("open({path:?})"), Errno::ENOENT)
            .with_hint("`net list` shows the names there are; `net add` makes one"));
    }
    let namespace = Namespace::open(&path)?;
    match namespace.kind() {
        Kind::Net => Ok(namespace),
        other => Err(Error::refused(format!("{path:?} is a namespace of kind {other}, not net"))),
    }
}

// ANCHOR: named
/// Makes a network namespace that stays, called `name`.
pub fn add(name: &HandleName) -> Result<()> {
    let path = path(name);
    let alone = prepare()?;
    let made = place(&path).and_then(|()| {
        // On an error the name is ours, and stands for nothing.
        fill(&path).inspect_err(|_| fs::remove_file(&path).unwrap_or_default())
    });
    drop(alone);
    made.inspect_err(|_| tidy())
}

/// A child is born into a new network namespace, binds it to `path`, and ends; the mount stays.
fn fill(path: &Path) -> Result<()> {
    let net = Kinds::NONE.with(Kind::Net, true);
    let child = birth(net, None, |_| {
        match mount(Some("/proc/self/ns/net"), path, None::<&str>, MsFlags::MS_BIND, None::<&str>) {
            Ok(()) => 0,
            Err(errno) => errno as i32 as u8,
        }
    })?;
    match child.wait()? {
        0 => Ok(()),
        errno => Err(Error::call(
            format!("mount(\"/proc/self/ns/net\", {path:?}, MS_BIND)"),
            Errno::from_raw(errno.into()),
        )),
    }
}
// ANCHOR_END: named

/// The empty file that the mount will cover.
fn place(path: &Path) -> Result<()> {
    let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o000).open(path);
    match made {
        Err(e) if e.kind() == ErrorKind::AlreadyExists && is_abandoned(path) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let error = Error::io(format!("open({path:?}, O_CREAT|O_EXCL)"), &e);
            Err(error.with_hint("a namespace of that name is there already"))
        }
        other => other.map(drop).map_err(|e| Error::io(format!("open({path:?}, O_CREAT|O_EXCL)"), &e)),
    }
}

/// An empty file that nothing is mounted on: somebody was killed between making and mounting. While we hold the
/// lock, nobody is.
fn is_abandoned(path: &Path) -> bool {
    let empty = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == 0);
    empty && statfs(path).is_ok_and(|found| found.filesystem_type() != NSFS_MAGIC)
}

/// Removes the name; the namespace goes when no process is left in it.
pub fn delete(name: &HandleName) -> Result<()> {
    let path = path(name);
    let gone = || {
        Error::call(format!("umount2({path:?}, MNT_DETACH)"), Errno::ENOENT)
            .with_hint("there is no handle of that name; `net list` shows those there are")
    };
    if !is_there(name) {
        return Err(gone());
    }
    if path.is_dir() {
        return Err(Error::refused(format!("{path:?} is a directory, and no handle")));
    }
    let alone = lock()?;
    match umount2(&path, MntFlags::MNT_DETACH) {
        // EINVAL: the file stands for nothing, as after a crash between its making and its mounting.
        Ok(()) | Err(Errno::EINVAL) => (),
        Err(errno) => {
            return Err(Error::call(format!("umount2({path:?}, MNT_DETACH)"), errno).with_hint(ROOTLESS));
        }
    }
    match fs::remove_file(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(gone()),
        other => other.map_err(|e| Error::io(format!("unlink({path:?})"), &e))?,
    }
    drop(alone);
    tidy();
    Ok(())
}

/// The names there are, in order.
pub fn list() -> Result<Vec<HandleName>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io(format!("open({DIRECTORY:?})"), &e)),
    };
    let mut names: Vec<HandleName> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    Ok(names)
}

/// Makes the directory a shared mount, as `ip netns` does, so that a handle reaches mount namespaces that are
/// there already, and its removal, too: otherwise a copy would keep the network alive.
fn prepare() -> Result<Flock<File>> {
    match DirBuilder::new().mode(0o755).create(DIRECTORY) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
            return Err(Error::io(format!("mkdir({DIRECTORY:?}, 0755)"), &e).with_hint(ROOTLESS));
        }
        _ => (),
    }
    let alone = lock()?;
    let share =
        || mount(None::<&str>, DIRECTORY, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    let call =
        |flags: &str, errno| Error::call(format!("mount({DIRECTORY:?}, {flags})"), errno).with_hint(ROOTLESS);
    match share() {
        // It is no mount yet.
        Err(Errno::EINVAL) => {
            let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(DIRECTORY), DIRECTORY, None::<&str>, bind, None::<&str>)
                .map_err(|e| call("MS_BIND|MS_REC", e))?;
            share().map_err(|errno| call("MS_SHARED|MS_REC", errno))?;
        }
        shared => shared.map_err(|errno| call("MS_SHARED|MS_REC", errno))?,
    }
    Ok(alone)
}

/// The lock that `ip netns add` takes, too: two at once would mount the directory over itself twice.
fn lock() -> Result<Flock<File>> {
    let directory = File::open(DIRECTORY).map_err(|e| Error::io(format!("open({DIRECTORY:?})"), &e))?;
    Flock::lock(directory, FlockArg::LockExclusive)
        .map_err(|(_, errno)| Error::call(format!("flock({DIRECTORY:?}, LOCK_EX)"), errno))
}

/// With its last name the directory goes as it came. Somebody may be using it: then it stays, and nothing is lost.
fn tidy() {
    let empty = fs::read_dir(DIRECTORY).is_ok_and(|mut entries| entries.next().is_none());
    if empty && umount2(DIRECTORY, MntFlags::empty()).is_ok() {
        fs::remove_dir(DIRECTORY).ok();
    }
}
