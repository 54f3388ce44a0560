//! The group of a container, looked at from the host.
//!
//! cgroups(7). Book: "How it is tested".
//! Invariant: only reads.

use crate::ground::Bench;
use stage3_cgroups::layout::Kind;
use stage3_cgroups::{Controller, Group, Layout, Version};
use std::fs;
use std::path::PathBuf;

pub fn layout() -> Layout {
    Layout::read().unwrap()
}

/// Of pure version 2: elsewhere it is said, and None.
pub fn only_in_version_2(what: &str) -> Option<()> {
    let here = layout().kind();
    if here == Kind::V2 {
        return Some(());
    }
    observe::skip::skip_under("v2", what, &format!("the layout of control groups is {here} here"));
    None
}

/// Where its record says that it is.
pub fn paths(bench: &Bench, id: &str) -> Vec<PathBuf> {
    let traces = fs::read_to_string(bench.path("state").join(id).join("traces")).unwrap();
    traces.lines().filter_map(|line| line.strip_prefix("group ")).map(PathBuf::from).collect()
}

pub fn group(bench: &Bench, id: &str) -> Group {
    Group::at(&layout(), &paths(bench, id)).unwrap()
}

/// What one of its files holds: the one of version 1, or the one of version 2.
pub fn file(bench: &Bench, id: &str, controller: Controller, v1: &str, v2: &str) -> Option<String> {
    let group = group(bench, id);
    let file = match group.place(controller)?.hierarchy.version {
        Version::V1 => v1,
        Version::V2 => v2,
    };
    group.read(controller, file).unwrap().map(|text| text.trim().to_owned())
}

/// Has the machine this controller?
pub fn has(controller: Controller) -> bool {
    layout().home(controller).is_some()
}
