//! Told: the control group, and each limit as the write that sets it on this machine.
//!
//! No kernel calls; cgroups(7). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; files and values are those of `plan::cgroup::settings`, for the layout that is given.

use super::strace::{openat, perhaps, word, write};
use super::{ALWAYS, Story};
use crate::config::resources::Resources;
use crate::plan::cgroup;
use stage3_cgroups::layout::Hierarchy;
use stage3_cgroups::limits::Setting;
use stage3_cgroups::{Controller, GroupName, Layout, Version};
use std::path::PathBuf;

/// The hierarchies in which the group is, with its directory.
pub(super) fn places<'a>(story: &Story<'a>) -> Vec<(&'a Hierarchy, PathBuf)> {
    let (layout, plan) = (story.scene.layout, &story.plan.cgroup);
    if !story.scene.groups {
        return Vec::new();
    }
    let needed = plan.resources.as_ref().map(cgroup::controllers).unwrap_or_default();
    let wanted = |hierarchy: &Hierarchy| {
        // Root has cpusets everywhere: of version 1 `update` could not ask for them later.
        let roots = story.scene.caller.0 == 0 && hierarchy.only_on_demand();
        roots || needed.iter().any(|one| layout.home(*one) == Some(hierarchy))
    };
    let place = |hierarchy: &'a Hierarchy| {
        let base = hierarchy.base(plan.base).ok()?;
        let parts = base.iter().chain(plan.name.parts());
        Some((hierarchy, parts.fold(hierarchy.mount.clone(), |path, part| path.join(part))))
    };
    layout.useful().filter(|one| !one.only_on_demand() || wanted(one)).filter_map(place).collect()
}

/// The directory of `controller`; version 2 decides about devices without having the controller.
fn directory(places: &[(&Hierarchy, PathBuf)], controller: Controller) -> Option<PathBuf> {
    let here = places.iter().find(|(hierarchy, _)| hierarchy.has(controller));
    here.or_else(|| unified(places)).map(|(_, path)| path.clone())
}

/// The place in version 2, in which the process can be born.
pub(super) fn unified<'a, 'b>(
    places: &'a [(&'b Hierarchy, PathBuf)],
) -> Option<&'a (&'b Hierarchy, PathBuf)> {
    places.iter().find(|(hierarchy, _)| hierarchy.version == Version::V2)
}

pub(super) fn made(story: &mut Story<'_>) {
    let places = places(story);
    let asked = story.plan.linux.cgroups_path.as_deref().is_some_and(|path| !path.is_empty());
    let field = if asked { "linux.cgroupsPath" } else { ALWAYS };
    if places.is_empty() {
        let why = "nothing is delegated to the caller here: there is no group, and a limit would be an error";
        return story.tell(field, Vec::new(), None, why);
    }
    let parts = story.plan.cgroup.name.parts().to_vec();
    let mut calls = Vec::new();
    for (hierarchy, path) in &places {
        if hierarchy.version == Version::V2 {
            calls.push(perhaps(format!("write(<{}/cgroup.subtree_control>, \"+…\", …)", parent(path))));
        }
        for (depth, part) in parts.iter().enumerate() {
            let above = path.ancestors().nth(parts.len() - depth).unwrap_or(path).display();
            let call = format!("mkdirat(<{above}>, {part:?}, 0755)");
            calls.push(if depth + 1 == parts.len() { call } else { perhaps(call) });
        }
    }
    let command = format!("stage3-cgroups create {}", typed_name(story));
    let why = match asked {
        true => "one group in each hierarchy, made before anybody can be in it",
        false => "without a path it has the container's name, below the group that the runtime is in",
    };
    story.tell(field, calls, Some(command), why);
    if let Some(resources) = &story.plan.cgroup.resources {
        limits(story, resources, &places);
    }
}

/// What stage 3 would call it: names of groups that it makes begin with its own.
pub(super) fn typed_name(story: &Story<'_>) -> String {
    let name = &story.plan.cgroup.name;
    match name.is_ours() {
        true => word(&name.to_string()),
        false => word(&format!("{}{}", GroupName::PREFIX, name.parts().last().map_or("", String::as_str))),
    }
}

fn parent(path: &std::path::Path) -> String {
    path.parent().unwrap_or(path).display().to_string()
}

fn limits(story: &mut Story<'_>, resources: &Resources, places: &[(&Hierarchy, PathBuf)]) {
    let layout: &Layout = story.scene.layout;
    let settings = cgroup::settings(resources, |one| layout.version(one), layout.unified().is_some());
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            return story.tell("linux.resources", Vec::new(), None, &format!("refused here: {error}{hint}"));
        }
    };
    for (place, setting) in settings.iter().enumerate() {
        let Some(directory) = directory(places, setting.controller) else { continue };
        let file = directory.join(&setting.file).display().to_string();
        let calls = vec![
            openat(&format!("<{}>", directory.display()), &setting.file, "O_WRONLY|O_NOFOLLOW|O_CLOEXEC"),
            write(&file, &setting.value),
        ];
        let command = typed(resources, setting)
            .map(|limit| format!("stage3-cgroups set {} {limit}", typed_name(story)))
            .unwrap_or_else(|| written(&setting.value, &file));
        // Of two files that bound each other one is opened wide before both get their values.
        let again = settings[place + 1..].iter().any(|later| later.file == setting.file);
        let why = match again {
            true => "no limit for a moment, so that no pair of old and new ones is too much",
            false => "in force before the process is born",
        };
        story.tell(field(resources, setting), calls, Some(command), why);
    }
}

