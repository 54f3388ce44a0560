//! Limits as version 1 writes them.
//!
//! Documentation/admin-guide/cgroup-v1/*.rst, 2008. Book: "The same request twice" (`conversions`).
//! Invariant: pure; each write is allowed after those before it, whatever the files held.

use super::{Limit, Limits, Setting, convert, inexpressible};
use crate::controller::Controller;
use crate::{Error, Result};

pub(super) fn settings(limits: &Limits, controller: Controller) -> Result<Vec<Setting>> {
    let set = |file: &str, value: String| Setting::new(controller, file, value);
    Ok(match controller {
        Controller::Memory => memory(limits)?,
        Controller::Cpu => cpu(limits),
        Controller::Cpuset => {
            let cpus = limits.cpuset_cpus.iter().map(|list| set("cpuset.cpus", list.clone()));
            cpus.chain(limits.cpuset_mems.iter().map(|list| set("cpuset.mems", list.clone()))).collect()
        }
        Controller::Pids => limits.pids.iter().map(|limit| set("pids.max", limit.to_string())).collect(),
        Controller::Io => io(limits)?,
        Controller::Hugetlb => {
            let of = |size: &str| format!("hugetlb.{size}.limit_in_bytes");
            limits.hugetlb.iter().map(|huge| set(&of(&huge.size), huge.limit.or_minus_one())).collect()
        }
        // The same files and the same words as in version 2.
        Controller::Rdma | Controller::Misc => super::v2::settings(limits, controller)?,
        Controller::Cpuacct | Controller::Devices | Controller::Freezer => Vec::new(),
    })
}

fn memory(limits: &Limits) -> Result<Vec<Setting>> {
    if limits.memory_high.is_some() {
        return Err(inexpressible(
            "memory.high",
            "1",
            "version 1 knows no limit that slows down; --memory is one that kills",
        ));
    }
    // ANCHOR: oom-group
    if limits.oom_group == Some(true) {
        let instead =
            "version 1 kills one process of the group; watch for it (stat --watch) and kill the rest";
        return Err(inexpressible("memory.oom.group", "1", instead));
    }
    // ANCHOR_END: oom-group
    let set = |file: &str, value: String| Setting::new(Controller::Memory, file, value);
    // ANCHOR: swap
    let together = together(limits)?;
    let mut settings = Vec::new();
    // The sum may never be below the limit of memory, so first it is out of the way.
    if limits.memory_max.is_some() && together.is_some() {
        settings.push(set("memory.memsw.limit_in_bytes", "-1".to_owned()));
    }
    settings.extend(limits.memory_max.map(|limit| set("memory.limit_in_bytes", limit.or_minus_one())));
    settings.extend(together.map(|limit| set("memory.memsw.limit_in_bytes", limit.or_minus_one())));
    // ANCHOR_END: swap
    // Both are a wish of the group's under pressure, no guarantee (the runtime specification's `reservation`).
    settings.extend(limits.memory_low.map(|limit| set("memory.soft_limit_in_bytes", limit.or_minus_one())));
    Ok(settings)
}

/// The limit of memory and swap together.
fn together(limits: &Limits) -> Result<Option<Limit>> {
    let hint = "give --memory as well: version 1 limits the sum of both (memory.memsw.limit_in_bytes)";
    match (limits.swap, limits.memory_max) {
        (None, _) => Ok(None),
        (Some(Limit::Max), _) => Ok(Some(Limit::Max)),
        (Some(Limit::At(swap)), Some(Limit::At(memory))) => Ok(Some(Limit::At(convert::memsw(memory, swap)))),
        (Some(Limit::At(_)), _) => Err(inexpressible("a limit of swap alone", "1", hint)),
    }
}

fn cpu(limits: &Limits) -> Vec<Setting> {
    let set = |file: &str, value: String| Setting::new(Controller::Cpu, file, value);
    let weight =
        limits.cpu_weight.map(|weight| set("cpu.shares", convert::shares_from_weight(weight).to_string()));
    let mut settings: Vec<_> = weight.into_iter().collect();
    // Period and quota are two files here: without a quota in between, no pair of old and new is too much.
    if limits.cpus.is_some() && limits.cpu_period.is_some() {
        settings.push(set("cpu.cfs_quota_us", "-1".to_owned()));
    }
    settings.extend(limits.cpu_period.map(|period| set("cpu.cfs_period_us", period.to_string())));
    if limits.cpus.is_some() {
        settings
            .push(set("cpu.cfs_quota_us", limits.quota().map_or("-1".to_owned(), |quota| quota.to_string())));
    }
    settings.extend(limits.cpu_burst.map(|burst| set("cpu.cfs_burst_us", burst.to_string())));
    settings
}

fn io(limits: &Limits) -> Result<Vec<Setting>> {
    let set = |file: &str, value: String| Setting::new(Controller::Io, file, value);
    let mut settings = Vec::new();
    match limits.io_weight {
        Some(weight) if weight > convert::BFQ_MOST => {
            return Err(Error::refused(format!("an io weight of {weight} cannot be expressed in version 1"))
                .with_hint(format!("blkio.bfq.weight ends at {}", convert::BFQ_MOST)));
        }
        weight => settings.extend(weight.map(|weight| set("blkio.bfq.weight", weight.to_string()))),
    }
    for limit in &limits.io {
        // 0 takes the limit away: block/blk-throttle.c, tg_set_conf().
        let rate = |limit: Limit| limit.number().unwrap_or(0);
        for (file, asked) in [
            ("blkio.throttle.read_bps_device", limit.rbps),
            ("blkio.throttle.write_bps_device", limit.wbps),
            ("blkio.throttle.read_iops_device", limit.riops),
            ("blkio.throttle.write_iops_device", limit.wiops),
        ] {
            settings.extend(asked.map(|asked| set(file, format!("{} {}", limit.device, rate(asked)))));
        }
    }
    Ok(settings)
}
