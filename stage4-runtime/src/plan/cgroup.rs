//! The container's control group: its name, and what is written into which of its files.
//!
//! cgroups(7); config-linux.md, "Control groups". Book: "Resources" (`resources`).
//! Invariant: pure; the numbers are the specification's, in units of version 1; what the layout cannot express is an
//! error, never left out.

mod asked;
pub mod devices;
mod v1;
mod v2;

use crate::config::Config;
use crate::config::resources::Resources;
use crate::id::ContainerId;
use crate::{Error, Result};
pub use asked::asked;
use stage3_cgroups::limits::Setting;
use stage3_cgroups::{Base, Controller, GroupName, Version};

/// What is planned for the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// Below which group it is made.
    pub base: Base,
    /// Its name there.
    pub name: GroupName,
    /// Its limits; none where the configuration has none.
    pub resources: Option<Resources>,
}

impl Cgroup {
    /// Where the configuration wants it; without a wish, a group named as the container below the runtime's own.
    ///
    /// # Errors
    /// A path that no group can have.
    pub fn of(config: &Config, id: &ContainerId) -> Result<Self> {
        let (base, path) = match config.linux.cgroups_path.as_deref() {
            None | Some("") => (Base::Here, id.as_str()),
            Some(path) => match path.strip_prefix('/') {
                Some(path) => (Base::Top, path),
                None => (Base::Here, path),
            },
        };
        let name = path.trim_end_matches('/').parse().map_err(|error| {
            Error::refused(format!("config.json: linux.cgroupsPath: {path:?}: {error}")).with_hint(
                "the path of a group, as /engine/container; slice:prefix:name is for --systemd-cgroup",
            )
        })?;
        Ok(Cgroup { base, name, resources: config.linux.resources.as_ref().map(asked) })
    }
}

/// The controllers that `resources` ask for.
pub fn controllers(resources: &Resources) -> Vec<Controller> {
    let cpu = resources.cpu.as_ref();
    let time = |cpu: &crate::config::resources::Cpu| {
        let numbers = [cpu.shares, cpu.burst, cpu.period, cpu.realtime_period];
        let signed = [cpu.quota, cpu.realtime_runtime, cpu.idle];
        numbers.iter().any(Option::is_some) || signed.iter().any(Option::is_some)
    };
    [
        (Controller::Memory, resources.memory.as_ref().is_some_and(|memory| *memory != Default::default())),
        (Controller::Cpu, cpu.is_some_and(time)),
        (Controller::Cpuset, cpu.is_some_and(|cpu| cpu.cpus.is_some() || cpu.mems.is_some())),
        (Controller::Pids, resources.pids.as_ref().is_some_and(|pids| pids.limit.is_some())),
        (Controller::Io, resources.block_io.as_ref().is_some_and(|io| *io != Default::default())),
        (Controller::Hugetlb, !resources.hugepage_limits.is_empty()),
        (Controller::Rdma, !resources.rdma.is_empty()),
    ]
    .into_iter()
    .filter_map(|(controller, asked)| asked.then_some(controller))
    .collect()
}

/// The writes that bring `resources` about, where `version` says how each controller is managed, in their order.
///
/// The rules for devices are not among them: they are a list (version 1) or a program (version 2).
///
/// # Errors
/// A controller that is not there; a value that this version cannot express.
pub fn settings(
    resources: &Resources,
    version: impl Fn(Controller) -> Option<Version>,
    unified: bool,
) -> Result<Vec<Setting>> {
    if resources.network.as_ref().is_some_and(|network| *network != Default::default()) {
        return Err(Error::refused("config.json: linux.resources.network: no groups of net_cls and net_prio are made")
            .with_hint("version 2 has neither; a BPF program or tc(8) in the container's network namespace does the same"));
    }
    require_unified(resources, &version)?;
    let mut settings = Vec::new();
    for controller in controllers(resources) {
        match version(controller) {
            Some(Version::V1) => v1::settings(resources, controller, &mut settings)?,
            Some(Version::V2) => v2::settings(resources, controller, &mut settings)?,
            None => return Err(missing(controller)),
        }
    }
    if !resources.unified.is_empty() && !unified {
        return Err(Error::refused(
            "config.json: linux.resources.unified: no hierarchy of version 2 is mounted",
        )
        .with_hint("these are files of version 2; on this machine use memory, cpu, pids and the others"));
    }
    for (file, value) in &resources.unified {
        settings.push(Setting { controller: v2::owner(file), file: file.clone(), value: value.clone() });
    }
    Ok(settings)
}

/// In a hybrid layout the file may belong to a controller of version 1, which has no such file.
///
/// # Errors
/// One that does.
fn require_unified(resources: &Resources, version: impl Fn(Controller) -> Option<Version>) -> Result<()> {
    match resources.unified.keys().find(|file| version(v2::owner(file)) == Some(Version::V1)) {
        None => Ok(()),
        Some(file) if !v2::is_known(file) => Err(Error::refused(format!(
            "config.json: linux.resources.unified.{file}: no controller here has such a file"
        ))
        .with_hint("`cat cgroup.controllers` in the root of a hierarchy of version 2 shows those there are")),
        Some(file) => Err(Error::refused(format!(
            "config.json: linux.resources.unified.{file}: version 1 manages that here"
        ))
        .with_hint("in a hybrid layout use memory, cpu, pids and the others")),
    }
}

fn missing(controller: Controller) -> Error {
    let name = controller.facts().v1;
    Error::refused(format!("config.json: linux.resources: no hierarchy here has the controller {name}"))
        .with_hint(
            "`stage3-cgroups info` shows those there are; leave the limit out, or boot a kernel that has it",
        )
}

/// The property `field` cannot be had from this version.
fn inexpressible(field: &str, version: u8, why: &str) -> Error {
    Error::refused(format!(
        "config.json: linux.resources.{field} cannot be expressed in cgroup version {version}"
    ))
    .with_hint(why)
}

/// Negative is no limit.
fn or(value: i64, unlimited: &str) -> String {
    if value < 0 { unlimited.to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests;