/// The option of stage 3's that is this one write, whatever the layout.
fn typed(resources: &Resources, setting: &Setting) -> Option<String> {
    let whole = setting.value.parse::<u64>().is_ok();
    match setting.file.as_str() {
        "memory.limit_in_bytes" | "memory.max" if whole => Some(format!("--memory {}", setting.value)),
        "pids.max" if whole => Some(format!("--pids {}", setting.value)),
        "cpuset.cpus" => Some(format!("--cpuset-cpus {}", word(&setting.value))),
        "cpuset.mems" => Some(format!("--cpuset-mems {}", word(&setting.value))),
        "memory.swap.max" if whole && resources.memory.is_some() => Some(format!("--swap {}", setting.value)),
        _ => None,
    }
}

/// By the names of its files: `linux.resources.` and so on.
fn field(resources: &Resources, setting: &Setting) -> String {
    let file = setting.file.as_str();
    if resources.unified.get(file).is_some_and(|value| *value == setting.value) {
        return format!("linux.resources.unified[{file:?}]");
    }
    let known = FIELDS.iter().find(|(name, _)| *name == file).map(|(_, field)| *field);
    let family = || match setting.controller {
        Controller::Hugetlb => "hugepageLimits",
        Controller::Rdma => "rdma",
        Controller::Io => "blockIO",
        Controller::Cpu => "cpu",
        Controller::Memory => "memory",
        other => other.facts().v1,
    };
    format!("linux.resources.{}", known.unwrap_or_else(family))
}

const FIELDS: [(&str, &str); 29] = [
    ("memory.limit_in_bytes", "memory.limit"),
    ("memory.max", "memory.limit"),
    ("memory.memsw.limit_in_bytes", "memory.swap"),
    ("memory.swap.max", "memory.swap"),
    ("memory.soft_limit_in_bytes", "memory.reservation"),
    ("memory.low", "memory.reservation"),
    ("memory.kmem.tcp.limit_in_bytes", "memory.kernelTCP"),
    ("memory.swappiness", "memory.swappiness"),
    ("memory.use_hierarchy", "memory.useHierarchy"),
    ("memory.oom_control", "memory.disableOOMKiller"),
    ("cpu.shares", "cpu.shares"),
    ("cpu.weight", "cpu.shares"),
    ("cpu.idle", "cpu.idle"),
    ("cpu.cfs_quota_us", "cpu.quota"),
    ("cpu.cfs_period_us", "cpu.period"),
    ("cpu.cfs_burst_us", "cpu.burst"),
    ("cpu.max", "cpu.quota"),
    ("cpu.max.burst", "cpu.burst"),
    ("cpu.rt_period_us", "cpu.realtimePeriod"),
    ("cpu.rt_runtime_us", "cpu.realtimeRuntime"),
    ("cpuset.cpus", "cpu.cpus"),
    ("cpuset.mems", "cpu.mems"),
    ("pids.max", "pids.limit"),
    ("blkio.bfq.weight", "blockIO.weight"),
    ("blkio.bfq.weight_device", "blockIO.weightDevice"),
    ("blkio.throttle.read_bps_device", "blockIO.throttleReadBpsDevice"),
    ("blkio.throttle.write_bps_device", "blockIO.throttleWriteBpsDevice"),
    ("blkio.throttle.read_iops_device", "blockIO.throttleReadIOPSDevice"),
    ("blkio.throttle.write_iops_device", "blockIO.throttleWriteIOPSDevice"),
];

/// As a shell writes it; of several lines by printf(1).
fn written(value: &str, file: &str) -> String {
    match value.contains('\n') {
        true => format!("printf {} > {}", word(&value.replace('\n', "\\n")), word(file)),
        false => format!("echo {} > {}", word(value), word(file)),
    }
}

/// The rules for devices, which hold from the first hook on.
pub(super) fn devices(story: &mut Story<'_>) {
    use stage3_cgroups::devices::Policy;
    let places = places(story);
    let Some(policy) = story.plan.policy.as_ref().filter(|_| !places.is_empty()) else { return };
    let why = "later than the other limits: until here init has made device files itself";
    let version = story.scene.layout.version(Controller::Devices);
    let Some(path) = directory(&places, Controller::Devices) else { return };
    let (all, each, rules) = match policy {
        Policy::Only(rules) => ("devices.deny", "devices.allow", rules),
        Policy::AllBut(rules) => ("devices.allow", "devices.deny", rules),
    };
    let calls = match version {
        Some(Version::V1) => std::iter::once((all, "a".to_owned()))
            .chain(rules.iter().map(|rule| (each, rule.to_string())))
            .map(|(file, text)| write(&path.join(file).display().to_string(), &text))
            .collect(),
        _ => vec![
            "bpf(BPF_PROG_LOAD, {prog_type=BPF_PROG_TYPE_CGROUP_DEVICE, …}, …)".to_owned(),
            "bpf(BPF_PROG_ATTACH, {…, attach_type=BPF_CGROUP_DEVICE, …}, …)".to_owned(),
        ],
    };
    let options: Vec<String> =
        rules.iter().map(|rule| format!("--device {}", word(&rule.to_string()))).collect();
    let command =
        matches!(policy, Policy::Only(_)).then(|| format!("stage3-cgroups run {} -- …", options.join(" ")));
    story.tell("linux.resources.devices", calls, command, why);
}
