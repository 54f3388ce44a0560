//! The specification's resources in the files of version 2, converted.
//!
//! Documentation/admin-guide/cgroup-v2.rst, 2016. Book: "Resources" (`resources`).
//! Invariant: pure; a number that means nothing in version 2 is an error.

use super::{inexpressible, or};
use crate::config::block_io::{BlockIo, ThrottleDevice};
use crate::config::resources::{Cpu, Memory, Resources};
use crate::{Error, Result};
use stage3_cgroups::Controller;
use stage3_cgroups::limits::{Setting, convert};
use std::collections::BTreeMap;

pub(super) fn settings(resources: &Resources, controller: Controller, all: &mut Vec<Setting>) -> Result<()> {
    let mut set = |file: &str, value: String| all.push(Setting { controller, file: file.to_owned(), value });
    match controller {
        Controller::Memory => {
            resources.memory.iter().try_for_each(|memory| self::memory(memory, &mut set))?
        }
        Controller::Cpu => resources.cpu.iter().try_for_each(|cpu| self::cpu(cpu, &mut set))?,
        Controller::Cpuset => {
            let cpu = resources.cpu.iter();
            for (file, list) in cpu.flat_map(|cpu| [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)]) {
                list.iter().for_each(|list| set(file, list.clone()));
            }
        }
        Controller::Pids => {
            let limit = resources.pids.as_ref().and_then(|pids| pids.limit);
            limit.into_iter().for_each(|limit| set("pids.max", or(limit, "max")));
        }
        Controller::Io => resources.block_io.iter().try_for_each(|io| block_io(io, &mut set))?,
        Controller::Hugetlb => resources.hugepage_limits.iter().for_each(|huge| {
            set(&format!("hugetlb.{}.max", huge.page_size), huge.limit.to_string());
        }),
        Controller::Rdma => rdma(resources, &mut set),
        Controller::Cpuacct | Controller::Devices | Controller::Freezer | Controller::Misc => (),
    }
    Ok(())
}

fn memory(memory: &Memory, set: &mut impl FnMut(&str, String)) -> Result<()> {
    let only_v1 = "it is a file of version 1 without a counterpart";
    for (field, asked) in [
        ("memory.kernel", memory.kernel.is_some()),
        ("memory.kernelTCP", memory.kernel_tcp.is_some()),
        ("memory.swappiness", memory.swappiness.is_some()),
        ("memory.disableOOMKiller", memory.disable_oom_killer == Some(true)),
        ("memory.useHierarchy", memory.use_hierarchy == Some(false)),
    ] {
        if asked {
            return Err(inexpressible(field, 2, only_v1));
        }
    }
    memory.reservation.into_iter().for_each(|low| set("memory.low", or(low, "max")));
    // Swap before memory: a smaller memory.max pushes out at once what is too much, into swap if it may.
    if let Some(value) = swap(memory)? {
        set("memory.swap.max", value);
    }
    memory.limit.into_iter().for_each(|limit| set("memory.max", or(limit, "max")));
    Ok(())
}

/// Version 1 counts memory and swap together, and so does the specification; version 2 counts swap alone.
fn swap(memory: &Memory) -> Result<Option<String>> {
    match (memory.swap, memory.limit) {
        (None, _) => Ok(None),
        (Some(both), _) if both < 0 => Ok(Some("max".to_owned())),
        (Some(both), Some(limit)) if limit >= 0 => {
            let alone = convert::swap_from_memsw(limit as u64, both as u64);
            alone.map(|alone| Some(alone.to_string())).ok_or_else(|| {
                Error::refused(format!(
                    "config.json: linux.resources.memory.swap: {both} is less than limit, {limit}"
                ))
                .with_hint("swap is memory and swap together (config-linux.md, Memory)")
            })
        }
        (Some(_), _) => Err(inexpressible(
            "memory.swap without limit",
            2,
            "give memory.limit as well: swap is the sum of both",
        )),
    }
}

