//! The files of /proc by which a process changes itself, opened while it may.
//!
//! proc(5); openat2(2), Linux 5.6, 2020. Book: "The last acts" (`last-acts`).
//! Invariant: each file is of a procfs, and nothing is mounted between it and the procfs that it was asked for beneath.

use crate::identity::SetGroups;
use crate::lsm::UNCONFINED;
use crate::plan::process::ProcessPlan;
use crate::{Error, Result, schedule};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::prctl::set_dumpable;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};

/// What a process will write about itself; only what its plan needs is open.
#[derive(Debug)]
pub struct OwnFiles {
    pub(super) apparmor: Option<OwnedFd>,
    pub(super) selinux: Option<OwnedFd>,
    pub(super) oom_score_adj: Option<OwnedFd>,
}

impl OwnFiles {
    /// Opens them beneath `proc`, a procfs that this process is in.
    ///
    /// A visitor does so before it joins the container's user namespace: afterwards it is not dumpable, its files
    /// belong to the host's root, and it may not open them.
    pub fn open(proc: BorrowedFd<'_>, plan: &ProcessPlan) -> Result<Self> {
        let open = |wanted: bool, path: &str, property: &str| {
            wanted.then(|| open(proc, path, OFlag::O_RDWR)).transpose().map_err(|error| match error.errno() {
                Some(Errno::ENOENT) => error.with_hint(format!("{property}: this kernel has no such module")),
                _ => error.with_hint(property),
            })
        };
        let profile = plan.apparmor.as_deref();
        let apparmor = open(profile.is_some(), "thread-self/attr/apparmor/exec", "process.apparmorProfile")
            .or_else(|error| {
            // Where there is no AppArmor everybody is unconfined.
            let is_so = error.errno() == Some(Errno::ENOENT) && profile == Some(UNCONFINED);
            if is_so { Ok(None) } else { Err(error) }
        })?;
        Ok(OwnFiles {
            apparmor,
            selinux: open(plan.selinux.is_some(), "thread-self/attr/exec", "process.selinuxLabel")?,
            oom_score_adj: open(plan.oom_score_adj.is_some(), "self/oom_score_adj", "process.oomScoreAdj")?,
        })
    }

    /// The same for a process that was born in the container's user namespace: its score is the one of whoever bore it
    /// ([`Self::score_of_its_child`]), for that file, unlike the others, belongs to the host's root.
    pub fn open_born_inside(proc: BorrowedFd<'_>, plan: &ProcessPlan) -> Result<Self> {
        Self::open(proc, &ProcessPlan { oom_score_adj: None, ..plan.clone() })
    }

    /// Sets the score of the calling process, which its children inherit (fork(2) copies it).
    pub fn score_of_its_child(proc: BorrowedFd<'_>, plan: &ProcessPlan) -> Result<()> {
        let Some(score) = plan.oom_score_adj else { return Ok(()) };
        schedule::set_oom_score(open(proc, "self/oom_score_adj", OFlag::O_RDWR)?, score)
    }

    /// The same for a process that has become root of a new user namespace, in which nobody else is yet.
    ///
    /// By the change of its ids it ceased to be dumpable, and its files became the host's root's: for a moment it is
    /// dumpable again. Who could look into it now is outside of its namespaces, and had that right before.
    pub fn open_while_alone(proc: BorrowedFd<'_>, plan: &ProcessPlan) -> Result<Self> {
        let dumpable = |on: bool| {
            set_dumpable(on)
                .map_err(|errno| Error::call(format!("prctl(PR_SET_DUMPABLE, {})", u8::from(on)), errno))
        };
        dumpable(true)?;
        let opened = Self::open(proc, plan);
        dumpable(false)?;
        opened
    }
}

/// Is setgroups(2) allowed in our user namespace? `proc` is a procfs that this process is in.
pub fn setgroups_here(proc: BorrowedFd<'_>) -> Result<SetGroups> {
    let mut text = String::new();
    File::from(open(proc, "self/setgroups", OFlag::O_RDONLY)?)
        .read_to_string(&mut text)
        .map_err(|error| Error::io("read(\"/proc/self/setgroups\")", &error))?;
    match text.trim() {
        "allow" => Ok(SetGroups::Allowed),
        "deny" => Ok(SetGroups::Denied),
        other => Err(Error::refused(format!("/proc/self/setgroups holds {other:?}"))),
    }
}

fn open(proc: BorrowedFd<'_>, path: &str, flags: OFlag) -> Result<OwnedFd> {
    // thread-self is a link of text, which is followed; a link into some file system is not.
    let resolve =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    let file = openat2(proc, path, how).map_err(|errno| {
        Error::call(format!("openat2(<procfs>, {path:?}, RESOLVE_BENEATH|RESOLVE_NO_XDEV)"), errno)
    })?;
    let magic =
        fstatfs(&file).map_err(|errno| Error::call(format!("fstatfs({path:?})"), errno))?.filesystem_type();
    match magic == PROC_SUPER_MAGIC {
        true => Ok(file),
        false => Err(Error::refused(format!("{path:?} is of another file system than proc: {magic:?}"))
            .with_hint("a write to it would change nothing (CVE-2019-16884)")),
    }
}
