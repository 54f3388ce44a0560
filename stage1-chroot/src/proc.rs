//! The host's /proc and /sys, shown inside a root as the series shows them.
//!
//! bind mounts 2001 (Linux 2.4); mount namespaces 2002 (2.4.19), unshare(2) 2006 (2.6.16). Book: `processes`.
//! Invariant: the host never sees these mounts, and they are gone with the last process that does.

use crate::{Error, Result, rootfs::Rootfs};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::fchdir;

const NONE: Option<&str> = None;

/// Enters a mount namespace of our own, whose changes reach nobody else.
///
/// A [`Rootfs`] opened before belongs to the old namespace: open it again to mount on it.
pub fn private_mounts() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| Error::call("unshare(CLONE_NEWNS)", errno))?;
    // The copy of a shared mount is its peer: without this the host would see every mount of ours.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).map_err(|errno| {
        Error::call("mount(NULL, \"/\", NULL, MS_REC|MS_PRIVATE, NULL)", errno)
            .with_hint("inside a chroot `/` is no mount point; run this outside")
    })
}

/// Binds the host's /proc and /sys, with what is mounted below them, inside `root`.
pub fn show(root: &Rootfs) -> Result<()> {
    let here = open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| Error::call("open(\".\", O_PATH|O_DIRECTORY)", errno))?;
    bind(root, "proc")?;
    bind(root, "sys")?;
    fchdir(&here).map_err(|errno| Error::call("fchdir(\".\")", errno))
}

/// Binds `/name` on the directory `name` of the root, which is made if it is missing.
fn bind(root: &Rootfs, name: &str) -> Result<()> {
    let target = root.path().join(name);
    let failed = |call: String| move |errno| Error::call(call, errno);

    match mkdirat(root, name, Mode::from_bits_truncate(0o555)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(Error::call(format!("mkdir({target:?}, 0555)"), errno)),
    }
    // Beneath the root's descriptor, and not through a link, which could lead to the host's own files.
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let directory = openat(root, name, flags, Mode::empty()).map_err(|errno| {
        Error::call(format!("open({target:?}, O_PATH|O_DIRECTORY|O_NOFOLLOW)"), errno)
            .with_hint(format!("inside the root, {name:?} must be a directory, and not a link"))
    })?;
    // mount(2) takes a path and no descriptor; "." is the path of a descriptor.
    fchdir(&directory).map_err(failed(format!("fchdir({target:?})")))?;
    let source = format!("/{name}");
    mount(Some(source.as_str()), ".", NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)
        .map_err(failed(format!("mount({source:?}, {target:?}, NULL, MS_BIND|MS_REC, NULL)")))
}
