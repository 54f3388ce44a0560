//! When and where the process runs, in the kernel's numbers.
//!
//! No kernel calls; linux/sched.h, linux/ioprio.h; config.md, "Linux Process". Book: "Processor and disk" (`schedule`).
//! Invariant: pure; what was not asked for is `None`, and never a default of ours.

use super::list::{Numbers, PROCESSORS};
use crate::config::fault::{At, Fault};
use crate::config::process::Process;
use crate::config::scheduling::{IoClass, IoPriority, Policy, Scheduler, SchedulerFlag};
use serde::Serialize;

/// Policy, class and processors.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Scheduling {
    /// What sched_setattr(2) is told.
    pub policy: Option<PolicyPlan>,
    /// What ioprio_set(2) is told.
    pub io_priority: Option<u16>,
    /// The processors of a visitor, until it is in the container's cgroup.
    pub initial: Option<Numbers>,
    /// And from then on.
    pub last: Option<Numbers>,
}

/// What sched_setattr(2) is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PolicyPlan {
    /// SCHED_*
    pub policy: u32,
    /// SCHED_FLAG_*
    pub flags: u64,
    /// Of SCHED_OTHER and SCHED_BATCH.
    pub nice: i32,
    /// Of SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// Nanoseconds; of SCHED_DEADLINE, as the next two.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

impl PolicyPlan {
    /// SCHED_FLAG_KEEP_POLICY
    pub const KEEP_POLICY: u64 = 0x08;
    /// SCHED_FLAG_KEEP_PARAMS
    pub const KEEP_PARAMETERS: u64 = 0x10;

    fn of(scheduler: &Scheduler, at: At<'_>) -> Result<Self, Fault> {
        let policy = match scheduler.policy {
            Policy::Other => 0,
            Policy::Fifo => 1,
            Policy::RoundRobin => 2,
            Policy::Batch => 3,
            Policy::Iso => 4,
            Policy::Idle => 5,
            Policy::Deadline => 6,
        };
        let flag = |flag: &SchedulerFlag| match flag {
            SchedulerFlag::ResetOnFork => 0x01,
            SchedulerFlag::Reclaim => 0x02,
            SchedulerFlag::DlOverrun => 0x04,
            SchedulerFlag::KeepPolicy => Self::KEEP_POLICY,
            SchedulerFlag::KeepParams => Self::KEEP_PARAMETERS,
            SchedulerFlag::UtilClampMin => 0x20,
            SchedulerFlag::UtilClampMax => 0x40,
        };
        let priority = u32::try_from(scheduler.priority).map_err(|_| {
            let what = format!("{} is less than 0", scheduler.priority);
            Fault::new(at.key("priority").to_string(), what, "sched_setattr(2)")
        })?;
        Ok(PolicyPlan {
            policy,
            flags: scheduler.flags.iter().fold(0, |flags, one| flags | flag(one)),
            nice: scheduler.nice,
            priority,
            runtime: scheduler.runtime,
            deadline: scheduler.deadline,
            period: scheduler.period,
        })
    }
}

impl Scheduling {
    /// Of the process at `at`.
    ///
    /// # Errors
    /// What is no number of the kernel's, with its path.
    pub fn of(process: &Process, at: At<'_>) -> Result<Self, Fault> {
        let policy = process.scheduler.as_ref();
        let list = |text: &Option<String>, name: &str| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            text.map(|text| Numbers::parse(text, PROCESSORS, at.key("execCPUAffinity").key(name))).transpose()
        };
        let affinity = process.exec_cpu_affinity.clone().unwrap_or_default();
        Ok(Scheduling {
            policy: policy.map(|scheduler| PolicyPlan::of(scheduler, at.key("scheduler"))).transpose()?,
            io_priority: process.io_priority.map(|io| io_priority(io, at.key("ioPriority"))).transpose()?,
            initial: list(&affinity.initial, "initial")?,
            last: list(&affinity.last, "final")?,
        })
    }
}

/// linux/ioprio.h: the class in the upper three bits, the level in the lower ones.
fn io_priority(io: IoPriority, at: At<'_>) -> Result<u16, Fault> {
    let class = match io.class {
        IoClass::RealTime => 1,
        IoClass::BestEffort => 2,
        IoClass::Idle => 3,
    };
    match u16::try_from(io.priority) {
        Ok(level @ 0..=7) => Ok(class << 13 | level),
        _ => {
            let what = format!("{} is not from 0 to 7", io.priority);
            Err(Fault::new(at.key("priority").to_string(), what, "config.md, Linux Process"))
        }
    }
}
