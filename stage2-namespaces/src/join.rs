//! Joining: this process goes where another one is.
//!
//! setns(2), Linux 3.0, 2011; with a pidfd and many kinds at once, 5.8, 2020. Book: "Joining" (`enter`).
//! Invariant: nothing has changed where the one call fails; only kinds that differ are joined.

use crate::kind::{Kind, Kinds};
use crate::nsfs::Namespace;
use crate::refusal::require_process;
use crate::sys::birth::pidfd_open;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sched::setns;
use nix::unistd::{Gid, Pid, Uid, setgroups, setresgid, setresuid};
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
        let pidfd = pidfd_open(Pid::from_raw(pid)).map_err(|errno| {
            Error::call(format!("pidfd_open({pid})"), errno)
                .with_hint("EINVAL: a thread, not the process it is of")
        })?;
        Ok(Target { pid, pidfd })
    }

    /// Those of `kinds` in which it is elsewhere than we are. A kind that this kernel lacks cannot differ.
    pub fn differing(&self, kinds: Kinds) -> Result<Kinds> {
        let mut differ = Kinds::NONE;
        for kind in kinds.iter().filter(|kind| kind.known_here()) {
            let elsewhere = Namespace::of(self.pid, kind)?.inode() != Namespace::own(kind)?.inode();
            differ = differ.with(kind, elsewhere);
        }
        Ok(differ)
    }

    // ANCHOR: enter
    /// Moves this process, which must have one thread, into the target's namespaces of `kinds`; for good.
    pub fn join(&self, kinds: Kinds) -> Result<Joined> {
        let kinds = self.differing(kinds)?;
        if !kinds.is_empty() {
            self.join_at_once(kinds)?;
        }
        if kinds.has(Kind::User) {
            become_root()?;
        }
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
        let enter = |ns: &Namespace| {
            let kind = Kinds::NONE.with(ns.kind(), true);
            setns(ns, kind.flags()).map_err(|errno| self.explain(errno, kind))
        };
        let root_first = nix::unistd::geteuid().is_root();
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
            Errno::EINVAL => error.with_hint("a process with more than one thread cannot join user, mnt or time"),
            _ => error,
        }
    }
}

/// Root of the namespace that was joined, where it has one; else we stay who the map says we are.
fn become_root() -> Result<()> {
    let has_root = |map: &str| {
        let text = fs::read_to_string(format!("/proc/self/{map}")).unwrap_or_default();
        text.lines().any(|line| line.split_whitespace().next() == Some("0"))
    };
    if has_root("gid_map") {
        let root = Gid::from_raw(0);
        setresgid(root, root, root).map_err(|errno| Error::call("setresgid(0, 0, 0)", errno))?;
        // Denied where the map was written without privilege; then our groups stay, as nobody's.
        match setgroups(&[]) {
            Ok(()) | Err(Errno::EPERM) => (),
            Err(errno) => return Err(Error::call("setgroups(0, NULL)", errno)),
        }
    }
    if has_root("uid_map") {
        let root = Uid::from_raw(0);
        setresuid(root, root, root).map_err(|errno| Error::call("setresuid(0, 0, 0)", errno))?;
    }
    Ok(())
}
