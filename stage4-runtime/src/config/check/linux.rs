//! What is asked of the Linux section, but for its larger parts.
//!
//! No kernel calls; config-linux.md. Book: `config`.
//! Invariant: pure; nothing is taken for granted that config-linux.md makes a condition.

use super::{Findings, devices, ids, namespaces, network, rdt, resources, sysctl, text};
use crate::config::Config;
use crate::config::fault::At;
use crate::config::linux::{Linux, MemoryFlag, MemoryMode, MemoryPolicy, Personality};

pub(super) fn check(config: &Config, at: At<'_>, found: &mut Findings) {
    let linux = &config.linux;
    namespaces::check(linux, at, found);
    ids::of_namespace(linux, at, found);
    sysctl::check(config, at.key("sysctl"), found);
    devices::nodes(&linux.devices, at.key("devices"), found);
    network::devices(linux, at.key("netDevices"), found);
    paths(linux, at, found);
    if let Some(resources) = &linux.resources {
        resources::check(resources, at.key("resources"), found);
    }
    if let Some(seccomp) = &linux.seccomp {
        seccomp.check(&at.key("seccomp"), found);
    }
    if let Some(rdt) = &linux.intel_rdt {
        rdt::check(rdt, at.key("intelRdt"), found);
    }
    if let Some(personality) = &linux.personality {
        domain(personality, at.key("personality"), found);
    }
    if let Some(policy) = &linux.memory_policy {
        memory(policy, at.key("memoryPolicy"), found);
    }
    if let Some(label) = &linux.mount_label {
        text::line(label, &at.key("mountLabel"), "config-linux.md, Mount Label", found);
    }
}

fn paths(linux: &Linux, at: At<'_>, found: &mut Findings) {
    let lists = [
        ("maskedPaths", &linux.masked_paths, "config-linux.md, Masked Paths"),
        ("readonlyPaths", &linux.readonly_paths, "config-linux.md, Readonly Paths"),
    ];
    for (name, paths, rule) in lists {
        let at = at.key(name);
        for (number, path) in paths.iter().enumerate() {
            text::absolute(path, &at.index(number), rule, found);
            text::downwards(path, &at.index(number), found);
        }
    }
    if let Some(path) = &linux.cgroups_path {
        let (at, rule) = (at.key("cgroupsPath"), "config-linux.md, Cgroups Path");
        text::line(path, &at, rule, found);
        text::downwards(path, &at, found);
        if let Some(part) = path.split('/').find(|part| part.len() > 255) {
            found.refuse(&at, format!("a name in it has {} bytes, more than 255", part.len()), rule);
        }
    }
}

fn domain(personality: &Personality, at: At<'_>, found: &mut Findings) {
    let at = at.key("flags");
    for (number, flag) in personality.flags.iter().enumerate() {
        let what = format!("{flag:?} is no flag: none are defined");
        found.refuse(&at.index(number), what, "config-linux.md, Personality");
    }
}

/// mm/mempolicy.c, mpol_new() and sanitize_mpol_flags().
fn memory(policy: &MemoryPolicy, at: At<'_>, found: &mut Findings) {
    /// 1 << CONFIG_NODES_SHIFT, at most.
    const NODES: u32 = 1024;
    const CALL: &str = "set_mempolicy(2)";
    let (mode, nodes) = (policy.mode, policy.nodes.as_deref().unwrap_or_default());
    text::list(nodes, NODES, &at.key("nodes"), "config-linux.md, Memory policy", found);
    match mode {
        MemoryMode::Default | MemoryMode::Local if !nodes.is_empty() => {
            found.refuse(&at.key("nodes"), format!("{nodes:?} is given, but {mode} takes none"), CALL);
        }
        MemoryMode::Default | MemoryMode::Local | MemoryMode::Preferred => {}
        _ if nodes.is_empty() => {
            found.refuse(&at.key("nodes"), format!("is missing; {mode} takes some"), CALL)
        }
        _ => {}
    }
    let (fixed, relative) = (policy.has(MemoryFlag::StaticNodes), policy.has(MemoryFlag::RelativeNodes));
    if fixed && relative {
        found.refuse(&at.key("flags"), "static and relative nodes exclude each other", CALL);
    } else if (fixed || relative) && nodes.is_empty() && mode != MemoryMode::Default {
        found.refuse(&at.key("flags"), "static or relative nodes, but there are none", CALL);
    }
    let balanced = matches!(mode, MemoryMode::Bind | MemoryMode::PreferredMany);
    if policy.has(MemoryFlag::NumaBalancing) && !balanced {
        let what = format!("MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY, not for {mode}");
        found.refuse(&at.key("flags"), what, CALL);
    }
}
