//! The container's control group: made before anybody is in it, opened again by each later command.
//!
//! cgroups(7); runtime.md, "Create". Book: "Resources" (`resources`).
//! Invariant: the limits hold before the process is born; a group is looked for where it was made, wherever the
//! command that looks for it is.

use crate::plan::cgroup::{self, Cgroup};
use crate::{Error, Result};
use nix::unistd::geteuid;
use stage3_cgroups::group::Existing;
use stage3_cgroups::{Controller, Group, Layout, Version, devices};
use std::path::PathBuf;

/// Where the group will be.
pub fn paths(layout: &Layout, plan: &Cgroup) -> Vec<PathBuf> {
    Group::paths(layout, plan.base, &plan.name)
}

/// Makes the group and sets its limits. None: nothing is asked of a group, and none can be had.
///
/// # Errors
/// A limit that cannot be set; processes in a group of that name.
pub fn make(layout: &Layout, plan: &Cgroup) -> Result<Option<Group>> {
    let mut needed = plan.resources.as_ref().map(cgroup::controllers).unwrap_or_default();
    // Where each hierarchy has groups of its own, `update` cannot ask for processors later (cpusets of version 1).
    if geteuid().is_root() && layout.version(Controller::Cpuset) == Some(Version::V1) {
        needed.push(Controller::Cpuset);
    }
    match Group::make(layout, plan.base, &plan.name, &needed, Existing::Adopt) {
        Ok(group) => limit(&group, plan).map(|()| Some(group)),
        Err(_) if needed.is_empty() && !is_required(plan) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Is there something that only a group can do? An engine that names the path means to find the group there.
fn is_required(plan: &Cgroup) -> bool {
    geteuid().is_root() || plan.resources.as_ref().is_some_and(|all| !all.unified.is_empty())
}

fn limit(group: &Group, plan: &Cgroup) -> Result<()> {
    plan.resources.as_ref().map_or(Ok(()), |resources| update(group, resources))
}

/// Sets the limits that `resources` has; of the others nothing is changed.
///
/// # Errors
/// What the layout cannot express, what the kernel refuses.
pub fn update(group: &Group, resources: &crate::config::Resources) -> Result<()> {
    let version = |controller| group.place(controller).map(|place| place.hierarchy.version);
    let settings = cgroup::settings(resources, version, group.unified().is_some())?;
    group.write(&settings)
}

/// From now on the rules for devices hold. Later than the limits: init makes and binds nodes itself.
///
/// In a user namespace there are none: nodes made there cannot be opened, and those that are bound have owners.
///
/// # Errors
/// What the kernel refuses.
pub fn decide_about_devices(group: &Group, policy: &devices::Policy) -> Result<()> {
    group.decide_about_devices(policy)
}

/// The group that was made in `paths`; none where it is gone.
///
/// # Errors
/// It is there, but cannot be opened.
pub fn open(layout: &Layout, paths: &[PathBuf]) -> Result<Option<Group>> {
    match Group::at(layout, paths) {
        Ok(group) => Ok(Some(group)),
        Err(_) if paths.iter().all(|path| !path.exists()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same, only where its processes are frozen: the other hierarchies are not opened. None: it is not there.
///
/// # Errors
/// As of [`open`].
pub fn freezer(paths: &[PathBuf]) -> Result<Option<Group>> {
    let mut layout = layout()?;
    let Some(home) = layout.home(Controller::Freezer).cloned() else { return Ok(None) };
    let Some(path) = paths.iter().find(|path| path.starts_with(&home.mount)) else { return Ok(None) };
    layout.hierarchies = vec![home];
    open(&layout, std::slice::from_ref(path))
}

/// What the machine has, read once for each command.
///
/// # Errors
/// /proc cannot be read.
pub fn layout() -> Result<Layout> {
    Layout::read()
        .map_err(|error: Error| error.with_hint("the layout of control groups is read from /proc/self"))
}

/// Are all processes of the group stopped by the freezer?
pub fn is_frozen(group: &Group) -> Result<bool> {
    group.is_frozen().map(|frozen| frozen == Some(true))
}
