//! A part of the host's file system, copied as a mount that is attached nowhere.
//!
//! open_tree(2), mount_setattr(2); Linux 5.2, 2019, and 5.12, 2021. Book: "Mounts" (`mounts`).
//! Invariant: it is what was asked before it is attached; an attribute that cannot be set is an error.

use super::owners::Owners;
use crate::plan::mounts::{Bind, Mount};
use crate::sys::mount::{Change, Reach, mount_setattr, open_tree};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A tree that the parent has copied, or that init has to copy itself.
#[derive(Debug)]
pub(crate) enum Tree {
    /// Copied in the mount namespace of the runtime, and kept as a descriptor.
    Ready(OwnedFd),
    /// An ordinary user has no right to copy mounts before the birth, but owns init's mount namespace, in which the
    /// same things are at the same paths. Or there were more mounts than descriptors.
    Later(PathBuf),
}

impl Tree {
    /// Copies what is at `path`, or leaves it for later where this process may not.
    pub(crate) fn open(path: &Path, reach: Reach) -> Result<Self> {
        match copy(path, reach) {
            Ok(fd) => Ok(Tree::Ready(fd)),
            Err(Errno::EPERM | Errno::EMFILE) => Ok(Tree::Later(path.to_owned())),
            Err(errno) => Err(not_copied(path, errno)),
        }
    }

    /// The copy.
    pub(crate) fn take(self, reach: Reach) -> Result<OwnedFd> {
        match self {
            Tree::Ready(fd) => Ok(fd),
            Tree::Later(path) => copy(&path, reach).map_err(|errno| not_copied(&path, errno)),
        }
    }
}

fn copy(path: &Path, reach: Reach) -> nix::Result<OwnedFd> {
    let text = std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    open_tree(AT_FDCWD, &text, reach)
}

fn not_copied(path: &Path, errno: Errno) -> Error {
    let error = Error::call(format!("open_tree({path:?}, OPEN_TREE_CLONE)"), errno);
    match errno {
        Errno::ENOENT => error.with_hint("there is no such file or directory on the host"),
        Errno::EACCES => error.with_hint("the runtime's user may not reach it"),
        Errno::EINVAL => error.with_hint(
            "its mount cannot be copied: it is unbindable, or, in a user namespace, others lie on it (use rbind)",
        ),
        Errno::ENOSYS => error.with_hint("containers need Linux 5.12 or newer"),
        Errno::EPERM => error.with_hint("copying a mount needs CAP_SYS_ADMIN, or a user namespace of the container's own"),
        _ => error,
    }
}

/// Makes a copied tree what `mount` asks for.
pub(super) fn prepare(tree: BorrowedFd<'_>, mount: &Mount, bind: &Bind, owners: &mut Owners) -> Result<()> {
    if let Some(mapped) = &bind.users {
        let users = owners.namespace(&mapped.by)?;
        let change = Change { users: Some(users), ..Change::default() };
        mount_setattr(tree, reach(bind.deep && mapped.deep), change)
            .map_err(|errno| not_mapped(&bind.source, errno))?;
    }
    for change in mount.changes() {
        let asked = Change {
            set: change.attributes.set,
            clear: change.attributes.clear,
            propagation: change.propagation,
            users: None,
        };
        mount_setattr(tree, reach(change.deep), asked)
            .map_err(|errno| not_changed(&bind.source, asked, errno))?;
    }
    Ok(())
}

/// With what is mounted below, or without.
pub(super) fn reach(deep: bool) -> Reach {
    if deep { Reach::All } else { Reach::Top }
}

fn not_mapped(source: &Path, errno: Errno) -> Error {
    let error = Error::call(format!("mount_setattr(<{}>, MOUNT_ATTR_IDMAP)", source.display()), errno);
    match errno {
        Errno::EINVAL => error.with_hint(
            "its file system does not know idmapped mounts, or shows owners through a map already",
        ),
        Errno::EPERM => {
            error.with_hint("only the administrator of the machine maps owners of its file systems")
        }
        _ => error,
    }
}

/// Attributes that are not asked about stay as the host has them, so that what it has locked (mount_namespaces(7))
/// is kept without asking again; only who asks to be rid of it meets EPERM.
fn not_changed(source: &Path, asked: Change<'_>, errno: Errno) -> Error {
    let call = format!(
        "mount_setattr(<{}>, {{attr_set={:#x}, attr_clr={:#x}, propagation={:#x}}})",
        source.display(),
        asked.set,
        asked.clear,
        asked.propagation
    );
    let error = Error::call(call, errno);
    match errno {
        Errno::EPERM => error.with_hint(
            "the host's mount has nosuid, nodev, noexec, ro or its access times, and a user namespace cannot take \
             them away: leave out suid, dev, exec, rrw, atime and the like",
        ),
        Errno::EINVAL => error.with_hint("this kernel does not know one of these attributes (nosymfollow: Linux 5.14)"),
        _ => error,
    }
}

/// Attaches `tree` on `target`; `what` and `place` are what they are called in an error.
pub(super) fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>, what: &str, place: &Path) -> Result<()> {
    stage2_namespaces::mount::move_mount(tree, target).map_err(|errno| {
        let error = Error::call(format!("move_mount(<{what}>, [root]/{})", place.display()), errno);
        match errno {
            Errno::EINVAL => error.with_hint(
                "a directory is mounted on a directory, and a file on a file; and nothing unbindable on what is shared",
            ),
            Errno::ELOOP => error.with_hint("it cannot be mounted on itself"),
            _ => error,
        }
    })
}

/// A copy of the mount that `file` is on, from there on.
pub(crate) fn copy_of(file: BorrowedFd<'_>, reach: Reach) -> nix::Result<OwnedFd> {
    open_tree(file, c"", reach)
}
