//! Whether the first process lives, and what it does.
//!
//! proc_pid_stat(5): starttime, Linux 2.2. Book: "The life cycle" (`state`).
//! Invariant: a pid that has come to mean another process is never taken for ours.

use super::{Place, Record};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A process, so that it cannot be mistaken: pids are given out again, but not at the same tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// Its pid, in the runtime's pid namespace.
    pub pid: i32,
    /// When it was born, in clock ticks since the machine was started.
    pub start_time: u64,
}

/// runtime.md, "State".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Being made, or left half made by a runtime that was killed.
    Creating,
    /// Made; its process waits for `start`.
    Created,
    /// The process that the configuration names is executed.
    Running,
    /// All its processes are frozen.
    Paused,
    /// Its process has ended.
    Stopped,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        })
    }
}

impl Life {
    /// The process that has this pid now.
    pub fn of(pid: i32) -> Result<Self> {
        match stat(pid)? {
            Some((_, start_time)) => Ok(Life { pid, start_time }),
            None => Err(Error::refused(format!("process {pid} has ended already"))),
        }
    }

    /// Does it live? A zombie does not.
    pub fn goes_on(&self) -> Result<bool> {
        Ok(stat(self.pid)?.is_some_and(|(state, start)| start == self.start_time && !"ZX".contains(state)))
    }
}

/// Its state and its start; none where there is no such process.
fn stat(pid: i32) -> Result<Option<(char, u64)>> {
    let path = format!("/proc/{pid}/stat");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => return Ok(None),
        Err(e) => return Err(Error::io(format!("read({path:?})"), &e)),
    };
    parse(&text).map(Some).ok_or_else(|| Error::refused(format!("{path} was not understood: {text:?}")))
}

/// After the last parenthesis, for a name may hold any: the third field is the state, the 22nd the start.
fn parse(text: &str) -> Option<(char, u64)> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.nth(18)?.parse().ok()?))
}

impl Place {
    /// What the container does now; `frozen` is asked only where it can be.
    // ANCHOR: status
    pub fn status(&self, record: &Record, frozen: impl FnOnce() -> Result<bool>) -> Result<Status> {
        let Some(init) = record.init else {
            return Ok(if self.is_locked() { Status::Creating } else { Status::Stopped });
        };
        match init.goes_on()? {
            false => Ok(Status::Stopped),
            true if frozen()? => Ok(Status::Paused),
            true if self.waits_for_start()? => Ok(Status::Created),
            true => Ok(Status::Running),
        }
    }
    // ANCHOR_END: status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_a_process_with_a_wild_name_is_understood() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(parse(text), Some(('S', 4711)));
        assert_eq!(parse("7 (a"), None);
    }

    #[test]
    fn state_we_live_and_our_pid_at_another_time_does_not() {
        let us = Life::of(std::process::id() as i32).unwrap();
        assert!(us.goes_on().unwrap());
        assert!(!Life { start_time: us.start_time + 1, ..us }.goes_on().unwrap());
    }
}
