//! The options that are limits, the same for all verbs that take them.
//!
//! No kernel calls. Book: "The same request twice" (`conversions`).
//! Invariant: an option is named for what it limits, and not for a file of one version.

use super::checked;
use crate::devices::Rule;
use crate::limits::{Cpus, HugeLimit, IoLimit, Limit, Limits, NamedLimit, RdmaLimit};

/// How much the group may take. Amounts take K, M, G, T; `max` takes a limit away.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Memory; beyond it somebody in the group is killed
    #[arg(long, value_name = "BYTES", value_parser = checked::<Limit>)]
    memory: Option<Limit>,
    /// Memory beyond which the group is slowed down (version 2)
    #[arg(long, value_name = "BYTES", value_parser = checked::<Limit>)]
    memory_high: Option<Limit>,
    /// Memory that is taken from the group last
    #[arg(long, value_name = "BYTES", value_parser = checked::<Limit>)]
    memory_low: Option<Limit>,
    /// Swap, beside memory
    #[arg(long, value_name = "BYTES", value_parser = checked::<Limit>)]
    swap: Option<Limit>,
    /// Kill the whole group where one would be killed (version 2)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    oom_group: Option<bool>,
    /// Share of contended processors: 1 to 10000, 100 is everybody's
    #[arg(long, value_name = "WEIGHT")]
    cpu_weight: Option<u64>,
    /// Processors' worth of time: 0.5, 2
    #[arg(long, value_name = "NUMBER", value_parser = checked::<Cpus>)]
    cpus: Option<Cpus>,
    /// The period over which that is counted
    #[arg(long, value_name = "MICROSECONDS", requires = "cpus")]
    cpu_period: Option<u64>,
    /// Unused time that may be saved up
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_burst: Option<u64>,
    /// Which processors: 0-2,4
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Which memory nodes: 0
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Tasks: processes and threads
    #[arg(long, value_name = "COUNT", value_parser = checked::<Limit>)]
    pids: Option<Limit>,
    /// Share of a contended disk: 1 to 10000, 100 is everybody's
    #[arg(long, value_name = "WEIGHT")]
    io_weight: Option<u64>,
    /// Rates of a disk: MAJOR:MINOR:rbps=1M,wbps=1M,riops=100,wiops=100 (repeatable)
    #[arg(long, value_name = "RATES", value_parser = checked::<IoLimit>)]
    io: Vec<IoLimit>,
    /// Huge pages: 2MB=64M (repeatable)
    #[arg(long, value_name = "SIZE=BYTES", value_parser = checked::<HugeLimit>)]
    hugetlb: Vec<HugeLimit>,
    /// RDMA handles: mlx4_0=10,100 (repeatable)
    #[arg(long, value_name = "DEVICE=HANDLES,OBJECTS", value_parser = checked::<RdmaLimit>)]
    rdma: Vec<RdmaLimit>,
    /// Scalar resources: sev=4 (repeatable)
    #[arg(long, value_name = "NAME=COUNT", value_parser = checked::<NamedLimit>)]
    misc: Vec<NamedLimit>,
    /// Only these devices may be used: "c 1:3 rwm" (repeatable)
    #[arg(long, value_name = "RULE", value_parser = checked::<Rule>)]
    pub(super) device: Vec<Rule>,
}

impl LimitArgs {
    /// As the library has them.
    pub fn limits(&self) -> Limits {
        Limits {
            memory_max: self.memory,
            memory_high: self.memory_high,
            memory_low: self.memory_low,
            swap: self.swap,
            oom_group: self.oom_group,
            cpu_weight: self.cpu_weight,
            cpus: self.cpus,
            cpu_period: self.cpu_period,
            cpu_burst: self.cpu_burst,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            pids: self.pids,
            io_weight: self.io_weight,
            io: self.io.clone(),
            hugetlb: self.hugetlb.clone(),
            rdma: self.rdma.clone(),
            misc: self.misc.clone(),
        }
    }
}
