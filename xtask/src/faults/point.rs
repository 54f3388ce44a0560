//! A point: one call of one process of one verb, and what happens to it there; and how that ended.
//!
//! errno(3), signal(7). Book: "Every call that fails" (`faults`).
//! Invariant: a point is named by what a reader can count: the process in the order of birth, the call, the how-manieth.

use clap::ValueEnum;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is asked of the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verb {
    /// A container from birth to end
    Run,
    /// A container that waits
    Create,
    /// The end of its waiting
    Start,
    /// One more process
    Exec,
    /// A signal that ends it
    Kill,
    /// The removal of one that has ended
    Delete,
    /// The removal of one that lives
    Force,
}

impl Verb {
    /// All, in the order of a container's life.
    pub const ALL: [Verb; 7] =
        [Verb::Run, Verb::Create, Verb::Start, Verb::Exec, Verb::Kill, Verb::Delete, Verb::Force];

    pub fn name(self) -> &'static str {
        match self {
            Verb::Run => "run",
            Verb::Create => "create",
            Verb::Start => "start",
            Verb::Exec => "exec",
            Verb::Kill => "kill",
            Verb::Delete => "delete",
            Verb::Force => "force",
        }
    }
}

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[value(rename_all = "UPPER")]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Fault {
    Eio,
    Enospc,
    Eintr,
    Enomem,
    Eperm,
    Emfile,
    /// The process is killed as it makes the call
    #[value(skip)]
    Kill,
}

impl Fault {
    pub const ERRORS: [Fault; 6] =
        [Fault::Eio, Fault::Enospc, Fault::Eintr, Fault::Enomem, Fault::Eperm, Fault::Emfile];

    /// What the call answers; none: its caller does not live to hear it.
    pub fn errno(self) -> Option<Errno> {
        match self {
            Fault::Eio => Some(Errno::EIO),
            Fault::Enospc => Some(Errno::ENOSPC),
            Fault::Eintr => Some(Errno::EINTR),
            Fault::Enomem => Some(Errno::ENOMEM),
            Fault::Eperm => Some(Errno::EPERM),
            Fault::Emfile => Some(Errno::EMFILE),
            Fault::Kill => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.errno().map_or_else(|| "KILL".to_owned(), |errno| format!("{errno:?}")))
    }
}

/// Where and what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Point {
    pub verb: Verb,
    /// 0 is the one that was called; its children follow in the order of their birth.
    pub process: usize,
    pub call: String,
    /// From 1.
    pub number: usize,
    pub fault: Fault,
}

impl fmt::Display for Point {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Point { verb, process, call, number, fault } = self;
        write!(out, "{}: {} {call}#{number} {fault}", verb.name(), process_name(*process))
    }
}

pub(super) fn process_name(process: usize) -> String {
    if process == 0 { "parent".to_owned() } else { format!("child-{process}") }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// An error, or death, and all is as before.
    Clean,
    /// An error, or death, and `delete --force` had something to remove.
    Deleted,
    /// It did what was asked all the same, and the list says why.
    Carried,
    /// The call was not made this time.
    Missed,
    /// It did what was asked all the same, and nobody knows why.
    Unlisted,
    /// Something is there after `delete --force`.
    Left,
    /// It did not end.
    Hung,
    /// It said that it did, or let the program run, and something that was asked for was not done.
    Open,
}

impl Verdict {
    pub const ALL: [Verdict; 8] = [
        Verdict::Clean,
        Verdict::Deleted,
        Verdict::Carried,
        Verdict::Missed,
        Verdict::Unlisted,
        Verdict::Left,
        Verdict::Hung,
        Verdict::Open,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::Deleted => "deleted",
            Verdict::Carried => "carried on",
            Verdict::Missed => "missed",
            Verdict::Unlisted => "unlisted",
            Verdict::Left => "left",
            Verdict::Hung => "hung",
            Verdict::Open => "fail-open",
        }
    }

    pub fn is_bad(self) -> bool {
        self >= Verdict::Unlisted
    }
}

/// What was seen at a point.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    #[serde(flatten)]
    pub point: Point,
    pub verdict: Verdict,
    /// The exit status; 128 and the signal for one who was killed.
    pub status: i32,
    /// What is left, what differs, or what was said.
    pub told: String,
}

/// How often each process of a verb makes each call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Count {
    pub process: usize,
    pub call: String,
    pub times: usize,
}
