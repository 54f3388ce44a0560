//! The deeds of a birth: the verbs of the spine, each with the place where `explain` tells of it.
//!
//! No kernel calls. Book: "config.json, told as calls" (`explain`).
//! Invariant: of each of the two, the deeds come in the order of `explain`'s story.

use crate::explain::Act;
use serde::Serialize;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The runtime.
    Parent,
    /// Who becomes the container's process.
    Init,
}

/// A line of `birth` or of `birth::inside`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "`told` says it, and `birth`")]
pub enum Deed {
    WriteDown,
    Group,
    Open,
    Bear,
    Maps,
    Policy,
    Equip,
    Prestart,
    CreateRuntime,
    Poststart,
    Enter,
    BecomeRoot,
    Surroundings,
    Root,
    Mounts,
    Devices,
    CreateContainer,
    Pivot,
    Terminal,
    Sysctl,
    ReadOnly,
    Masks,
    LastActs,
    StartContainer,
    Execute,
}

impl Deed {
    /// The parent's, then init's.
    pub const ALL: [Deed; 25] = [
        Deed::WriteDown,
        Deed::Group,
        Deed::Open,
        Deed::Bear,
        Deed::Maps,
        Deed::Policy,
        Deed::Equip,
        Deed::Prestart,
        Deed::CreateRuntime,
        Deed::Poststart,
        Deed::Enter,
        Deed::BecomeRoot,
        Deed::Surroundings,
        Deed::Root,
        Deed::Mounts,
        Deed::Devices,
        Deed::CreateContainer,
        Deed::Pivot,
        Deed::Terminal,
        Deed::Sysctl,
        Deed::ReadOnly,
        Deed::Masks,
        Deed::LastActs,
        Deed::StartContainer,
        Deed::Execute,
    ];

    /// Whose it is, its name, and where `explain` tells of it: the act, and how the field begins.
    pub fn told(self) -> (Who, &'static str, Act, &'static str) {
        use Who::{Init, Parent};
        match self {
            Deed::WriteDown => (Parent, "write down", Act::Before, ""),
            Deed::Group => (Parent, "group", Act::Group, ""),
            Deed::Open => (Parent, "open outside", Act::Birth, ""),
            Deed::Bear => (Parent, "bear", Act::Birth, "linux.namespaces"),
            Deed::Maps => (Parent, "map ids", Act::Birth, "linux.uidMappings"),
            Deed::Policy => (Parent, "devices policy", Act::Entry, "linux.resources.devices"),
            Deed::Equip => (Parent, "network, cache", Act::Entry, "linux."),
            Deed::Prestart => (Parent, "hooks prestart", Act::Entry, "hooks.prestart"),
            Deed::CreateRuntime => (Parent, "hooks createRuntime", Act::Entry, "hooks.createRuntime"),
            Deed::Poststart => (Parent, "hooks poststart", Act::Afterwards, "hooks.poststart"),
            Deed::Enter => (Init, "enter group", Act::Birth, ""),
            Deed::BecomeRoot => (Init, "become root", Act::Birth, ""),
            Deed::Surroundings => (Init, "surroundings", Act::Birth, ""),
            Deed::Root => (Init, "root", Act::Mounts, ""),
            Deed::Mounts => (Init, "mounts", Act::Mounts, "mounts["),
            Deed::Devices => (Init, "devices", Act::Devices, ""),
            Deed::CreateContainer => (Init, "hooks createContainer", Act::Entry, "hooks.createContainer"),
            Deed::Pivot => (Init, "pivot", Act::Entry, "root.path"),
            Deed::Terminal => (Init, "terminal", Act::Entry, "process.terminal"),
            Deed::Sysctl => (Init, "sysctl", Act::Entry, "linux.sysctl"),
            Deed::ReadOnly => (Init, "read-only", Act::Entry, ""),
            Deed::Masks => (Init, "masks", Act::Masks, ""),
            Deed::LastActs => (Init, "last acts", Act::Process, ""),
            Deed::StartContainer => (Init, "hooks startContainer", Act::Start, "hooks.startContainer"),
            Deed::Execute => (Init, "execute", Act::Start, "process.args"),
        }
    }
}
