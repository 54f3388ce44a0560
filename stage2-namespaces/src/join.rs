//! Joining: this process goes where another one is.
//!
//! setns(2), Linux 3.0, 2011; with a pidfd and many kinds at once, 5.8, 2020. Book: "Joining" (`enter`).
//! Invariant: only kinds that differ are joined; who joins another's user namespace takes no id of the host along.

use crate::kind::{Kind, Kinds};
use crate::nsfs::Namespace;
use crate::refusal::require_process;
use crate::sys::birth::{pidfd_open, pidfd_send_signal, single_threaded};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sched::setns;
use nix::sys::prctl::set_dumpable;
use nix::unistd::{Gid, Pid, Uid, geteuid, setgroups, setresgid, setresuid};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

/// A process whose namespaces are to be joined.
#[derive(Debug)]
pub struct Target {
    pid: i32,
    pidfd: OwnedFd,
}

/// Where we are after [`Target::join`].
#[derive(Debug)]
#[must_use = "after joining a pid namespace only a child is in it"]
pub struct Joined {
    /// What was joined.
    pub kinds: Kinds,
}

impl Joined {
    /// setns(2) moves only children into a pid namespace: the caller's own pid does not change in its life.
    pub fn needs_child(&self) -> bool {
        self.kinds.has(Kind::Pid)
    }
}

impl Target {
    /// The process `pid`, held so that the number cannot come to mean another one.
    pub fn open(pid: i32) -> Result<Self> {
        require_process(pid)?;
        let pidfd = pidfd_open(Pid::from_raw(pid)).map_err(|errno| no_pidfd(pid, errno))?;
        Ok(Target { pid, pidfd })
    }

    /// Those of `kinds` in which it is elsewhere than we are. A kind that this kernel lacks cannot differ.
    pub fn differing(&self, kinds: Kinds) -> Result<Kinds> {
        let mut differ = Kinds::NONE;
        for kind in kinds.iter().filter(|kind| kind.known_here()) {
            let elsewhere = Namespace::of(self.pid, kind)?.inode() != Namespace::own(kind)?.inode();
            differ = differ.with(kind, elsewhere);
        }
        self.still_there()?;
        Ok(differ)
    }

    /// What was opened by number was this process's only if it has not been reaped until now.
    fn still_there(&self) -> Result<()> {
        pidfd_send_signal(self.pidfd.as_fd(), 0).or_else(|errno| match errno {
            // Not ours to send to; but somebody is there.
            Errno::EPERM => Ok(()),
            _ => Err(Error::call(format!("pidfd_send_signal(pidfd of {}, 0)", self.pid), errno)
                .with_hint(format!("process {} has ended", self.pid))),
        })
    }

    // ANCHOR: enter
    /// Moves this process, which must have one thread, into the target's namespaces of `kinds`; for good.
    ///
    /// With a user namespace among them it gives up its groups, and until execve(2) nobody may trace it.
    pub fn join(&self, kinds: Kinds) -> Result<Joined> {
        let kinds = self.differing(kinds)?;
        let credentials = kinds.has(Kind::User).then(|| Credentials::prepare(self)).transpose()?;
        if !kinds.is_empty() {
            self.join_at_once(kinds)?;
        }
        credentials.map_or(Ok(()), Credentials::become_root)?;
        Ok(Joined { kinds })
    }

    /// All in one call: the kernel takes the user namespace first, for what it allows in the others, and on an error
    /// none. Before 5.8 a pidfd is EINVAL.
    fn join_at_once(&self, kinds: Kinds) -> Result<()> {
        match setns(self.pidfd.as_fd(), kinds.flags()) {
            Err(Errno::EINVAL) => self.join_one_by_one(kinds),
            joined => joined.map_err(|errno| self.explain(errno, kinds)),
        }
    }
    // ANCHOR_END: enter