fn cpu(cpu: &Cpu, set: &mut impl FnMut(&str, String)) -> Result<()> {
    if cpu.realtime_runtime.is_some() || cpu.realtime_period.is_some() {
        return Err(inexpressible("cpu.realtimeRuntime", 2, "version 2 does not divide real-time yet"));
    }
    cpu.shares
        .into_iter()
        .for_each(|shares| set("cpu.weight", convert::weight_from_shares(shares).to_string()));
    cpu.idle.into_iter().for_each(|idle| set("cpu.idle", idle.to_string()));
    let quota = cpu.quota.map_or("max".to_owned(), |quota| or(quota, "max"));
    match (cpu.quota, cpu.period) {
        (None, None) => (),
        // One number alone leaves the period as it is (kernel/sched/core.c, cpu_period_quota_parse()).
        (Some(_), None) => set("cpu.max", quota),
        (_, Some(period)) => set("cpu.max", format!("{quota} {period}")),
    }
    cpu.burst.into_iter().for_each(|burst| set("cpu.max.burst", burst.to_string()));
    Ok(())
}

fn block_io(io: &BlockIo, set: &mut impl FnMut(&str, String)) -> Result<()> {
    if io.leaf_weight.is_some() || io.weight_device.iter().any(|disk| disk.leaf_weight.is_some()) {
        let why = "it was a file of the CFQ scheduler, which is gone since Linux 5.0";
        return Err(inexpressible("blockIO.leafWeight", 2, why));
    }
    io.weight.into_iter().for_each(|weight| set("io.weight", format!("default {}", io_weight(weight))));
    for disk in &io.weight_device {
        let line = |weight| format!("{}:{} {}", disk.major, disk.minor, io_weight(weight));
        disk.weight.into_iter().for_each(|weight| set("io.weight", line(weight)));
    }
    let mut disks: BTreeMap<(i64, i64), String> = BTreeMap::new();
    let mut add = |word: &str, list: &[ThrottleDevice]| {
        for disk in list {
            // 0 takes the limit away, as it does in version 1.
            let rate = if disk.rate == 0 { "max".to_owned() } else { disk.rate.to_string() };
            *disks.entry((disk.major, disk.minor)).or_default() += &format!(" {word}={rate}");
        }
    };
    add("rbps", &io.throttle_read_bps_device);
    add("wbps", &io.throttle_write_bps_device);
    add("riops", &io.throttle_read_iops_device);
    add("wiops", &io.throttle_write_iops_device);
    disks.into_iter().for_each(|((major, minor), rates)| set("io.max", format!("{major}:{minor}{rates}")));
    Ok(())
}

/// `blkio.weight` ran from 10 to 1000 with 500 in the middle, `io.weight` runs from 1 to 10000: ends on ends, as all
/// runtimes have it.
fn io_weight(weight: u16) -> u64 {
    match weight {
        0 => 100,
        weight => 1 + (u64::from(weight).clamp(10, 1000) - 10) * 9999 / 990,
    }
}

/// The same file and words in both versions.
pub(super) fn rdma(resources: &Resources, set: &mut impl FnMut(&str, String)) {
    for (device, limit) in &resources.rdma {
        let word =
            |name: &str, limit: Option<u32>| limit.map_or(String::new(), |limit| format!(" {name}={limit}"));
        let (handles, objects) =
            (word("hca_handle", limit.hca_handles), word("hca_object", limit.hca_objects));
        set("rdma.max", format!("{device}{handles}{objects}"));
    }
}

/// Whose file is `memory.high`? The word before the first dot says so; `cgroup.` is everybody's.
pub(super) fn owner(file: &str) -> Controller {
    named(prefix(file)).unwrap_or(Controller::Freezer)
}

/// Is it everybody's, or of a controller that we know?
pub(super) fn is_known(file: &str) -> bool {
    prefix(file) == "cgroup" || named(prefix(file)).is_some()
}

fn prefix(file: &str) -> &str {
    file.split('.').next().unwrap_or_default()
}

fn named(prefix: &str) -> Option<Controller> {
    Controller::all().find(|controller| controller.facts().v2 == Some(prefix))
}
