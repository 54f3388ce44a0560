//! Limits as version 2 writes them.
//!
//! Documentation/admin-guide/cgroup-v2.rst, 2016. Book: "The same request twice" (`conversions`).
//! Invariant: pure; one write for what belongs together, so that no half of it is ever in force.

use super::{Cpus, IoLimit, Limits, Setting};
use crate::Result;
use crate::controller::Controller;

pub(super) fn settings(limits: &Limits, controller: Controller) -> Result<Vec<Setting>> {
    let set = |file: &str, value: String| Setting::new(controller, file, value);
    Ok(match controller {
        Controller::Memory => memory(limits),
        Controller::Cpu => cpu(limits),
        Controller::Cpuset => {
            let cpus = limits.cpuset_cpus.iter().map(|list| set("cpuset.cpus", list.clone()));
            cpus.chain(limits.cpuset_mems.iter().map(|list| set("cpuset.mems", list.clone()))).collect()
        }
        Controller::Pids => limits.pids.iter().map(|limit| set("pids.max", limit.to_string())).collect(),
        Controller::Io => {
            let weight = limits.io_weight.map(|weight| set("io.weight", format!("default {weight}")));
            weight.into_iter().chain(limits.io.iter().map(|limit| set("io.max", io_max(limit)))).collect()
        }
        Controller::Hugetlb => {
            let of = |size: &str| format!("hugetlb.{size}.max");
            limits.hugetlb.iter().map(|huge| set(&of(&huge.size), huge.limit.to_string())).collect()
        }
        Controller::Rdma => {
            let line = |l: &super::RdmaLimit| {
                format!("{} hca_handle={} hca_object={}", l.device, l.handles, l.objects)
            };
            limits.rdma.iter().map(|limit| set("rdma.max", line(limit))).collect()
        }
        Controller::Misc => {
            limits.misc.iter().map(|misc| set("misc.max", format!("{} {}", misc.name, misc.limit))).collect()
        }
        Controller::Cpuacct | Controller::Devices | Controller::Freezer => Vec::new(),
    })
}

fn memory(limits: &Limits) -> Vec<Setting> {
    let set = |file: &str, value: String| Setting::new(Controller::Memory, file, value);
    let limit = |file: &str, limit: Option<super::Limit>| limit.map(|limit| set(file, limit.to_string()));
    let all = [
        limit("memory.low", limits.memory_low),
        limit("memory.high", limits.memory_high),
        // Swap before memory: a smaller memory.max pushes out at once what is too much, into swap if it may.
        limit("memory.swap.max", limits.swap),
        limit("memory.max", limits.memory_max),
        limits.oom_group.map(|whole| set("memory.oom.group", u8::from(whole).to_string())),
    ];
    all.into_iter().flatten().collect()
}

// ANCHOR: cpu
fn cpu(limits: &Limits) -> Vec<Setting> {
    let set = |file: &str, value: String| Setting::new(Controller::Cpu, file, value);
    let weight = limits.cpu_weight.map(|weight| set("cpu.weight", weight.to_string()));
    let max = match limits.cpus {
        Some(Cpus::All) => Some(format!("max {}", limits.period())),
        Some(Cpus::Quota(_)) => limits.quota().map(|quota| format!("{quota} {}", limits.period())),
        None => None,
    };
    let burst = limits.cpu_burst.map(|burst| set("cpu.max.burst", burst.to_string()));
    [weight, max.map(|max| set("cpu.max", max)), burst].into_iter().flatten().collect()
}
// ANCHOR_END: cpu

// ANCHOR: io
/// `8:0 rbps=1048576 wiops=max`
fn io_max(limit: &IoLimit) -> String {
    let rates = [("rbps", limit.rbps), ("wbps", limit.wbps), ("riops", limit.riops), ("wiops", limit.wiops)];
    let words = rates.iter().filter_map(|(name, rate)| rate.map(|rate| format!(" {name}={rate}")));
    words.fold(limit.device.to_string(), |line, word| line + &word)
}
// ANCHOR_END: io