    /// An ordinary user must join the user namespace first, to be allowed the rest. Somebody privileged outside may
    /// do so last, too, which is the way for namespaces that belong to another owner than the one joined.
    fn join_one_by_one(&self, kinds: Kinds) -> Result<()> {
        let open = |kind| Namespace::of(self.pid, kind);
        // All are opened before the first is joined: afterwards /proc may be another one.
        let user = kinds.has(Kind::User).then(|| open(Kind::User)).transpose()?;
        let others: Vec<Namespace> = kinds.without(Kind::User).iter().map(open).collect::<Result<_>>()?;
        self.still_there()?;
        let enter = |ns: &Namespace| {
            let kind = Kinds::NONE.with(ns.kind(), true);
            setns(ns, kind.flags()).map_err(|errno| self.explain(errno, kind))
        };
        let root_first = geteuid().is_root();
        match user {
            Some(user) if root_first => others.iter().try_for_each(enter).and_then(|()| enter(&user)),
            Some(user) => enter(&user).and_then(|()| others.iter().try_for_each(enter)),
            None => others.iter().try_for_each(enter),
        }
    }

    fn explain(&self, errno: Errno, kinds: Kinds) -> Error {
        let error = Error::call(format!("setns(pidfd of {}, {kinds})", self.pid), errno);
        match errno {
            Errno::EPERM if kinds.has(Kind::User) => {
                error.with_hint("only its owner, or somebody with CAP_SYS_ADMIN in it, may join a user namespace")
            }
            Errno::EPERM => error.with_hint(
                "needs CAP_SYS_ADMIN in the owning user namespace: be root, or join that one as well with --user",
            ),
            Errno::ESRCH => error.with_hint(format!("process {} has ended", self.pid)),
            Errno::EINVAL if !single_threaded() => {
                error.with_hint("a process with more than one thread cannot join user, mnt or time")
            }
            Errno::EINVAL if kinds.has(Kind::Pid) => {
                error.with_hint("a pid namespace can be joined only from one above it")
            }
            _ => error,
        }
    }
}

/// Which ids of the host may not be taken along into a user namespace: whoever has its capabilities may trace all
/// that is in it, and would gain them.
#[derive(Debug, Clone, Copy)]
struct Credentials {
    /// We are root: nobody inside is that already.
    root: bool,
    /// The namespace is somebody else's.
    foreign: bool,
    /// Our supplementary groups are gone.
    groups_gone: bool,
}

impl Credentials {
    /// Before the join. Where the container was made without privilege, groups can be given up only out here.
    fn prepare(target: &Target) -> Result<Self> {
        let foreign = Namespace::of(target.pid, Kind::User)?.owner_uid()? != geteuid().as_raw();
        target.still_there()?;
        // Between the join and execve(2) nobody inside shall look into this process, or take it over.
        set_dumpable(false).map_err(|errno| Error::call("prctl(PR_SET_DUMPABLE, 0)", errno))?;
        let groups_gone = given("setgroups(0, NULL)", setgroups(&[]))?;
        Ok(Credentials { root: geteuid().is_root(), foreign, groups_gone })
    }

    /// After it: root of the namespace, where its maps have one. We ask by trying: what /proc says now is what the
    /// container wants us to read.
    fn become_root(self) -> Result<()> {
        let groups_gone = given("setgroups(0, NULL)", setgroups(&[]))? || self.groups_gone;
        let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
        let is_gid = given("setresgid(0, 0, 0)", setresgid(gid, gid, gid))?;
        let is_uid = given("setresuid(0, 0, 0)", setresuid(uid, uid, uid))?;
        let is_root = is_uid && is_gid;
        let harmless = if self.foreign { is_root && groups_gone } else { is_root || !self.root };
        match harmless {
            true => Ok(()),
            false => Err(Error::refused(
                "the user namespace has no root for us to become, and our ids outside would be at its mercy",
            )
            .with_hint("enter it as the ordinary user who owns it, or without --user")),
        }
    }
}

/// EINVAL: the map has no such id. EPERM: the namespace has given up setgroups(2).
fn given(call: &str, answer: nix::Result<()>) -> Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(Errno::EINVAL | Errno::EPERM) => Ok(false),
        Err(errno) => Err(Error::call(call, errno)),
    }
}

/// Why there is no descriptor for `pid`, which /proc shows.
fn no_pidfd(pid: i32, errno: Errno) -> Error {
    let error = Error::call(format!("pidfd_open({pid})"), errno);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:")).map(str::trim);
    match process {
        None => error.with_hint(format!("process {pid} has ended")),
        Some(process) if process == pid.to_string() => error,
        Some(process) => error.with_hint(format!("{pid} is a thread: name its process, {process}")),
    }
}
