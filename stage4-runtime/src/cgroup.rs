//! The container's control group: made before anybody is in it, opened again by each later command.
//!
//! cgroups(7); runtime.md, "Create". Book: "Resources" (`resources`).
//! Invariant: the limits hold before the process is born; a group is looked for where it was made, wherever the
//! command that looks for it is.

use crate::config::Resources;
use crate::config::resources::{Cpu, Memory};
use crate::plan::cgroup::{self, Cgroup};
use crate::{Error, Result};
use stage3_cgroups::group::Existing;
use stage3_cgroups::{Base, Controller, Group, Layout, Version, devices};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The plan as it is meant on this machine: a group that is to be below ours is beside it where ours, as that of a
/// login, cannot hand controllers down.
pub fn settled(layout: &Layout, plan: Cgroup) -> Cgroup {
    match plan.base {
        Base::Here => Cgroup { base: Base::beside(layout), ..plan },
        _ => plan,
    }
}

/// Where the group will be.
pub fn paths(layout: &Layout, plan: &Cgroup) -> Vec<PathBuf> {
    Group::paths(layout, plan.base, &plan.name)
}

/// The groups on the way to `paths` that are not there yet, the innermost first: made with the container, they go with
/// it if it does not come to be.
pub fn missing_above(paths: &[PathBuf]) -> Vec<PathBuf> {
    let missing = |path: &'_ PathBuf| -> Vec<PathBuf> {
        path.ancestors().skip(1).take_while(|way| !way.exists()).map(Path::to_owned).collect()
    };
    paths.iter().flat_map(missing).collect()
}

/// Is nobody in the group that is to be made? It is asked before the group is written down as one to be removed: of
/// others it is not ours.
///
/// # Errors
/// Somebody is.
pub fn require_free(layout: &Layout, paths: &[PathBuf]) -> Result<()> {
    match paths.iter().any(|path| path.exists()) {
        true => open(layout, paths)?
            .map_or(Ok(()), |group| group.require_free().and_then(|()| require_fit(&group))),
        false => Ok(()),
    }
}

/// Whoever is born in a frozen group never gets as far as to say a word, and his parent waits for one. In a threaded one
/// whole processes can neither be counted nor killed. A new group is what the one above it makes of it.
fn require_fit(group: &Group) -> Result<()> {
    let own = |file| group.unified().map_or(Ok(None), |place| place.directory.read_if_there(file));
    let refused = |what: &str| Error::refused(format!("the control group {} is {what}", group.name()));
    if is_frozen(group)?
        || own("cgroup.events")?.is_some_and(|events| events.lines().any(|l| l == "frozen 1"))
    {
        return Err(refused("frozen: nothing would run in it").with_hint(
            "thaw it, or the group above it that is frozen (`stage3-cgroups thaw`), or name another cgroupsPath",
        ));
    }
    match own("cgroup.type")?.as_deref().map(str::trim) {
        Some(kind @ ("threaded" | "domain invalid")) => Err(refused(&format!(
            "\"{kind}\": it holds threads, and no processes of its own"
        ))
        .with_hint("name another cgroupsPath: what is threaded does not become a domain again (cgroups(7))")),
        _ => Ok(()),
    }
}

