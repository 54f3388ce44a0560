//! What is asked of mounts.
//!
//! No kernel calls; config.md, "Mounts"; mount(2), mount_setattr(2). Book: `config`.
//! Invariant: pure; nothing is mounted into /proc but what the list here allows.

use super::{Findings, ids, text};
use crate::config::fault::At;
use crate::config::linux::NamespaceKind;
use crate::config::{Config, Mount};

const RULE: &str = "config.md, Mounts";
const OPTIONS: &str = "config.md, Linux mount options";

/// Files of /proc that may be replaced: they inform, and decide nothing (lxcfs gives containers their own).
pub const REPLACEABLE: [&str; 11] = [
    "cpuinfo",
    "diskstats",
    "loadavg",
    "meminfo",
    "net/dev",
    "slabinfo",
    "stat",
    "swaps",
    "sys/crypto/fips_enabled",
    "sys/kernel/ns_last_pid",
    "uptime",
];

pub(super) fn check(config: &Config, found: &mut Findings) {
    let at = At::Top.key("mounts");
    let users = config.linux.namespace(NamespaceKind::User).is_some();
    for (number, mount) in config.mounts.iter().enumerate() {
        let at = at.index(number);
        destination(mount, at, found);
        kind(mount, at, found);
        options(mount, at, found);
        owners(mount, users, at, found);
    }
}

fn destination(mount: &Mount, at: At<'_>, found: &mut Findings) {
    let (at, path) = (at.key("destination"), &mount.destination);
    match path.as_bytes().first() {
        None => return found.refuse(&at, "\"\" is no path", RULE),
        Some(b'/') => {}
        Some(_) => found.warn(&at, format!("{path:?} is relative, and taken as \"/{path}\""), RULE),
    }
    text::downwards(path, &at, found);
    let names: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    match names[..] {
        ["proc"] if !mount.is_bind() && mount.kind.as_deref() != Some("proc") => {
            found.refuse(&at, "only a proc file system is mounted on /proc", "CVE-2019-19921");
        }
        ["proc", ref below @ ..] if !below.is_empty() && !REPLACEABLE.contains(&below.join("/").as_str()) => {
            let what = format!("nothing is mounted on {path:?}: what decides there must be the kernel's own");
            found.refuse(&at, what, "CVE-2019-16884");
        }
        _ => {}
    }
}

fn kind(mount: &Mount, at: At<'_>, found: &mut Findings) {
    let sourceless = mount.source.as_deref().unwrap_or_default().is_empty();
    match mount.kind.as_deref() {
        _ if mount.is_bind() && sourceless => {
            found.refuse(&at.key("source"), "is missing; a bind mount is one of something", RULE);
        }
        _ if mount.is_bind() => {}
        Some("bind") => {
            let what = "\"bind\" is no file system; a bind mount has bind or rbind among its options";
            found.refuse(&at.key("type"), what, RULE);
        }
        None | Some("") if !mount.has("remount") => {
            found.refuse(&at.key("type"), "is missing; only a bind mount needs none", "mount(2)");
        }
        _ => {}
    }
}

fn options(mount: &Mount, at: At<'_>, found: &mut Findings) {
    let list = at.key("options");
    for (number, option) in mount.options.iter().enumerate().filter(|(_, option)| option.is_empty()) {
        found.refuse(&list.index(number), format!("{option:?} is no option"), OPTIONS);
    }
    if mount.has("idmap") && mount.has("ridmap") {
        found.refuse(&list, "idmap and ridmap exclude each other", OPTIONS);
    }
    if mount.has("tmpcopyup") && mount.kind.as_deref() != Some("tmpfs") {
        found.refuse(&list, "tmpcopyup is for a tmpfs, and this is none", OPTIONS);
    }
}

/// Owners that are mapped: by maps of the mount's own, or by those of the container's user namespace.
fn owners(mount: &Mount, users: bool, at: At<'_>, found: &mut Findings) {
    let own = match (mount.uid_mappings.is_empty(), mount.gid_mappings.is_empty()) {
        (true, true) => false,
        (false, false) => true,
        (false, true) => return found.refuse(&at.key("gidMappings"), "is missing beside uidMappings", RULE),
        (true, false) => return found.refuse(&at.key("uidMappings"), "is missing beside gidMappings", RULE),
    };
    let asked = mount.has("idmap") || mount.has("ridmap");
    if own {
        ids::map(&mount.uid_mappings, at.key("uidMappings"), found);
        ids::map(&mount.gid_mappings, at.key("gidMappings"), found);
        if !asked {
            let what = "is given without idmap or ridmap among the options; it is applied as idmap";
            found.warn(&at.key("uidMappings"), what, RULE);
        }
    } else if asked && !users {
        let what = "idmap and ridmap need uidMappings and gidMappings, or a user namespace to take them from";
        found.refuse(&at.key("options"), what, OPTIONS);
    }
}
