//! Which namespaces the process is born into, which it joins, and who it is there.
//!
//! clone3(2), setns(2); config-linux.md, "Namespaces". Book: "A container's birth" (`birth`).
//! Invariant: pure; a kind is made, joined or the runtime's own, never two of them.

use crate::config::linux::{Clock, IdMapping, NamespaceKind};
use crate::config::{Config, Linux};
use crate::{Error, Result};
use stage2_namespaces::clocks::{Offset, Offsets};
use stage2_namespaces::idmap::{Extent, IdMap};
use stage2_namespaces::users::Users;
use stage2_namespaces::{Kind, Kinds};
use std::path::PathBuf;

/// The namespaces of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    /// Made by the one clone3(2) that makes init.
    pub born: Kinds,
    /// Joined before that, in this order.
    pub joined: Vec<Joined>,
    /// Made by init itself when it is in its group: made by the clone, its root would be the runtime's group.
    pub cgroup: bool,
    /// The ids of the new user namespace.
    pub users: Option<Users>,
    /// How far the clocks of the new time namespace are moved; that one init makes itself, too.
    pub clocks: Option<Offsets>,
}

/// A namespace that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Its kind.
    pub kind: Kind,
    /// Where it can be opened.
    pub path: PathBuf,
    /// Its place in `linux.namespaces`.
    pub index: usize,
}

impl Namespaces {
    // ANCHOR: fewer-namespaces
    /// From the lists of a configuration that has been checked.
    ///
    /// # Errors
    /// No new mount namespace; an id map that the kernel would refuse.
    pub fn of(config: &Config) -> Result<Self> {
        let linux = &config.linux;
        require_own_mounts(linux)?;
        let made = |kind| linux.makes(kind);
        let clocks = made(NamespaceKind::Time).then(|| offsets(linux)).filter(|offsets| !offsets.are_none());
        let born = [
            (NamespaceKind::Mount, Kind::Mnt),
            (NamespaceKind::Uts, Kind::Uts),
            (NamespaceKind::Ipc, Kind::Ipc),
            (NamespaceKind::Pid, Kind::Pid),
            (NamespaceKind::Network, Kind::Net),
            (NamespaceKind::User, Kind::User),
        ];
        let born = born.into_iter().fold(Kinds::NONE, |kinds, (listed, kind)| kinds.with(kind, made(listed)));
        Ok(Namespaces {
            born: born.with(Kind::Time, made(NamespaceKind::Time) && clocks.is_none()),
            joined: joined(linux),
            cgroup: made(NamespaceKind::Cgroup),
            users: made(NamespaceKind::User).then(|| users(linux)).transpose()?,
            clocks,
        })
    }
    // ANCHOR_END: fewer-namespaces

    /// Is the process root of a user namespace that is not the host's?
    pub fn has_users(&self) -> bool {
        self.born.has(Kind::User) || self.joined.iter().any(|joined| joined.kind == Kind::User)
    }
}

/// In the host's mount namespace, or another container's, what is mounted for the container would be mounted there, and
/// stay; and a root that is only changed by chroot(2), as other runtimes do then, is left by whoever may chroot again.
fn require_own_mounts(linux: &Linux) -> Result<()> {
    match linux.makes(NamespaceKind::Mount) {
        true => Ok(()),
        false => Err(Error::refused("config.json: linux.namespaces: a container has a new mount namespace")
            .with_hint("in the host's, or in another container's, its mounts would be theirs, and chroot(2) alone holds nobody: list {\"type\": \"mount\"} without a path")),
    }
}

/// The user namespace first, for it decides what is allowed in the others; the pid namespace counts for children only.
fn joined(linux: &Linux) -> Vec<Joined> {
    let entry = |(index, namespace): (usize, &crate::config::linux::Namespace)| {
        let path = namespace.path.as_ref()?.into();
        Some(Joined { kind: kind(namespace.kind), path, index })
    };
    let mut joined: Vec<Joined> = linux.namespaces.iter().enumerate().filter_map(entry).collect();
    joined.sort_by_key(|joined| joined.kind != Kind::User);
    joined
}

/// The specification's word for a kind is not always the kernel's.
pub fn kind(listed: NamespaceKind) -> Kind {
    match listed {
        NamespaceKind::Mount => Kind::Mnt,
        NamespaceKind::Uts => Kind::Uts,
        NamespaceKind::Ipc => Kind::Ipc,
        NamespaceKind::Pid => Kind::Pid,
        NamespaceKind::Network => Kind::Net,
        NamespaceKind::User => Kind::User,
        NamespaceKind::Cgroup => Kind::Cgroup,
        NamespaceKind::Time => Kind::Time,
    }
}

// ANCHOR: rootless
fn users(linux: &Linux) -> Result<Users> {
    let map = |field: &str, mappings: &[IdMapping]| {
        let extent = |m: &IdMapping| Extent { inside: m.container_id, outside: m.host_id, count: m.size };
        IdMap::new(mappings.iter().map(extent).collect())
            .map_err(|error| Error::refused(format!("config.json: linux.{field}: {error}")))
    };
    match (linux.uid_mappings.is_empty(), linux.gid_mappings.is_empty()) {
        (true, true) => Ok(Users::Unmapped),
        _ => Ok(Users::Mapped {
            uids: map("uidMappings", &linux.uid_mappings)?,
            gids: map("gidMappings", &linux.gid_mappings)?,
        }),
    }
}
// ANCHOR_END: rootless

fn offsets(linux: &Linux) -> Offsets {
    let offset = |clock| {
        let asked = linux.time_offsets.get(&clock)?;
        Some(Offset { seconds: asked.secs, nanoseconds: asked.nanosecs })
    };
    Offsets { boottime: offset(Clock::Boottime), monotonic: offset(Clock::Monotonic) }
}
