//! What we may do here, and what is given to somebody else.
//!
//! chown(2) of a group's directory; /sys/kernel/cgroup/delegate, Linux 4.15, 2018. Book: "Delegation" (`delegation`).
//! Invariant: the files that hold a group's own limits are never given away with it.
//!
//! Of systemd's user slice we are a guest: `systemd-run --user --scope -p Delegate=yes` asks it over D-Bus
//! (StartTransientUnit) and then executes us in the scope that it made. A client of our own would need the same call,
//! an authentication and a marshaller, and would run only where systemd-run is installed as well. The shell in the scope
//! is then the process that version 2 forbids where controllers are handed down: it steps aside once, into a group
//! inside. We do not move it unasked, for whoever started us may be there for a reason.

use crate::controller::{Controller, TABLE};
use crate::directory::Directory;
use crate::group::Group;
use crate::layout::{Base, Hierarchy, Layout, Version};
use crate::name::GroupName;
use crate::{Error, Result};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, Gid, Uid, faccessat, fchownat};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// The remedies of an ordinary user, best first.
pub const DELEGATE: &str = "nothing is delegated to us here. With systemd (version 2): systemd-run --user --scope \
-p Delegate=yes -- sh, and first in that shell: stage3-cgroups create stage3-leaf && stage3-cgroups attach stage3-leaf $$. \
Without: root runs stage3-cgroups create stage3-NAME --owner USER, and groups stage3-NAME/INSIDE are ours; for version 2 root \
puts our shell into one of them, too: stage3-cgroups attach stage3-NAME/INSIDE PID";

/// What is possible with a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which.
    pub controller: Controller,
    /// Where it lives; none where this machine has it in no hierarchy.
    pub home: Option<Home>,
}

/// A controller's hierarchy, as it is for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Its interface.
    pub version: Version,
    /// Its mount point.
    pub mount: PathBuf,
    /// The group we are in.
    pub here: Option<String>,
    /// The group below which ours are made.
    pub base: PathBuf,
    /// May we make groups there?
    pub make: bool,
    /// Does the controller reach groups there? Always in version 1; in version 2 what `cgroup.controllers` says.
    pub handed_down: bool,
    /// Does the group that ours are made in hold processes itself? In version 2 it then hands no controller down.
    pub held: bool,
}

impl Base {
    /// The top for whoever may write there, our own group for everybody else.
    pub fn fitting(layout: &Layout) -> Base {
        match layout.useful().any(|hierarchy| writable(&hierarchy.mount)) {
            true => Base::Top,
            false => Base::Here,
        }
    }

    /// Our own group; or the one above it, where version 2 alone limits anything, ours holds processes itself, as the
    /// group of a login does, and we may make groups there.
    pub fn beside(layout: &Layout) -> Base {
        let alone = layout.useful().all(|hierarchy| hierarchy.version == Version::V2);
        let Some(unified) = layout.unified().filter(|_| alone) else { return Base::Here };
        let of = |base| home(unified, Controller::Memory, base);
        match of(Base::Here).held && of(Base::Beside).make {
            true => Base::Beside,
            false => Base::Here,
        }
    }

    /// As [`Base::fitting`] for a group that has a name: one that was given to us from above is looked for where it was made.
    pub fn of(layout: &Layout, name: &GroupName) -> Base {
        let given = layout.useful().any(|hierarchy| hierarchy.mount.join(&name.parts()[0]).is_dir());
        if given { Base::Top } else { Base::fitting(layout) }
    }
}

/// What we may do with each controller.
pub fn grants(layout: &Layout, base: Base) -> Vec<Grant> {
    let home = |controller| layout.home(controller).map(|hierarchy| home(hierarchy, controller, base));
    TABLE.iter().map(|facts| Grant { controller: facts.controller, home: home(facts.controller) }).collect()
}

fn home(hierarchy: &Hierarchy, controller: Controller, base: Base) -> Home {
    let parts = hierarchy.base(base).unwrap_or_default();
    let base = parts.iter().fold(hierarchy.mount.clone(), |path, part| path.join(part));
    let make = writable(&base) && writable(&base.join("cgroup.procs"));
    let offered = std::fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
    let handed_down = match controller.facts().v2.filter(|_| hierarchy.version == Version::V2) {
        Some(name) => offered.split_whitespace().any(|word| word == name),
        None => true,
    };
    // The topmost group of all, which may do both, has no type.
    let has_text = |file| std::fs::read_to_string(base.join(file)).is_ok_and(|text| !text.trim().is_empty());
    let held = hierarchy.version == Version::V2 && has_text("cgroup.type") && has_text("cgroup.procs");
    Home {
        version: hierarchy.version,
        mount: hierarchy.mount.clone(),
        here: hierarchy.here.clone(),
        base,
        make,
        handed_down,
        held,
    }
}

fn writable(path: &Path) -> bool {
    faccessat(AT_FDCWD, path, AccessFlags::W_OK, AtFlags::AT_EACCESS).is_ok()
}

/// What belongs to a group's owner in version 1: who may write these moves processes, and limits nothing.
const V1_FILES: [&str; 2] = ["cgroup.procs", "tasks"];

impl Group {
    // ANCHOR: delegation
    /// Gives the group to a user: groups inside it are then theirs to make, to limit and to remove.
    pub fn give_to(&self, uid: Uid, gid: Gid) -> Result<()> {
        self.places().iter().try_for_each(|place| {
            let files = match place.hierarchy.version {
                Version::V1 => V1_FILES.map(str::to_owned).to_vec(),
                Version::V2 => delegated_files(),
            };
            give(&place.directory, "", uid, gid)?;
            let there = files.iter().filter(|file| place.directory.has(file));
            there.into_iter().try_for_each(|file| give(&place.directory, file, uid, gid))
        })
    }
    // ANCHOR_END: delegation
}

/// What the kernel says is to be given away, but for limits.
fn delegated_files() -> Vec<String> {
    let text = std::fs::read_to_string("/sys/kernel/cgroup/delegate").unwrap_or_default();
    let named = text.lines().filter(|name| name.starts_with("cgroup.")).map(str::to_owned);
    let named: Vec<String> = named.collect();
    if named.is_empty() {
        // Before Linux 4.15: cgroup-v2.rst, "Model of Delegation".
        return ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"].map(str::to_owned).to_vec();
    }
    named
}

/// An empty name is the directory itself.
fn give(directory: &Directory, file: &str, uid: Uid, gid: Gid) -> Result<()> {
    let flags = AtFlags::AT_EMPTY_PATH | AtFlags::AT_SYMLINK_NOFOLLOW;
    fchownat(directory.as_fd(), file, Some(uid), Some(gid), flags).map_err(|errno| {
        Error::call(format!("fchownat({:?}, {uid}, {gid})", directory.path().join(file)), errno)
            .with_hint("only root gives groups away")
    })
}
