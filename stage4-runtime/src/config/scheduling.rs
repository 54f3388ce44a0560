//! When and where a process gets a processor and the disk.
//!
//! sched_setattr(2) 2014, ioprio_set(2) 2005, sched_setaffinity(2) 2003; config.md, "Linux Process".
//! Book: "config.json, field by field" (`config`).
//! Invariant: types only; which parameter belongs to which policy is checked, not typed.

use super::is_default;
use super::names::names;
use serde::{Deserialize, Serialize};

/// Policy and parameters (config.md, Linux Process: scheduler).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    /// Which policy.
    pub policy: Policy,
    /// -20 to 19; of SCHED_OTHER and SCHED_BATCH.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nice: i32,
    /// 1 to 99; of SCHED_FIFO and SCHED_RR.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// Flags of sched_setattr(2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<SchedulerFlag>,
    /// Nanoseconds of each period; of SCHED_DEADLINE, as the next two.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runtime: u64,
    /// Nanoseconds after a period's beginning.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deadline: u64,
    /// Nanoseconds; 0 is the deadline.
    #[serde(default, skip_serializing_if = "is_default")]
    pub period: u64,
}

names! {
    /// sched(7).
    Policy, "a scheduling policy" {
        /// Everybody's.
        Other = "SCHED_OTHER",
        /// Real time, until it gives way.
        Fifo = "SCHED_FIFO",
        /// Real time, in turn with its equals.
        RoundRobin = "SCHED_RR",
        /// For work without a user.
        Batch = "SCHED_BATCH",
        /// Reserved; no kernel has it.
        Iso = "SCHED_ISO",
        /// After everybody else.
        Idle = "SCHED_IDLE",
        /// Runtime by deadline of each period.
        Deadline = "SCHED_DEADLINE",
    }
}

names! {
    /// Flags of sched_setattr(2).
    SchedulerFlag, "a scheduling flag" {
        /// Children get SCHED_OTHER.
        ResetOnFork = "SCHED_FLAG_RESET_ON_FORK",
        /// Unused time of others may be taken.
        Reclaim = "SCHED_FLAG_RECLAIM",
        /// A signal for a runtime that did not suffice.
        DlOverrun = "SCHED_FLAG_DL_OVERRUN",
        /// The policy stays as it is.
        KeepPolicy = "SCHED_FLAG_KEEP_POLICY",
        /// The parameters stay as they are.
        KeepParams = "SCHED_FLAG_KEEP_PARAMS",
        /// A least utilisation is given; config.json has no field for it.
        UtilClampMin = "SCHED_FLAG_UTIL_CLAMP_MIN",
        /// A greatest utilisation is given; config.json has no field for it.
        UtilClampMax = "SCHED_FLAG_UTIL_CLAMP_MAX",
    }
}

/// Class and level (config.md, Linux Process: ioPriority).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoPriority {
    /// Which class.
    pub class: IoClass,
    /// 0, the first, to 7, the last.
    pub priority: i64,
}

names! {
    /// ioprio_set(2).
    IoClass, "a class of I/O priorities" {
        /// Before everybody else.
        RealTime = "IOPRIO_CLASS_RT",
        /// Everybody's.
        BestEffort = "IOPRIO_CLASS_BE",
        /// When nobody else wants the disk.
        Idle = "IOPRIO_CLASS_IDLE",
    }
}

/// Lists of processors as cpuset(7) has them (config.md, Linux Process: execCPUAffinity).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CpuAffinity {
    /// Until the process is in the container's cgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<String>,
    /// Afterwards.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}
