//! Making a group: its directories, and what they need before a process can be put in.
//!
//! mkdir(2); cgroup.subtree_control, Linux 4.5, 2016; cpuset.cpus. Book: `info`, `delegation`.
//! Invariant: what was made is removed again unless `keep` is called.

use super::end::collect_from;
use super::refusal;
use crate::controller::Controller;
use crate::directory::Directory;
use crate::layout::{Base, Hierarchy, Version};
use crate::name::GroupName;
use crate::{Error, Result};
use nix::errno::Errno;
use std::collections::BTreeSet;

/// Handed down where it can be, asked for or not: without these a group cannot say what it uses.
const ACCOUNTED: [Controller; 4] = [Controller::Memory, Controller::Cpu, Controller::Pids, Controller::Io];

/// These act on single threads.
const THREADED: [Controller; 3] = [Controller::Cpu, Controller::Cpuset, Controller::Pids];

/// What to do with a group that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It belongs to somebody.
    Refuse,
    /// It was made for us, if nobody is in it.
    Adopt,
}

impl Existing {
    fn check(self, group: &Directory) -> Result<()> {
        match self {
            Existing::Refuse => Err(refusal::exists(group)),
            // In the groups inside it, too: with the group they would be ended.
            Existing::Adopt => match collect_from(group, BTreeSet::new())?.is_empty() {
                true => Ok(()),
                false => Err(refusal::occupied(group)),
            },
        }
    }
}

/// The directories made so far.
#[derive(Debug, Default)]
pub(super) struct Made(Vec<(Directory, String)>);

impl Made {
    /// All went well.
    pub fn keep(&mut self) {
        self.0.clear();
    }

    /// Makes the group `name` in `hierarchy`; groups on the way are made as well.
    ///
    /// Somebody else who made one of those, and failed, takes it away again: then it begins anew.
    pub fn group_in(
        &mut self,
        hierarchy: &Hierarchy,
        base: Base,
        name: &GroupName,
        wanted: &[Controller],
        existing: Existing,
    ) -> Result<Directory> {
        const OFTEN: usize = 5;
        let mut make = || self.group_in_once(hierarchy, base, name, wanted, existing);
        for _ in 0..OFTEN {
            match make() {
                Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENODEV)) => (),
                made => return made,
            }
        }
        make()
    }

    fn group_in_once(
        &mut self,
        hierarchy: &Hierarchy,
        base: Base,
        name: &GroupName,
        wanted: &[Controller],
        existing: Existing,
    ) -> Result<Directory> {
        let mut directory = base_directory(hierarchy, base)?;
        for (depth, part) in name.parts().iter().enumerate() {
            if hierarchy.version == Version::V2 {
                offer(&directory, hierarchy, wanted)?;
            }
            let (child, new) = directory.make(part)?;
            if new {
                self.0.push((directory, part.clone()));
            } else if depth + 1 == name.parts().len() {
                existing.check(&child)?;
            }
            if new && hierarchy.version == Version::V1 && hierarchy.has(Controller::Cpuset) {
                inherit_cpuset(self.0.last().map(|(parent, _)| parent), &child)?;
            }
            directory = child;
        }
        Ok(directory)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for (parent, name) in self.0.drain(..).rev() {
            // The error that brought us here is the one to be told.
            parent.remove(&name).ok();
        }
    }
}

/// The directory below which names are looked up.
pub(super) fn base_directory(hierarchy: &Hierarchy, base: Base) -> Result<Directory> {
    Directory::open(&hierarchy.mount)?.descend(&hierarchy.base(base)?)
}

/// Hands `wanted` down to the group `name`, from group to group.
pub(super) fn hand_down(
    hierarchy: &Hierarchy,
    base: Base,
    name: &GroupName,
    wanted: &[Controller],
) -> Result<()> {
    let mut directory = base_directory(hierarchy, base)?;
    for part in name.parts() {
        offer(&directory, hierarchy, wanted)?;
        directory = directory.child(part)?;
    }
    Ok(())
}

/// Lets the groups in `directory` have the controllers.
fn offer(directory: &Directory, hierarchy: &Hierarchy, wanted: &[Controller]) -> Result<()> {
    let (available, enabled) =
        (directory.read("cgroup.controllers")?, directory.read("cgroup.subtree_control")?);
    let listed = |text: &str, name: &str| text.split_whitespace().any(|word| word == name);
    let optional = ACCOUNTED.iter().filter(|controller| !wanted.contains(controller));
    let needed = wanted.iter().map(|controller| (controller, true));
    for (controller, needed) in needed.chain(optional.map(|controller| (controller, false))) {
        let Some(name) = controller.facts().v2.filter(|name| !listed(&enabled, name)) else { continue };
        if !listed(&available, name) {
            match needed && hierarchy.has(*controller) {
                true => return Err(refusal::not_handed_down(name, directory, &available)),
                false => continue,
            }
        }
        // The kernel hands these down from a group with processes, too, and then nobody can be put into the groups
        // inside: they are "domain invalid" (cgroup-v2.rst, "Threads").
        if THREADED.contains(controller) && holds_processes(directory)? {
            match needed {
                true => return Err(refusal::internal_processes(name, directory)),
                false => continue,
            }
        }
        // One by one: a request for two is refused as a whole if one cannot be.
        match directory.write("cgroup.subtree_control", &format!("+{name}")) {
            Err(error) if needed => return Err(refusal::of_enabling(error, directory)),
            _ => (),
        }
    }
    Ok(())
}

/// Is it a domain with processes of its own? The topmost group is none, and may do both.
fn holds_processes(directory: &Directory) -> Result<bool> {
    let is_domain = directory.read_if_there("cgroup.type")?.is_some_and(|kind| kind.trim() == "domain");
    Ok(is_domain && !directory.read("cgroup.procs")?.trim().is_empty())
}

/// Lets `directory` hold processes again, where no group is left in it to have the controllers it hands down; whether
/// that was so.
///
/// Not on deleting the last one: who makes the next at that moment would find a controller, set a limit, and lose both.
/// And never above the outermost group of ours: of the groups of others there the kernel tells whether they hand a
/// controller on, and not whether they have come to rely on it. What was switched on there stays on, as systemd has it.
pub(super) fn take_back(directory: &Directory) -> Result<bool> {
    let enabled = directory.read("cgroup.subtree_control")?;
    if enabled.trim().is_empty() || !directory.children()?.is_empty() {
        return Ok(false);
    }
    let words: Vec<_> = enabled.split_whitespace().map(|name| format!("-{name}")).collect();
    directory.write("cgroup.subtree_control", &words.join(" ")).map(|()| true)
}

// ANCHOR: cpuset
/// Version 1 begins a cpuset empty, and nobody can be put into an empty one: cpuset(7).
fn inherit_cpuset(parent: Option<&Directory>, child: &Directory) -> Result<()> {
    let Some(parent) = parent else { return Ok(()) };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        // Where cgroup.clone_children is set the kernel has done it.
        if child.read(file)?.trim().is_empty() {
            let value = parent.read(file)?;
            if value.trim().is_empty() {
                return Err(Error::refused(format!(
                    "{} of the group above is empty",
                    parent.path().join(file).display()
                ))
                .with_hint("give that group processors and memory nodes first"));
            }
            child.write(file, value.trim())?;
        }
    }
    Ok(())
}
// ANCHOR_END: cpuset
