//! What is asked for: which namespaces, and how each is furnished.
//!
//! No kernel calls but for reading clocks and grants. Book: "The demo application" (`spawn`).
//! Invariant: what makes no sense cannot be written down, or is refused before anything is made.

use crate::clocks::Offsets;
use crate::kind::{Kind, Kinds};
use crate::mount::Propagation;
use crate::users::Users;
use crate::uts::Hostname;
use crate::{Error, Result, Rootfs};

/// The new namespaces of a process; the kinds that are not named are shared with the caller.
#[derive(Debug, Default)]
pub struct Request {
    /// Mounts of its own.
    pub mnt: Option<Mounts>,
    /// A host name of its own.
    pub uts: Option<Uts>,
    /// System V objects and POSIX queues of its own.
    pub ipc: bool,
    /// Process ids of its own.
    pub pid: Option<PidOne>,
    /// A network of its own.
    pub net: bool,
    /// User ids of its own.
    pub user: Option<Users>,
    /// The view that its cgroup is the root.
    pub cgroup: bool,
    /// Clocks of its own.
    pub time: Option<Offsets>,
}

/// How the mount namespace is furnished.
#[derive(Debug, Default)]
pub struct Mounts {
    /// Which mount events travel.
    pub propagation: Propagation,
    /// The directory that becomes `/` by pivot_root.
    pub root: Option<Rootfs>,
    /// Mount a new proc on `/proc`.
    pub proc: bool,
}

/// How the uts namespace is furnished.
#[derive(Debug, Default)]
pub struct Uts {
    /// The name; without, the copy of the host's stays.
    pub hostname: Option<Hostname>,
}

/// Who is pid 1 of the new pid namespace?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PidOne {
    /// A process of ours that reaps and passes signals on; the command is pid 2.
    #[default]
    Init,
    /// The command itself, with all that this brings.
    Command,
}

impl Request {
    // ANCHOR: cgroup
    /// The kinds asked for. Of a cgroup namespace there is nothing to furnish: its flag is all.
    pub fn kinds(&self) -> Kinds {
        Kinds::NONE
            .with(Kind::Mnt, self.mnt.is_some())
            .with(Kind::Uts, self.uts.is_some())
            .with(Kind::Ipc, self.ipc)
            .with(Kind::Pid, self.pid.is_some())
            .with(Kind::Net, self.net)
            .with(Kind::User, self.user.is_some())
            .with(Kind::Cgroup, self.cgroup)
            .with(Kind::Time, self.time.is_some())
    }
    // ANCHOR_END: cgroup

    /// The kinds that clone3(2) makes. Clocks with an offset come later: born in, they would be frozen.
    pub(crate) fn born_with(&self) -> Kinds {
        match self.time {
            Some(offsets) if !offsets.are_none() => self.kinds().without(Kind::Time),
            _ => self.kinds(),
        }
    }

    /// Refuses what cannot be done, while nothing has been done.
    pub fn check(&self) -> Result<()> {
        self.mnt.as_ref().map_or(Ok(()), Mounts::check)?;
        self.user.as_ref().map_or(Ok(()), Users::check)?;
        self.time.map_or(Ok(()), Offsets::check)
    }
}

impl Mounts {
    fn check(&self) -> Result<()> {
        if self.propagation == Propagation::Shared && self.proc && self.root.is_none() {
            return Err(Error::refused(
                "a new /proc in a mount namespace that shares would cover the host's /proc",
            )
            .with_hint("use --propagation private or slave, or --root DIR, whose mounts are new"));
        }
        Ok(())
    }
}
