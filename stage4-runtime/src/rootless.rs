//! Who calls: root of the machine, or somebody who is root at most of what is his own.
//!
//! user_namespaces(7), Linux 3.8, 2013. Book: "Under podman, Docker and containerd" (`clients`).
//! Invariant: whoever is in a user namespace is not root of the machine, whatever his number is there.

use nix::unistd::geteuid;
use std::fs;

/// What `--rootless` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rootless {
    /// A container may do without control groups where none can be had, and nothing is asked of them.
    Yes,
    /// Groups must be had.
    No,
    /// As root of the machine, or not, would have it.
    #[default]
    Auto,
}

impl Rootless {
    /// Is a container made as an ordinary user makes it?
    pub fn applies(self) -> bool {
        match self {
            Rootless::Yes => true,
            Rootless::No => false,
            Rootless::Auto => !is_root_of_the_machine(),
        }
    }
}

/// Podman of an ordinary user calls as user 0 of his own user namespace.
pub fn is_root_of_the_machine() -> bool {
    geteuid().is_root() && is_initial_user_namespace()
}

/// The first user namespace maps every id to itself (user_namespaces(7)). Where nobody can tell, it is taken for that
/// one: then all is asked for, and what cannot be had is an error.
pub fn is_initial_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map");
    map.map_or(true, |map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}
