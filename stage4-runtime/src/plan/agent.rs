//! Who answers for the system calls that a filter asks about.
//!
//! No kernel calls; seccomp_unotify(2), Linux 5.0, 2019. Book: "System calls under a filter" (`seccomp`).
//! Invariant: pure; where a filter asks, there is somebody who will be told, and a way to tell him.

use crate::config::seccomp::Seccomp;
use crate::seccomp::{Arch, Program};
use crate::{Error, Result};
use std::path::PathBuf;

/// The agent: `linux.seccomp.listenerPath`, `listenerMetadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPlan {
    /// The socket that it listens at.
    pub path: PathBuf,
    /// Anything, for it.
    pub metadata: Option<String>,
}

impl AgentPlan {
    /// Of a profile and its program; none: no call is asked about, and who listens is not told (config-linux.md).
    ///
    /// # Errors
    /// The filter refuses the call by which its own process learns that the agent knows.
    pub fn of(profile: &Seccomp, program: &Program, native: Arch) -> Result<Option<Self>> {
        let Some(path) = profile.listener_path.as_ref().filter(|_| profile.notifies()) else {
            return Ok(None);
        };
        // Asked of the compiled program, for all the ways in which a profile can say so.
        match program.verdict("wait4", native).is_some_and(|verdict| verdict.lets_through()) {
            true => Ok(Some(AgentPlan { path: path.into(), metadata: profile.listener_metadata.clone() })),
            false => Err(Error::refused(
                "config.json: linux.seccomp: wait4 is refused, and a rule says SCMP_ACT_NOTIFY",
            )
            .with_hint(
                "by wait4(2) the process learns that its agent can answer: allow it, or let the agent",
            )),
        }
    }
}