/// Makes the group. None: nothing is asked of a group, none can be had, and whoever is `rootless` does without.
///
/// # Errors
/// One that cannot be made, or processes in a group of that name; then nothing was made.
pub fn make(layout: &Layout, plan: &Cgroup, rootless: bool) -> Result<Option<Group>> {
    let mut needed = plan.resources.as_ref().map(cgroup::controllers).unwrap_or_default();
    // Where each hierarchy has groups of its own, `update` cannot ask for processors later (cpusets of version 1).
    if !rootless && layout.version(Controller::Cpuset) == Some(Version::V1) {
        needed.push(Controller::Cpuset);
    }
    match Group::make(layout, plan.base, &plan.name, &needed, Existing::Adopt) {
        Ok(group) if !rootless && !group.left_out().is_empty() => Err(left_out(&group)),
        Ok(group) => match require_fit(&group) {
            Ok(()) => Ok(Some(group)),
            Err(error) => Err(undo(&group, error)),
        },
        Err(_) if rootless && needed.is_empty() && !names_files(plan) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whoever may do everything is refused by an exception: a container that is not in every hierarchy could not be paused,
/// or held to its devices.
fn left_out(group: &Group) -> Error {
    let told: Vec<_> = group.left_out().iter().map(|(_, error)| error.to_string()).collect();
    let error = Error::refused(told.join("; "))
        .with_hint("`--rootless true` does without the groups that cannot be had");
    undo(group, error)
}

/// The error, and what came of taking the group away again.
fn undo(group: &Group, error: Error) -> Error {
    let Err(other) = group.delete(Duration::ZERO) else { return error };
    let both = Error::refused(format!("{error}; {other}"));
    match error.hint() {
        Some(hint) => both.with_hint(hint.to_owned()),
        None => both,
    }
}

/// Files of version 2 are asked for by name.
fn names_files(plan: &Cgroup) -> bool {
    plan.resources.as_ref().is_some_and(|all| !all.unified.is_empty())
}

// ANCHOR: resources
/// Sets the limits of the plan.
///
/// # Errors
/// A limit that cannot be set.
pub fn limit(group: &Group, plan: &Cgroup) -> Result<()> {
    plan.resources.as_ref().map_or(Ok(()), |resources| write(group, resources))
}

fn write(group: &Group, resources: &Resources) -> Result<()> {
    let version = |controller| group.place(controller).map(|place| place.hierarchy.version);
    let settings = cgroup::settings(resources, version, group.unified().is_some())?;
    group.write(&settings)?;
    let list =
        |list: fn(&Cpu) -> &Option<String>| resources.cpu.as_ref().and_then(|cpu| list(cpu).as_deref());
    group.cpuset_is_as_asked(list(|cpu| &cpu.cpus), list(|cpu| &cpu.mems))
}
// ANCHOR_END: resources

// ANCHOR: resources-update
/// Sets the limits that `resources` has; of the others nothing is changed.
///
/// # Errors
/// What the layout cannot express, what the kernel refuses; with `checkBeforeUpdate`, less memory than is used.
pub fn update(group: &Group, resources: &Resources) -> Result<()> {
    let mut resources = cgroup::asked(resources);
    if let Some(memory) = &mut resources.memory {
        with_its_sum(group, memory)?;
        require_room(group, memory)?;
    }
    if let Some(cpu) = &mut resources.cpu {
        with_its_quota(group, cpu)?;
    }
    write(group, &resources)
}
// ANCHOR_END: resources-update

/// Version 1 limits the sum of memory and swap, and the sum has no less than the memory: without a limit of memory it
/// has none either.
fn with_its_sum(group: &Group, memory: &mut Memory) -> Result<()> {
    let unlimited = memory.limit.is_some_and(|limit| limit < 0) && memory.swap.is_none();
    if unlimited && group.read(Controller::Memory, "memory.memsw.limit_in_bytes")?.is_some() {
        memory.swap = Some(-1);
    }
    Ok(())
}

/// Version 1 pushes out what is too much, or says EBUSY; version 2 kills until it fits (config-linux.md, Memory).
fn require_room(group: &Group, memory: &Memory) -> Result<()> {
    let asked = memory.limit.filter(|limit| memory.check_before_update == Some(true) && *limit > 0);
    let used = asked.map_or(Ok(None), |_| group.usage().map(|usage| usage.memory))?;
    match asked.zip(used) {
        Some((limit, used)) if used > limit.unsigned_abs() => Err(Error::refused(format!(
            "linux.resources.memory.limit: {limit} is less than the {used} bytes that are used"
        ))
        .with_hint(
            "checkBeforeUpdate asks for this refusal; without it the kernel would take the rest back",
        )),
        _ => Ok(()),
    }
}

/// In version 2 quota and period are one file: a new period alone keeps the quota. And what is saved up may not be more
/// than the quota at any moment.
fn with_its_quota(group: &Group, cpu: &mut Cpu) -> Result<()> {
    if cpu.period.is_some() && cpu.quota.is_none() {
        let text = group.read(Controller::Cpu, "cpu.max")?;
        cpu.quota = text.and_then(|text| text.split_whitespace().next()?.parse().ok());
    }
    let (Some(place), Some(_), Some(_)) = (group.place(Controller::Cpu), cpu.quota, cpu.burst) else {
        return Ok(());
    };
    let file = match place.hierarchy.version {
        Version::V1 => "cpu.cfs_burst_us",
        Version::V2 => "cpu.max.burst",
    };
    place.directory.write(file, "0")
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
