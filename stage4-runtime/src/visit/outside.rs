//! Where a visitor goes, opened from outside: the namespaces of the first process, and its group.
//!
//! /proc/PID/ns, pidfd_open(2), cgroups(7). Book: "Another process" (`exec`).
//! Invariant: what was opened is that process's: it is asked once more afterwards whether it still is the one.

use crate::state::Life;
use crate::sys::capability;
use crate::{Error, Result};
use nix::errno::Errno;
use stage2_namespaces::Kind;
use stage2_namespaces::nsfs::Namespace;
use stage3_cgroups::group::Doors;
use stage3_cgroups::{Group, Layout, Version};
use std::path::{Path, PathBuf};

/// The inside of a container, as descriptors.
#[derive(Debug)]
pub struct Inside {
    /// Joined before the visitor is born: a pid namespace counts for children only.
    pub first: Vec<Namespace>,
    /// Joined by the visitor.
    pub then: Vec<Namespace>,
    /// Is the visitor born in its user namespace, where the host's files about him are closed to him?
    pub stranger: bool,
    /// Is its user namespace another one than ours?
    pub users: bool,
    /// By which the visitor enters the group.
    pub doors: Option<Doors>,
    /// Has the container a session keyring of its own?
    pub keyring: bool,
}

/// capabilities(7)
const CAP_SYS_ADMIN: u64 = 1 << 21;

impl Inside {
    /// Of the first process `init`, with the doors of `group`.
    ///
    /// # Errors
    /// It has ended; its namespaces are not ours to see.
    pub fn of(init: Life, doors: Option<Doors>, keyring: bool) -> Result<Self> {
        let all = others_of(init.pid);
        // Asked after they were opened: then they were its own. And if they could not be, that may be why.
        require_there(init)?;
        let all = all?;
        let users = all.iter().any(|namespace| namespace.kind() == Kind::User);
        let effective = capability::get().map_err(|errno| Error::call("capget()", errno))?.effective;
        let privileged = effective & CAP_SYS_ADMIN != 0;
        // Who may not go there by his own rights gets them from the user namespace, which then comes first of all.
        let is_first = |kind| kind == Kind::Pid || kind == Kind::User && !privileged;
        let (first, then): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|namespace| is_first(namespace.kind()));
        let (first, then) = match first.iter().any(|namespace| namespace.kind() == Kind::Pid) {
            true => (first, then),
            false => (Vec::new(), first.into_iter().chain(then).collect()),
        };
        let stranger = first.iter().any(|namespace| namespace.kind() == Kind::User);
        Ok(Inside { first, then, stranger, users, doors, keyring })
    }
}

/// Is the process still in its namespaces?
///
/// # Errors
/// It has ended; or is about to: it leaves them before it becomes a zombie (do_exit() in the kernel's exit.c).
pub fn require_there(init: Life) -> Result<()> {
    let has_left = match Namespace::of(init.pid, Kind::Mnt) {
        Ok(_) => false,
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ESRCH)) => true,
        Err(error) => return Err(error),
    };
    match init.goes_on()? && !has_left {
        true => Ok(()),
        false => Err(Error::refused("container not running").with_hint("its process has ended")),
    }
}

/// Its namespaces that are not ours: to join one's own user namespace is an error (setns(2)), and any other is vain.
fn others_of(pid: i32) -> Result<Vec<Namespace>> {
    let mut all = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.known_here()) {
        let namespace = Namespace::of(pid, kind)?;
        if namespace.inode() != Namespace::own(kind)?.inode() {
            all.push(namespace);
        }
    }
    Ok(all)
}

/// The doors of the container's group, or of a group inside it.
///
/// # Errors
/// No such group; EACCES where it is not ours.
pub fn doors(layout: &Layout, groups: &[PathBuf], inside: Option<&str>, init: Life) -> Result<Option<Doors>> {
    let paths: Vec<PathBuf> = match inside {
        None => groups.to_vec(),
        Some(name) => {
            let name: stage3_cgroups::GroupName = name.trim_matches('/').parse()?;
            groups
                .iter()
                .map(|path| name.parts().iter().fold(path.clone(), |path, part| path.join(part)))
                .collect()
        }
    };
    let Some(group) = crate::cgroup::open(layout, &paths)? else {
        return match inside {
            Some(name) => {
                Err(Error::refused(format!("--cgroup: the container has no group {name:?} inside its own")))
            }
            None => Ok(None),
        };
    };
    match group.unified() {
        // A group that hands controllers down can have no processes itself (cgroups(7), "no internal processes"):
        // then the visitor goes where the container has put its first one.
        Some(place) if inside.is_none() && hands_down(&place.directory.read("cgroup.subtree_control")?) => {
            let moved = paths.iter().map(|path| {
                match path.starts_with(&place.hierarchy.mount) && is_v2(&group, path) {
                    true => of_process(&place.hierarchy.mount, init),
                    false => Ok(path.clone()),
                }
            });
            Group::at(layout, &moved.collect::<Result<Vec<_>>>()?)?.doors(false).map(Some)
        }
        _ => group.doors(false).map(Some),
    }
}

fn hands_down(controllers: &str) -> bool {
    !controllers.trim().is_empty()
}

fn is_v2(group: &Group, path: &Path) -> bool {
    let place = group.places().iter().find(|place| place.directory.path() == path);
    place.is_some_and(|place| place.hierarchy.version == Version::V2)
}

/// The group of version 2 that the process is in, below the `mount` that we see.
fn of_process(mount: &Path, init: Life) -> Result<PathBuf> {
    let path = format!("/proc/{}/cgroup", init.pid);
    let text = match std::fs::read_to_string(&path) {
        Err(e) if e.raw_os_error() == Some(Errno::ENOENT as i32) => {
            return Err(Error::refused("container not running").with_hint("its process has ended"));
        }
        text => text.map_err(|e| Error::io(format!("read({path:?})"), &e))?,
    };
    let group = text.lines().find_map(|line| line.strip_prefix("0::/"));
    group
        .map(|group| mount.join(group))
        .ok_or_else(|| Error::refused(format!("{path}: the process is in no group of version 2: {text:?}")))
}
