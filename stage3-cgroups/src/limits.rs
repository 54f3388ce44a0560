//! One set of limits, whatever the layout.
//!
//! Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. Book: "The same request twice" (`conversions`).
//! Invariant: pure; a limit that the layout cannot express is an error, never left out.

pub mod convert;
mod quantity;
mod v1;
mod v2;

use crate::controller::Controller;
use crate::layout::{Layout, Version};
use crate::{Error, Result};
pub use quantity::{Bytes, Cpus, Device, HugeLimit, IoLimit, Limit, NamedLimit, RdmaLimit};

/// What a group may take. What is `None` or empty stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// At most so many bytes; beyond, somebody in the group is killed.
    pub memory_max: Option<Limit>,
    /// Beyond so many bytes the group is slowed down and made to give some back.
    pub memory_high: Option<Limit>,
    /// So many bytes are taken from the group only if nobody else has any to give.
    pub memory_low: Option<Limit>,
    /// At most so many bytes of swap, not counting memory.
    pub swap: Option<Limit>,
    /// Kill the whole group where one would be killed.
    pub oom_group: Option<bool>,
    /// The share of processor time under contention, 1 to 10000; 100 is everybody's.
    pub cpu_weight: Option<u64>,
    /// At most so much processor time.
    pub cpus: Option<Cpus>,
    /// The period over which that is counted, in microseconds.
    pub cpu_period: Option<u64>,
    /// Unused time that may be saved up, in microseconds.
    pub cpu_burst: Option<u64>,
    /// The processors, as `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// The memory nodes, as `0`.
    pub cpuset_mems: Option<String>,
    /// At most so many tasks.
    pub pids: Option<Limit>,
    /// The share of a contended disk, 1 to 10000; 100 is everybody's.
    pub io_weight: Option<u64>,
    /// Rates of devices.
    pub io: Vec<IoLimit>,
    /// Huge pages of a size.
    pub hugetlb: Vec<HugeLimit>,
    /// RDMA handles of a device.
    pub rdma: Vec<RdmaLimit>,
    /// Units of a scalar resource.
    pub misc: Vec<NamedLimit>,
}

/// One write: a value into a file of a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Whose file.
    pub controller: Controller,
    /// The file's name.
    pub file: String,
    /// What is written.
    pub value: String,
}

impl Setting {
    fn new(controller: Controller, file: impl Into<String>, value: impl ToString) -> Self {
        Setting { controller, file: file.into(), value: value.to_string() }
    }
}

/// What a limit needs, and whether it is asked for.
type Need = (Controller, bool);

impl Limits {
    /// The controllers that the limits asked for need.
    pub fn controllers(&self) -> Vec<Controller> {
        self.needs().into_iter().filter(|(_, asked)| *asked).map(|(controller, _)| controller).collect()
    }

    fn needs(&self) -> [Need; 8] {
        let memory = self.memory_max.is_some() || self.memory_high.is_some() || self.memory_low.is_some();
        let cpu = self.cpu_weight.is_some() || self.cpus.is_some() || self.cpu_burst.is_some();
        [
            (Controller::Memory, memory || self.swap.is_some() || self.oom_group.is_some()),
            (Controller::Cpu, cpu || self.cpu_period.is_some()),
            (Controller::Cpuset, self.cpuset_cpus.is_some() || self.cpuset_mems.is_some()),
            (Controller::Pids, self.pids.is_some()),
            (Controller::Io, self.io_weight.is_some() || !self.io.is_empty()),
            (Controller::Hugetlb, !self.hugetlb.is_empty()),
            (Controller::Rdma, !self.rdma.is_empty()),
            (Controller::Misc, !self.misc.is_empty()),
        ]
    }

    /// The writes that bring the limits about where `version` says how each controller is managed, in their order.
    ///
    /// # Errors
    /// A value out of the kernel's range; a controller that is not there; a limit that this version does not have.
    pub fn settings(&self, version: impl Fn(Controller) -> Option<Version>) -> Result<Vec<Setting>> {
        self.check()?;
        let mut settings = Vec::new();
        for controller in self.controllers() {
            settings.extend(match version(controller) {
                Some(Version::V1) => v1::settings(self, controller)?,
                Some(Version::V2) => v2::settings(self, controller)?,
                None => return Err(missing(controller)),
            });
        }
        Ok(settings)
    }

    /// The same for a layout.
    pub fn settings_on(&self, layout: &Layout) -> Result<Vec<Setting>> {
        self.settings(|controller| layout.version(controller))
    }

    /// The ranges that hold on every layout.
    fn check(&self) -> Result<()> {
        in_range("a cpu weight", self.cpu_weight, 1, 10_000, "")?;
        in_range("an io weight", self.io_weight, 1, 10_000, "")?;
        in_range("a cpu period", self.cpu_period, 1_000, 1_000_000, " µs")?;
        let quota = match self.cpus {
            Some(Cpus::Quota(_)) => self.quota(),
            _ => None,
        };
        // kernel/sched/core.c, min_cfs_quota_period: a millisecond.
        in_range("the cpu time of a period", quota, 1_000, u64::MAX >> 12, " µs")?;
        match (self.cpu_burst, quota) {
            (Some(burst), Some(quota)) if burst > quota => Err(Error::refused(format!(
                "a burst of {burst} µs is more than the {quota} µs of a period"
            ))
            .with_hint(
                "what can be saved up is at most one period's time; make --cpus or --cpu-period larger",
            )),
            _ => Ok(()),
        }
    }

    /// The period in microseconds, asked for or the kernel's.
    fn period(&self) -> u64 {
        self.cpu_period.unwrap_or(convert::PERIOD)
    }

    /// Microseconds of each period; none without a limit.
    fn quota(&self) -> Option<u64> {
        match self.cpus? {
            Cpus::All => None,
            Cpus::Quota(thousandths) => Some(thousandths.saturating_mul(self.period()) / 1000),
        }
    }
}

fn in_range(what: &str, value: Option<u64>, least: u64, most: u64, unit: &str) -> Result<()> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(Error::refused(format!("{what} of {value}{unit} is out of range"))
                .with_hint(format!("{least} to {most}{unit}")))
        }
        _ => Ok(()),
    }
}

/// The controller is in no hierarchy here.
fn missing(controller: Controller) -> Error {
    let facts = controller.facts();
    let (v1, v2) = facts.kernels;
    Error::refused(format!("no hierarchy here has the controller {} ({})", facts.v1, facts.purpose)).with_hint(format!(
        "`stage3-cgroups info` shows those there are; the kernel has it since {v1} (version 1) and {v2} (version 2), \
         unless it was built or booted without (/proc/cgroups)"
    ))
}

/// The version of the layout has no such limit.
fn inexpressible(limit: &str, version: &str, instead: &str) -> Error {
    Error::refused(format!("{limit} cannot be expressed in version {version}")).with_hint(instead)
}

#[cfg(test)]
mod tests;
