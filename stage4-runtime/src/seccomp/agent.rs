//! The agent is given the listener of a filter, and told whose it is.
//!
//! unix(7), SCM_RIGHTS; config-linux.md, "The Container Process State". Book: "An answer from outside" (`seccomp-agent`).
//! Invariant: one state and one descriptor for each connection; whoever is not told is an error.

use crate::Result;
use crate::config::VERSION;
use crate::console::socket::{Peer, connect_to, send};
use crate::plan::agent::AgentPlan;
use crate::state::{Record, Status};
use serde_json::{Value, json};
use std::os::fd::{AsFd, BorrowedFd};

/// The name of the descriptor, as agents know it.
const LISTENER: &str = "seccompFd";

/// A process and the agent that will answer for it.
#[derive(Debug)]
pub struct Introduction<'a> {
    agent: &'a AgentPlan,
    process: i32,
    state: Value,
}

impl<'a> Introduction<'a> {
    /// Of the container's first process.
    pub fn of_init(agent: Option<&'a AgentPlan>, record: &Record, status: Status) -> Option<Self> {
        let (agent, init) = (agent?, record.init?);
        Some(Introduction { agent, process: init.pid, state: record.state_value(status) })
    }

    /// Of one that came later, with this pid.
    pub fn of_visitor(agent: Option<&'a AgentPlan>, record: &Record, pid: i32) -> Option<Self> {
        Some(Introduction { agent: agent?, process: pid, state: record.state_value(Status::Running) })
    }

    /// Connects, sends, and closes: the agent has its own descriptor then.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn make(&self, listener: BorrowedFd<'_>) -> Result<()> {
        let mut words = json!({
            "ociVersion": VERSION,
            "fds": [LISTENER],
            "pid": self.process,
            "state": self.state,
        });
        if let Some(metadata) = &self.agent.metadata {
            words["metadata"] = json!(metadata);
        }
        let connection = connect_to(&self.agent.path, Peer::Agent)?;
        send(connection.as_fd(), listener, &words.to_string(), Peer::Agent)
    }
}
