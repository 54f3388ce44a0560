//! Control groups inside: the container's own, shown where the host has its hierarchies.
//!
//! open_tree(2), move_mount(2); cgroups(7), cgroup_namespaces(7). Book: "Mounts" (`mounts`).
//! Invariant: of version 1 no group but the container's can be seen or written; a hierarchy in which it has none is
//! not shown.
//!
//! A group's directory is copied by open_tree(2), with a cgroup namespace or without one: what is seen is the same as
//! of a new mount in the namespace, /proc/self/mountinfo included, for two calls instead of six; and it works in a
//! user namespace that does not own the cgroup namespace.

use super::filesystem;
use super::tree::{Tree, attach};
use crate::plan::mounts::options::Attributes;
use crate::plan::mounts::{FileSystem, Mount, What, options::Datum};
use crate::sys::mount::{Change, Reach, mount_setattr};
use crate::{Error, Result};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::symlinkat;
use stage3_cgroups::layout::{Hierarchy as Found, Kind};
use stage3_cgroups::{Group, Layout, Version};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// One hierarchy, from where the container is in it.
#[derive(Debug)]
pub(crate) struct Hierarchy {
    /// The directory it is mounted on, below the destination; empty: on the destination itself.
    name: String,
    /// Its controllers that are called otherwise: links to that directory, as `cpu` to `cpu,cpuacct`.
    aliases: Vec<String>,
    tree: Option<Tree>,
}

/// Are control groups asked for, and only the container's?
pub(super) fn is_own(what: &What) -> Option<bool> {
    match what {
        What::Cgroup { own } => Some(*own),
        _ => None,
    }
}

/// Opens what is shown. On version 2 alone, and without a namespace, that is the whole hierarchy, as with runc.
pub(super) fn open(layout: &Layout, group: Option<&Group>, own: bool) -> Result<Vec<Hierarchy>> {
    let alone = layout.kind() == Kind::V2;
    let places: Vec<(&Found, PathBuf)> = match group {
        Some(group) => {
            group.places().iter().map(|one| (&one.hierarchy, one.directory.path().to_owned())).collect()
        }
        None => layout.useful().filter_map(|one| Some((one, here(one)?))).collect(),
    };
    let open = |(found, path): (&Found, PathBuf)| {
        let path = if alone && !own { found.mount.clone() } else { path };
        let name = if alone { String::new() } else { name(found) };
        let aliases = match found.version {
            Version::V1 => found.controllers.iter().filter(|one| **one != name).cloned().collect(),
            Version::V2 => Vec::new(),
        };
        Ok(Hierarchy { tree: Some(Tree::open(&path, Reach::Top)?), name, aliases })
    };
    let hierarchies = places.into_iter().map(open).collect::<Result<Vec<_>>>()?;
    match hierarchies.is_empty() {
        false => Ok(hierarchies),
        true => Err(Error::refused("there are no control groups that could be shown in the container")
            .with_hint("leave the mount of the type cgroup out, or mount /sys/fs/cgroup on the host")),
    }
}

fn here(found: &Found) -> Option<PathBuf> {
    found.here.as_ref().map(|here| found.mount.join(here.trim_start_matches('/')))
}

fn name(found: &Found) -> String {
    found.mount.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Mounts them on `target`; the directory of version 1, which is still to be made read-only when asked, if there is one.
pub(super) fn mount(
    target: BorrowedFd<'_>,
    mount: &Mount,
    hierarchies: &mut [Hierarchy],
) -> Result<Option<OwnedFd>> {
    let asked = mount.top.after(mount.all);
    if let [only] = hierarchies
        && only.name.is_empty()
    {
        attach(only.prepared(asked)?.as_fd(), target, "cgroup2", &mount.target)?;
        return Ok(None);
    }
    let directory = directory(asked)?;
    attach(directory.as_fd(), target, "tmpfs", &mount.target)?;
    for hierarchy in hierarchies {
        let tree = hierarchy.prepared(asked)?;
        hierarchy.mount_in(directory.as_fd(), tree.as_fd(), &mount.target)?;
    }
    Ok(Some(directory))
}

/// An empty file system for the directories and links.
fn directory(asked: Attributes) -> Result<OwnedFd> {
    let mode = Datum { key: "mode".to_owned(), value: Some("755".to_owned()) };
    let system = FileSystem {
        kind: "tmpfs".to_owned(),
        source: Some("cgroup".to_owned()),
        superblock: Vec::new(),
        data: vec![mode],
        legacy: 0,
        copy_up: false,
    };
    filesystem::create(&system, None, asked.set & !libc::MOUNT_ATTR_RDONLY)
}

impl Hierarchy {
    fn prepared(&mut self, asked: Attributes) -> Result<OwnedFd> {
        let tree = self.tree.take().ok_or_else(|| {
            Error::refused("control groups are mounted twice")
                .with_hint("one mount of the type cgroup is enough")
        })?;
        let tree = tree.take(Reach::Top)?;
        // `rw` is for "not ro", as with other mounts of the host's.
        let clear = asked.clear & !libc::MOUNT_ATTR_RDONLY;
        let change = Change { set: asked.set, clear, propagation: libc::MS_PRIVATE, users: None };
        mount_setattr(tree.as_fd(), Reach::Top, change).map_err(|errno| {
            Error::call(format!("mount_setattr(<cgroup {}>, {:#x})", self.name, asked.set), errno)
                .with_hint("the host's mount has attributes that a user namespace cannot take away")
        })?;
        Ok(tree)
    }

    fn mount_in(&self, directory: BorrowedFd<'_>, tree: BorrowedFd<'_>, place: &Path) -> Result<()> {
        let call = |name: &str, errno| {
            Error::call(format!("{name}([root]/{}, {:?})", place.display(), self.name), errno)
        };
        let mode = Mode::from_bits_truncate(0o755);
        mkdirat(directory, self.name.as_str(), mode).map_err(|errno| call("mkdirat", errno))?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let point = openat(directory, self.name.as_str(), flags, Mode::empty())
            .map_err(|errno| call("openat", errno))?;
        attach(tree, point.as_fd(), "cgroup", &place.join(&self.name))?;
        self.aliases.iter().try_for_each(|alias| {
            symlinkat(self.name.as_str(), directory, alias.as_str()).map_err(|errno| call("symlinkat", errno))
        })
    }
}
