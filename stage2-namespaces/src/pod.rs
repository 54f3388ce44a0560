//! A pod: processes with their own pids and mounts that share a network, a host name and ipc objects.
//!
//! Nothing new from the kernel; the word is Kubernetes', 2014. Book: "Composing" (`pod`).
//! Invariant: the end of the process that holds the pod is the end of all its members.

use crate::kind::{Kind, Kinds};
use crate::request::{Mounts, PidOne, Request, Uts};
use crate::spawn::{Running, spawn, wait_all};
use crate::users::Users;
use crate::uts::Hostname;
use crate::{Failure, Result, failed};

/// What the members of a pod share.
#[derive(Debug, Default)]
pub struct Pod {
    /// The name they all see.
    pub hostname: Option<Hostname>,
    /// Whom they map, where an ordinary user makes the pod.
    pub users: Option<Users>,
}

impl Pod {
    /// The kinds that all members have in common.
    pub fn shared() -> Kinds {
        [Kind::Net, Kind::Ipc, Kind::Uts].into_iter().collect()
    }

    /// The kinds that each has for itself.
    pub fn separate() -> Kinds {
        [Kind::Pid, Kind::Mnt].into_iter().collect()
    }

    // ANCHOR: pod
    /// Begins the pod: one process that does nothing but hold the shared namespaces, as a pause container does.
    /// In it each of `members` is started with pids and mounts of its own; the status is the first one that is not 0.
    pub fn spawn<M>(self, members: Vec<M>) -> Result<Running>
    where
        M: FnOnce() -> Result<u8, Failure>,
    {
        let shared = Request {
            uts: Some(Uts { hostname: self.hostname }),
            ipc: true,
            net: true,
            user: self.users,
            ..Request::default()
        };
        spawn(&shared, || {
            let own = Request {
                mnt: Some(Mounts { proc: true, ..Mounts::default() }),
                pid: Some(PidOne::Init),
                ..Request::default()
            };
            let started: Result<_> = members.into_iter().map(|work| spawn(&own, work)).collect();
            let statuses = wait_all(started.map_err(failed)?)?;
            Ok(statuses.into_iter().find(|status| *status != 0).unwrap_or(0))
        })
    }
    // ANCHOR_END: pod
}
