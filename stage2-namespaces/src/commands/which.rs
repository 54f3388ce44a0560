//! The options that name kinds, the same for all verbs that take them.
//!
//! No kernel calls. Book: "The API" (`spawn`).
//! Invariant: the letters are those of unshare(1) and nsenter(1).

use crate::kind::{Kind, Kinds};

/// Which kinds.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Which {
    /// Mounts
    #[arg(long, short = 'm')]
    mount: bool,
    /// Host name and NIS domain name
    #[arg(long, short = 'u')]
    uts: bool,
    /// System V objects and POSIX message queues
    #[arg(long, short = 'i')]
    ipc: bool,
    /// Process ids
    #[arg(long, short = 'p')]
    pid: bool,
    /// Devices, addresses, routes, ports
    #[arg(long, short = 'n')]
    net: bool,
    /// User and group ids, capabilities
    #[arg(long, short = 'U')]
    user: bool,
    /// The root of the cgroup view
    #[arg(long, short = 'C')]
    cgroup: bool,
    /// Offsets of the boot and the monotonic clock
    #[arg(long, short = 'T')]
    time: bool,
    /// All eight kinds
    #[arg(long, short = 'a')]
    all: bool,
}

impl Which {
    /// As a set.
    pub fn kinds(self) -> Kinds {
        Kinds::NONE
            .with(Kind::Mnt, self.mount || self.all)
            .with(Kind::Uts, self.uts || self.all)
            .with(Kind::Ipc, self.ipc || self.all)
            .with(Kind::Pid, self.pid || self.all)
            .with(Kind::Net, self.net || self.all)
            .with(Kind::User, self.user || self.all)
            .with(Kind::Cgroup, self.cgroup || self.all)
            .with(Kind::Time, self.time || self.all)
    }
}
