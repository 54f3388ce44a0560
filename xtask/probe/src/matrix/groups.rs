//! Control groups, seen and written from inside.
//!
//! mount(2), cgroups(7), cgroup_namespaces(7) (4.6, 2016). Book: "The matrix".
//! Invariant: no limit is changed: a file is opened for writing, and closed.

use super::{Ground, Seen, any, errno, one};
use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
};
use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

pub(super) fn path(ground: &Ground) -> Seen {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let longest = text.lines().filter_map(|line| line.splitn(3, ':').nth(2)).max_by_key(|path| path.len());
    ground.by_namespace("cgroup", &format!("own path: {}", longest.unwrap_or("none")))
}

fn writable(path: &Path) -> Result<(), Errno> {
    OpenOptions::new().write(true).open(path).map(drop).map_err(|error| errno(&error))
}

/// Where hierarchies may be mounted already.
fn visible() -> Result<(), Errno> {
    let tops = ["/sys/fs/cgroup", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"].map(PathBuf::from);
    let tried: Vec<_> = tops.iter().map(|top| writable(&top.join("cgroup.procs"))).collect();
    let known = tried.iter().copied().find(|one| one.is_ok());
    known
        .or_else(|| tried.iter().copied().find(|one| *one != Err(Errno::ENOENT)))
        .unwrap_or(Err(Errno::ENOENT))
}

/// Mounts a hierarchy, opens a file of it for writing, and unmounts it.
fn mounted(ground: &Ground, kind: &str, options: Option<&str>, file: &str) -> Result<(), Errno> {
    let target = ground.at("/mnt");
    mount(Some(kind), &target, Some(kind), MsFlags::empty(), options)?;
    let tried = writable(&target.join(file));
    umount2(&target, MntFlags::MNT_DETACH).ok();
    tried
}

pub(super) fn own_limit(ground: &Ground) -> Seen {
    any(vec![
        ("a mounted cgroup.procs is writable", visible()),
        ("mount(cgroup, pids)", mounted(ground, "cgroup", Some("pids"), "cgroup.procs")),
        ("mount(cgroup2)", mounted(ground, "cgroup2", None, "cgroup.procs")),
    ])
}

pub(super) fn release_agent(ground: &Ground) -> Seen {
    let name = ground.word("hierarchy");
    if name.is_empty() {
        return Seen::Absent("no hierarchy of version 1 could be made for it".into());
    }
    one(
        "release_agent is writable",
        mounted(ground, "cgroup", Some(&format!("none,name={name}")), "release_agent"),
    )
}
