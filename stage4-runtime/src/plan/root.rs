//! The root of the container: where it is, and what becomes of it.
//!
//! No kernel calls; config.md, "Root", and config-linux.md, "Rootfs Mount Propagation". Book: "Mounts" (`mounts`).
//! Invariant: pure; without a word about propagation, events come in from the host and none goes out.

use crate::config::linux;
use crate::config::{Config, Linux};
use crate::{Error, Result};
use serde::Serialize;
use stage2_namespaces::mount::{Incoming, Propagation};
use std::path::{Path, PathBuf};

/// How the root is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Way {
    /// pivot_root(2): the host's mounts are gone from the namespace.
    #[default]
    Pivot,
    /// `--no-pivot`: mounted over the host's root and chroot(2) into it, for a host whose root is an initramfs, which
    /// pivot_root(2) refuses. The host's mounts stay below: who gets CAP_SYS_ADMIN inside can uncover them.
    Chroot,
}

/// Where the root is attached until it is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// On top of `/`, where no path leads: it needs no directory that init could reach.
    Above,
    /// At its own path: hooks of createContainer look there for what is mounted in the container (runtime.md,
    /// "Lifecycle", step 7).
    Path,
}

/// The root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The directory, absolute.
    pub path: PathBuf,
    /// Is it made read-only, once everything in it is made?
    pub readonly: bool,
    /// Which mount events travel; `None`: as [`Spread::DEFAULT`].
    pub propagation: Option<Spread>,
    /// How it becomes `/`.
    pub way: Way,
    /// Where it waits for that.
    pub seat: Seat,
}

/// A propagation type, for one mount or for all below it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// mount_namespaces(7), "Shared subtrees".
    pub kind: Propagation,
    /// With the `r` before its name?
    pub recursive: bool,
}

impl Spread {
    /// As runc has it: events come in.
    pub const DEFAULT: Spread = Spread { kind: Propagation::Slave, recursive: true };

    /// The words of mount(8): `shared`, `rslave`, …
    pub fn named(word: &str) -> Option<Self> {
        let find =
            |name: &str| Propagation::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind);
        match (find(word), word.strip_prefix('r').and_then(find)) {
            (Some(kind), _) => Some(Spread { kind, recursive: false }),
            (None, Some(kind)) => Some(Spread { kind, recursive: true }),
            (None, None) => None,
        }
    }

    /// The kernel's flag: mount_setattr(2).
    pub fn flag(self) -> u64 {
        match self.kind {
            Propagation::Private => libc::MS_PRIVATE,
            Propagation::Slave => libc::MS_SLAVE,
            Propagation::Shared => libc::MS_SHARED,
            Propagation::Unbindable => libc::MS_UNBINDABLE,
        }
    }
}

impl Root {
    /// From a configuration that has been checked, of a bundle whose path is absolute.
    ///
    /// # Errors
    /// A root that is the host's own, by its name; the descriptor is compared when it is opened.
    pub fn of(config: &Config, bundle: &Path, way: Way) -> Result<Self> {
        let Some(root) = &config.root else {
            return Err(Error::refused("config.json: root: is missing; on Linux every container has a root"));
        };
        let path = bundle.join(&root.path);
        if path == Path::new("/") {
            return Err(Error::refused("config.json: root.path: \"/\" is the host's own root")
                .with_hint("a container's root is a directory of its own"));
        }
        let seat = if config.hooks.create_container.is_empty() { Seat::Above } else { Seat::Path };
        Ok(Root { path, readonly: root.readonly, propagation: propagation(&config.linux), way, seat })
    }

    /// May what the host mounts later appear in the container? From the container to the host nothing travels.
    pub fn incoming(&self) -> Incoming {
        match self.propagation.unwrap_or(Spread::DEFAULT).kind {
            Propagation::Shared | Propagation::Slave => Incoming::Welcome,
            Propagation::Private | Propagation::Unbindable => Incoming::Refused,
        }
    }

    /// What mounts of the host that are bound begin as, before their own options are applied; `None`: as they are.
    pub fn base(&self) -> Option<Spread> {
        match self.propagation.unwrap_or(Spread::DEFAULT).kind {
            Propagation::Shared => None,
            Propagation::Slave => Some(Spread::DEFAULT),
            Propagation::Private | Propagation::Unbindable => {
                Some(Spread { kind: Propagation::Private, recursive: true })
            }
        }
    }
}

fn propagation(linux: &Linux) -> Option<Spread> {
    use linux::Propagation as Word;
    let spread = |kind, recursive| Spread { kind, recursive };
    linux.rootfs_propagation.map(|word| match word {
        Word::Shared => spread(Propagation::Shared, false),
        Word::RShared => spread(Propagation::Shared, true),
        Word::Slave => spread(Propagation::Slave, false),
        Word::RSlave => spread(Propagation::Slave, true),
        Word::Private => spread(Propagation::Private, false),
        Word::RPrivate => spread(Propagation::Private, true),
        Word::Unbindable => spread(Propagation::Unbindable, false),
        Word::RUnbindable => spread(Propagation::Unbindable, true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_propagation_has_eight_words() {
        for (name, kind) in Propagation::ALL {
            assert_eq!(Spread::named(name), Some(Spread { kind, recursive: false }));
            assert_eq!(Spread::named(&format!("r{name}")), Some(Spread { kind, recursive: true }));
        }
        for other in ["", "r", "rrprivate", "Private", "ro"] {
            assert_eq!(Spread::named(other), None, "{other:?}");
        }
    }
}
