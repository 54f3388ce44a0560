//! Asks this machine for its layout.
//!
//! /proc/self/mountinfo, /proc/self/cgroup, statfs(2), cgroup.controllers. Book: `info`.
//! Invariant: only reads; a mount point that something else covers is not believed.

use super::{Hierarchy, Layout, Version};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, statfs};
use stage2_namespaces::mountinfo::{self, Mount};
use std::fs::{self, File};
use std::io::Read;

impl Layout {
    /// The layout as this process sees it.
    pub fn read() -> Result<Layout> {
        let mut mounts = mountinfo::parse(&text("/proc/self/mountinfo")?)?;
        mounts.retain(|mount| matches!(mount.kind.as_str(), "cgroup" | "cgroup2"));
        let seen = mounts.iter().map(is_seen).collect::<Result<Vec<_>>>()?;
        let mut seen = seen.into_iter();
        mounts.retain(|_| seen.next() == Some(true));
        let mut layout = Layout::parse(&mounts, &text("/proc/self/cgroup")?)?;
        for hierarchy in layout.hierarchies.iter_mut().filter(|h| h.version == Version::V2) {
            hierarchy.controllers = offered(hierarchy)?;
        }
        Ok(layout)
    }

    /// The layout, or an error where there is none.
    pub fn require() -> Result<Layout> {
        let layout = Layout::read()?;
        if layout.useful().next().is_some() {
            return Ok(layout);
        }
        Err(Error::refused("no control groups are mounted here")
            .with_hint("mount -t cgroup2 none /sys/fs/cgroup, as root of the machine"))
    }
}

/// The last mount on a point covers the others: only what statfs finds there is there.
fn is_seen(mount: &Mount) -> Result<bool> {
    let magic = if mount.kind == "cgroup" { CGROUP_SUPER_MAGIC } else { CGROUP2_SUPER_MAGIC };
    match statfs(mount.target.as_str()) {
        Ok(filesystem) => Ok(filesystem.filesystem_type() == magic),
        // Nothing leads there for us.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP) => Ok(false),
        // It may be there: who takes it for absent makes a container without its limits.
        Err(errno) => Err(Error::call(format!("statfs({:?})", mount.target), errno)),
    }
}

/// What the topmost group we see may hand down.
fn offered(hierarchy: &Hierarchy) -> Result<Vec<String>> {
    let path = hierarchy.mount.join("cgroup.controllers");
    let text = fs::read_to_string(&path).map_err(|e| Error::io(format!("open({path:?})"), &e))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

fn text(path: &str) -> Result<String> {
    // Files of /proc have no size to be asked for, and in small pieces they are many calls.
    let mut bytes = Vec::with_capacity(16 * 1024);
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|e| {
        Error::io(format!("open({path:?})"), &e).with_hint("needs /proc: mount -t proc proc /proc")
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
