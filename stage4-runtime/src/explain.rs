//! A plan told as the kernel calls that it becomes, in the order in which they are made.
//!
//! No kernel calls; strace(1). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; what is told is read from the plan that `birth` carries out, and a call that is told happens.
//!
//! A descriptor is told by what it is of, `<rootfs>`, where strace prints its number. A call in brackets is made where
//! it is needed, which only the machine knows: a directory is made where there is none.

mod birth;
mod devices;
mod entry;
mod filter;
mod group;
mod host;
mod masks;
mod mounts;
mod page;
mod privileges;
mod process;
mod schedule;
mod sources;
mod start;
mod strace;

pub use page::{Look, page};

use crate::config::Fault;
use crate::plan::Plan;
use crate::seccomp::Arch;
use serde::Serialize;
use stage3_cgroups::Layout;
use std::path::Path;

/// When it happens: the headings of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Act {
    /// The configuration is read, and what will be made is written down.
    #[serde(rename = "Before anything")]
    Before,
    /// The control group and its limits.
    #[serde(rename = "The group")]
    Group,
    /// From the descriptors of the host's to the names inside.
    Birth,
    /// In config.json's order.
    #[serde(rename = "Root and mounts")]
    Mounts,
    /// Files in /dev.
    Devices,
    /// Hooks, pivot_root(2), parameters, read-only mounts.
    #[serde(rename = "The way in")]
    Entry,
    /// What is covered or cannot be written.
    Masks,
    /// The last acts.
    #[serde(rename = "The process")]
    Process,
    /// From the release to execve(2).
    Start,
    /// When it has ended.
    Afterwards,
}

impl Act {
    /// As a heading.
    pub fn heading(self) -> &'static str {
        match self {
            Act::Before => "Before anything",
            Act::Group => "The group",
            Act::Birth => "Birth",
            Act::Mounts => "Root and mounts",
            Act::Devices => "Devices",
            Act::Entry => "The way in",
            Act::Masks => "Masks",
            Act::Process => "The process",
            Act::Start => "Start",
            Act::Afterwards => "Afterwards",
        }
    }
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When.
    pub act: Act,
    /// Where config.json asks for it, or `(always)`.
    pub field: String,
    /// The calls, as strace prints them.
    pub call: Vec<String>,
    /// What does the same, typed.
    pub command: Option<String>,
    /// What it is for.
    pub why: String,
}

/// Where nobody asked.
const ALWAYS: &str = "(always)";

/// What of the machine and of the caller the calls depend on.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The bundle's absolute path.
    pub bundle: &'a Path,
    /// The control groups of the machine.
    pub layout: &'a Layout,
    /// Can groups be made here?
    pub groups: bool,
    /// May mounts of the host be copied before the birth (CAP_SYS_ADMIN)?
    pub privileged: bool,
    /// Who calls: user and group.
    pub caller: (u32, u32),
    /// What the machine is.
    pub native: Arch,
    /// The capabilities that the kernel knows.
    pub known: u64,
    /// Those that init has in its bounding set at birth.
    pub bounding: u64,
}

/// The acts so far.
struct Story<'a> {
    plan: &'a Plan,
    scene: Scene<'a>,
    act: Act,
    steps: Vec<Step>,
}

impl Story<'_> {
    /// Asked for by `field`.
    fn tell(&mut self, field: impl Into<String>, call: Vec<String>, command: Option<String>, why: &str) {
        let (field, why) = (field.into(), why.to_owned());
        self.steps.push(Step { act: self.act, field, call, command, why });
    }

    /// Asked for by nobody.
    fn tell_always(&mut self, call: Vec<String>, command: Option<String>, why: &str) {
        self.tell(ALWAYS, call, command, why);
    }
}

/// Tells one act.
type Teller = fn(&mut Story<'_>);

// ANCHOR: explain
/// The whole story of `plan`, from nothing to the end.
pub fn story(plan: &Plan, scene: Scene<'_>) -> Vec<Step> {
    let mut story = Story { plan, scene, act: Act::Before, steps: Vec::new() };
    let acts: [(Act, Teller); 10] = [
        (Act::Before, host::before),
        (Act::Group, group::made),
        (Act::Birth, birth::born),
        (Act::Mounts, mounts::mounted),
        (Act::Devices, devices::made),
        (Act::Entry, entry::entered),
        (Act::Masks, masks::covered),
        (Act::Process, process::changed),
        (Act::Start, start::started),
        (Act::Afterwards, start::ended),
    ];
    for (act, tell) in acts {
        story.act = act;
        tell(&mut story);
    }
    story.steps
}
// ANCHOR_END: explain

/// What is ignored, a sentence each: of the check, of the plan, and of the filter.
pub fn ignored(plan: &Plan, warnings: &[Fault]) -> Vec<String> {
    let filter = plan.filter.iter().flat_map(|program| program.warnings());
    warnings.iter().map(Fault::to_string).chain(filter).collect()
}
