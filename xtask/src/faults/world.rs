//! The sandbox before and after: everything a runtime could have left in it, and its removal.
//!
//! /proc, /sys/fs/cgroup, umount2(2), rmdir(2), kill(2). Book: "Every call that fails" (`faults`).
//! Invariant: whatever is there now and was not before is named; and is gone before the next point is tried.

use super::ground::PLACE;
use nix::{
    mount::{MntFlags, umount2},
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use observe::processes;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long what was killed may take to be gone.
const MOMENT: Duration = Duration::from_secs(3);

/// Everything, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct World(BTreeSet<String>);

/// Written by ourselves for each point.
const OWN: [&str; 3] = ["output", "errors", "pid"];

impl World {
    pub fn seen() -> World {
        bury();
        let mut all = BTreeSet::new();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        all.extend(mounts.lines().filter_map(|line| Some(format!("mount {}", line.split(' ').nth(4)?))));
        let alive = processes::all().into_iter().filter(|one| !one.zombie);
        all.extend(alive.map(|one| format!("process {}", one.pid)));
        groups(Path::new("/sys/fs/cgroup"), 6, &mut all);
        for (directory, kind) in [("/sys/class/net", "device"), ("/dev", "device"), ("/run/netns", "handle")]
        {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            all.extend(entries.map(|entry| format!("{kind} {}", entry.path().display())));
        }
        for directory in ["/run", "/dev/shm", "/var/tmp"] {
            files(Path::new(directory), &mut all);
        }
        World(all)
    }

    /// What is there beyond what was, or not there any more; nothing, as soon as it is as before.
    pub fn changed(&self, patience: bool) -> Vec<String> {
        let deadline = Instant::now() + if patience { MOMENT } else { Duration::from_millis(200) };
        loop {
            let now = World::seen();
            if now == *self {
                return Vec::new();
            }
            if Instant::now() > deadline {
                let more = now.0.difference(&self.0).map(|line| told(line));
                let less = self.0.difference(&now.0).map(|line| format!("no {line}"));
                return more.chain(less).collect();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Removes what is there beyond what was.
    pub fn restore(&self) {
        let now = World::seen();
        let more: Vec<_> = now.0.difference(&self.0).filter_map(|line| line.split_once(' ')).collect();
        let of = |kind: &'static str| more.iter().filter(move |one| one.0 == kind).map(|one| one.1);
        for pid in of("process").filter_map(|pid| pid.parse().ok()) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
        for group in of("group").filter(|group| group.contains("/freezer/")) {
            fs::write(Path::new(group).join("freezer.state"), "THAWED").ok();
        }
        of("group").for_each(|group| drop(fs::write(Path::new(group).join("cgroup.freeze"), "0")));
        for mount in of("mount") {
            umount2(mount, MntFlags::MNT_DETACH).ok();
        }
        thread::sleep(Duration::from_millis(50));
        bury();
        // The deepest first, as they sort.
        let groups: Vec<_> = of("group").collect();
        groups.iter().rev().for_each(|group| drop(fs::remove_dir(group)));
        let mut files: Vec<_> = of("file").filter_map(|file| Some(file.split_once(' ')?.1)).collect();
        files.sort_unstable();
        for file in files.iter().rev() {
            fs::remove_file(file).or_else(|_| fs::remove_dir(file)).ok();
        }
    }
}

/// A process by its name, too.
fn told(line: &str) -> String {
    let pid = line.strip_prefix("process ").and_then(|pid| pid.parse().ok());
    pid.map_or_else(|| line.to_owned(), |pid: i32| format!("{line} ({})", processes::command(pid)))
}

/// Orphans come to us, and are waited for.
pub(super) fn bury() {
    while matches!(
        waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)),
        Ok(status) if status != WaitStatus::StillAlive
    ) {}
}

fn directories(at: &Path) -> impl Iterator<Item = fs::DirEntry> {
    let entries = fs::read_dir(at).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

fn groups(at: &Path, depth: usize, all: &mut BTreeSet<String>) {
    for entry in directories(at).filter(|_| depth > 0) {
        all.insert(format!("group {}", entry.path().display()));
        groups(&entry.path(), depth - 1, all);
    }
}

/// With kind, size and owner; not beyond a mount.
fn files(at: &Path, all: &mut BTreeSet<String>) {
    let Ok(here) = fs::symlink_metadata(at) else { return };
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        let path = entry.path();
        if OWN.iter().any(|own| path == Path::new(PLACE).join(own)) {
            continue;
        }
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let size = if meta.is_dir() { 0 } else { meta.len() };
        all.insert(format!("file {:o},{size},{} {}", meta.mode(), meta.uid(), path.display()));
        if meta.is_dir() && meta.dev() == here.dev() {
            files(&path, all);
        }
    }
}
