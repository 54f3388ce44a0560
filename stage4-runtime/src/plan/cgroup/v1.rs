//! The specification's resources in the files of version 1, whose units they have.
//!
//! Documentation/admin-guide/cgroup-v1/, 2008. Book: "Resources" (`resources`).
//! Invariant: pure; each write is allowed after those before it, whatever the files held.

use super::{inexpressible, or};
use crate::Result;
use crate::config::block_io::BlockIo;
use crate::config::resources::{Cpu, Memory, Resources};
use stage3_cgroups::Controller;
use stage3_cgroups::limits::Setting;

pub(super) fn settings(resources: &Resources, controller: Controller, all: &mut Vec<Setting>) -> Result<()> {
    let mut set = |file: &str, value: String| all.push(Setting { controller, file: file.to_owned(), value });
    match controller {
        Controller::Memory => {
            resources.memory.iter().try_for_each(|memory| self::memory(memory, &mut set))?
        }
        Controller::Cpu => resources.cpu.iter().for_each(|cpu| self::cpu(cpu, &mut set)),
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
            set(&format!("hugetlb.{}.limit_in_bytes", huge.page_size), huge.limit.to_string());
        }),
        Controller::Rdma => super::v2::rdma(resources, &mut set),
        Controller::Cpuacct | Controller::Devices | Controller::Freezer | Controller::Misc => (),
    }
    Ok(())
}

fn memory(memory: &Memory, set: &mut impl FnMut(&str, String)) -> Result<()> {
    if memory.kernel.is_some() {
        let why =
            "memory.kmem.limit_in_bytes is gone since Linux 5.16, and never worked well: use memory.limit";
        return Err(inexpressible("memory.kernel", 1, why));
    }
    // The sum may never be below the limit of memory, so first it is out of the way.
    if memory.limit.is_some() && memory.swap.is_some() {
        set("memory.memsw.limit_in_bytes", "-1".to_owned());
    }
    for (file, limit) in [
        ("memory.limit_in_bytes", memory.limit),
        ("memory.memsw.limit_in_bytes", memory.swap),
        ("memory.soft_limit_in_bytes", memory.reservation),
        ("memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp),
    ] {
        limit.into_iter().for_each(|limit| set(file, or(limit, "-1")));
    }
    memory.swappiness.into_iter().for_each(|value| set("memory.swappiness", value.to_string()));
    let bit = |on: bool| u8::from(on).to_string();
    memory.use_hierarchy.into_iter().for_each(|on| set("memory.use_hierarchy", bit(on)));
    memory.disable_oom_killer.into_iter().for_each(|on| set("memory.oom_control", bit(on)));
    Ok(())
}

fn cpu(cpu: &Cpu, set: &mut impl FnMut(&str, String)) {
    cpu.shares.into_iter().for_each(|shares| set("cpu.shares", shares.to_string()));
    cpu.idle.into_iter().for_each(|idle| set("cpu.idle", idle.to_string()));
    // Two files: without a quota in between, no pair of old and new is too much.
    if cpu.period.is_some() && cpu.quota.is_some() {
        set("cpu.cfs_quota_us", "-1".to_owned());
    }
    cpu.period.into_iter().for_each(|period| set("cpu.cfs_period_us", period.to_string()));
    cpu.quota.into_iter().for_each(|quota| set("cpu.cfs_quota_us", or(quota, "-1")));
    cpu.burst.into_iter().for_each(|burst| set("cpu.cfs_burst_us", burst.to_string()));
    cpu.realtime_period.into_iter().for_each(|period| set("cpu.rt_period_us", period.to_string()));
    cpu.realtime_runtime.into_iter().for_each(|runtime| set("cpu.rt_runtime_us", runtime.to_string()));
}

fn block_io(io: &BlockIo, set: &mut impl FnMut(&str, String)) -> Result<()> {
    if io.leaf_weight.is_some() || io.weight_device.iter().any(|disk| disk.leaf_weight.is_some()) {
        let why = "it was a file of the CFQ scheduler, which is gone since Linux 5.0";
        return Err(inexpressible("blockIO.leafWeight", 1, why));
    }
    // BFQ has taken CFQ's place since Linux 5.0, with the same numbers.
    io.weight.into_iter().for_each(|weight| set("blkio.bfq.weight", weight.to_string()));
    for disk in &io.weight_device {
        let line = |weight| format!("{}:{} {weight}", disk.major, disk.minor);
        disk.weight.into_iter().for_each(|weight| set("blkio.bfq.weight_device", line(weight)));
    }
    for (file, list) in [
        ("blkio.throttle.read_bps_device", &io.throttle_read_bps_device),
        ("blkio.throttle.write_bps_device", &io.throttle_write_bps_device),
        ("blkio.throttle.read_iops_device", &io.throttle_read_iops_device),
        ("blkio.throttle.write_iops_device", &io.throttle_write_iops_device),
    ] {
        list.iter().for_each(|disk| set(file, format!("{}:{} {}", disk.major, disk.minor, disk.rate)));
    }
    Ok(())
}
