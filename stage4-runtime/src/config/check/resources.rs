//! What is asked of limits.
//!
//! No kernel calls; config-linux.md, "Control groups"; cgroup-v1/ and cgroup-v2.rst. Book: `config`.
//! Invariant: pure, and the same on every layout; 0 stands where an engine means "as it is" and no kernel could mean
//! 0, for the engines cannot leave a number out.

use super::scheduling::PROCESSORS;
use super::{Findings, block_io, devices, network, text};
use crate::config::Resources;
use crate::config::fault::At;
use crate::config::resources::{Cpu, HugepageLimit, Memory};

pub(super) fn check(resources: &Resources, at: At<'_>, found: &mut Findings) {
    devices::rules(&resources.devices, at.key("devices"), found);
    if let Some(limits) = &resources.memory {
        memory(limits, at.key("memory"), found);
    }
    if let Some(limits) = &resources.cpu {
        cpu(limits, at.key("cpu"), found);
    }
    if let Some(limit) = resources.pids.and_then(|pids| pids.limit) {
        /// kernel/cgroup/pids.c, PIDS_MAX: one more than PID_MAX_LIMIT.
        const MOST: i64 = 1 << 22;
        if !(-1..=MOST).contains(&limit) {
            let (at, what) = (at.key("pids"), format!("{limit} is not from 0 to {MOST}, and not -1"));
            found.refuse(&at.key("limit"), what, "config-linux.md, PIDs");
        }
    }
    if let Some(limits) = &resources.block_io {
        block_io::check(limits, at.key("blockIO"), found);
    }
    hugepages(&resources.hugepage_limits, at.key("hugepageLimits"), found);
    if let Some(network) = &resources.network {
        network::priorities(network, at.key("network"), found);
    }
    named(resources, at, found);
}

fn memory(limits: &Memory, at: At<'_>, found: &mut Findings) {
    const RULE: &str = "config-linux.md, Memory";
    let all = [
        ("limit", limits.limit),
        ("reservation", limits.reservation),
        ("swap", limits.swap),
        ("kernel", limits.kernel),
        ("kernelTCP", limits.kernel_tcp),
    ];
    for (name, bytes) in all.iter().filter_map(|(name, bytes)| Some((name, (*bytes)?))) {
        if bytes < -1 {
            found.refuse(&at.key(name), format!("{bytes} is less than -1, which is no limit"), RULE);
        }
    }
    match (limits.limit.unwrap_or(0), limits.swap.unwrap_or(0)) {
        (limit, swap) if swap > 0 && swap < limit => {
            let what = format!("{swap} is memory and swap together, and less than the memory, {limit}");
            found.refuse(&at.key("swap"), what, RULE);
        }
        (-1, swap) if swap > 0 => found.refuse(&at.key("swap"), "is a limit, but memory has none", RULE),
        _ => {}
    }
    match limits.swappiness {
        Some(swappiness) if swappiness > 100 => {
            found.refuse(&at.key("swappiness"), format!("{swappiness} is not from 0 to 100"), RULE);
        }
        _ => {}
    }
}

fn cpu(limits: &Cpu, at: At<'_>, found: &mut Findings) {
    const RULE: &str = "config-linux.md, CPU";
    /// kernel/sched/core.c, MIN_SHARES and MAX_SHARES.
    const SHARES: (u64, u64) = (2, 1 << 18);
    /// kernel/sched/core.c, min_cfs_quota_period and max_cfs_quota_period, in microseconds.
    const PERIOD: (u64, u64) = (1_000, 1_000_000);
    let ranges = [("shares", limits.shares, SHARES), ("period", limits.period, PERIOD)];
    for (name, value, (least, most)) in
        ranges.into_iter().filter_map(|(name, value, range)| Some((name, value?, range)))
    {
        if value != 0 && !(least..=most).contains(&value) {
            found.refuse(
                &at.key(name),
                format!("{value} is not from {least} to {most}"),
                "kernel/sched/core.c",
            );
        }
    }
    match limits.quota {
        Some(quota) if (1..1000).contains(&quota) => {
            found.refuse(
                &at.key("quota"),
                format!("{quota} µs are less than the least, 1000"),
                "kernel/sched/core.c",
            );
        }
        Some(quota) if quota > 0 && limits.burst.is_some_and(|burst| burst > quota.unsigned_abs()) => {
            let what = format!("{} µs are more than the quota, {quota}", limits.burst.unwrap_or_default());
            found.refuse(&at.key("burst"), what, RULE);
        }
        _ => {}
    }
    realtime(limits, at, found);
    lists(limits, at, found);
}

fn lists(limits: &Cpu, at: At<'_>, found: &mut Findings) {
    const RULE: &str = "config-linux.md, CPU";
    for (name, list) in [("cpus", &limits.cpus), ("mems", &limits.mems)] {
        text::cpuset(list.as_deref().unwrap_or_default(), PROCESSORS, &at.key(name), RULE, found);
    }
    match limits.idle {
        Some(idle) if !(0..=1).contains(&idle) => {
            found.refuse(&at.key("idle"), format!("{idle} is not 0 or 1"), RULE);
        }
        _ => {}
    }
}

fn realtime(limits: &Cpu, at: At<'_>, found: &mut Findings) {
    let (runtime, period) = (limits.realtime_runtime.unwrap_or(0), limits.realtime_period.unwrap_or(0));
    if period != 0 && u64::try_from(runtime).is_ok_and(|runtime| runtime > period) {
        let what = format!("{runtime} µs are more than the period, {period}");
        found.refuse(&at.key("realtimeRuntime"), what, "sched-rt-group.rst");
    }
}

fn hugepages(limits: &[HugepageLimit], at: At<'_>, found: &mut Findings) {
    const RULE: &str = "config-linux.md, Huge page limits";
    for (number, limit) in limits.iter().enumerate() {
        let (entry, size) = (at.index(number), &limit.page_size);
        let digits = ["KB", "MB", "GB"].iter().find_map(|unit| size.strip_suffix(unit));
        if !digits.and_then(text::number).is_some_and(u32::is_power_of_two) {
            let what = format!("{size:?} is no size of pages: 64KB, 2MB, 1GB");
            found.refuse(&entry.key("pageSize"), what, RULE);
        } else if limits[..number].iter().any(|other| other.page_size == *size) {
            found.refuse(&entry.key("pageSize"), format!("{size:?} is there twice"), RULE);
        }
    }
}

/// Limits by name: RDMA devices, and files of version 2.
fn named(resources: &Resources, at: At<'_>, found: &mut Findings) {
    let rdma = at.key("rdma");
    for (name, limit) in &resources.rdma {
        let at = rdma.key(name);
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            found.refuse(&at, format!("{name:?} is no name of a device"), "config-linux.md, RDMA");
        }
        if limit.hca_handles.is_none() && limit.hca_objects.is_none() {
            found.refuse(&at, "has neither hcaHandles nor hcaObjects", "config-linux.md, RDMA");
        }
    }
    let unified = at.key("unified");
    for name in resources.unified.keys() {
        if let Some(fault) = file(name) {
            found.refuse(&unified.key(name), format!("{name:?} {fault}"), "config-linux.md, Unified");
        }
    }
}

/// A file of the container's own group, and one that is a setting.
fn file(name: &str) -> Option<&'static str> {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "cgroup.procs" | "cgroup.threads" => Some("moves processes, and sets nothing"),
        "cgroup.kill" => Some("kills, and sets nothing"),
        _ if !name.chars().all(sound) => Some("is no name of a file of a group"),
        _ if name.starts_with('.') || !name.contains('.') => Some("is no name of a file of a controller"),
        _ => None,
    }
}
