//! The host as it is at a moment, to be held against itself later.
//!
//! unshare(2), mountinfo in proc(5), cgroups(7). Book: "How it is tested".
//! Invariant: what strangers do meanwhile is not seen: root's test has mounts, devices and names of its own, and all else
//! that counts carries the bench's name.

use crate::ground::{Bench, is_root, until};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a refused command must not have touched.
#[derive(Debug, PartialEq)]
pub struct Host {
    mounts: Vec<String>,
    groups: Vec<PathBuf>,
    devices: BTreeSet<String>,
    names: String,
    files: BTreeMap<PathBuf, String>,
    processes: BTreeSet<i32>,
}

/// Namespaces of this thread's own. The mounts are nobody else's, but shared again: what a container's mounts propagate
/// arrives here.
pub fn alone() {
    if !is_root() {
        return;
    }
    let kinds = [CloneFlags::CLONE_NEWNS, CloneFlags::CLONE_NEWNET, CloneFlags::CLONE_NEWUTS];
    unshare(kinds.into_iter().collect()).unwrap();
    for propagation in [MsFlags::MS_PRIVATE, MsFlags::MS_SHARED] {
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | propagation, None::<&str>).unwrap();
    }
}

impl Host {
    pub fn look(bench: &Bench) -> Host {
        let own = |line: &&str| is_root() || line.contains(bench.name());
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let interfaces = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let interfaces =
            interfaces.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        let uts = nix::sys::utsname::uname().unwrap();
        let mut files = BTreeMap::new();
        describe(&bench.path(""), bench.path("state").exists(), &mut files);
        Host {
            groups: hierarchies(&mounts).iter().flat_map(|top| named(top, bench.name())).collect(),
            mounts: mounts.lines().filter(own).map(str::to_owned).collect(),
            devices: if is_root() { interfaces.collect() } else { BTreeSet::new() },
            names: format!("{:?} {:?}", uts.nodename(), uts.domainname()),
            files,
            processes: processes().filter(|pid| is_of(*pid, bench.name())).collect(),
        }
    }

    /// Whoever was killed may take a moment to be gone; all else is as it was, now.
    pub fn is_as_before(&self, bench: &Bench, row: &str) {
        let mut now = Host::look(bench);
        until("its processes are gone", || {
            let gone = now.processes == self.processes;
            if !gone {
                now = Host::look(bench);
            }
            gone
        });
        assert_eq!(changes(&self.files, &now.files), Vec::<String>::new(), "{row}: files");
        assert_eq!(now.groups, self.groups, "{row}: control groups");
        assert_eq!(now.mounts, self.mounts, "{row}: mounts");
        assert_eq!(now, *self, "{row}");
    }
}

/// Where control groups are mounted.
fn hierarchies(mounts: &str) -> Vec<PathBuf> {
    let is_one = |line: &&str| line.split_once(" - ").is_some_and(|(_, rest)| rest.starts_with("cgroup"));
    mounts.lines().filter(is_one).filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from).collect()
}

/// The groups below `directory` that are called so, and all that is below them.
fn named(directory: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut all: Vec<_> = below.flat_map(|entry| named(&entry.path(), name)).collect();
    all.extend(directory.to_string_lossy().contains(name).then(|| directory.to_owned()));
    all.sort();
    all
}

/// Every file: what it is, and when something of it was changed last. Of directories only as long as nothing was `begun`:
/// afterwards containers come, and go without a trace.
fn describe(path: &Path, begun: bool, all: &mut BTreeMap<PathBuf, String>) {
    let Ok(file) = fs::symlink_metadata(path) else { return };
    let (mode, owner, device) = (file.mode(), (file.uid(), file.gid()), file.rdev());
    let what = match begun && file.is_dir() {
        true => format!("{mode:o} {owner:?}"),
        false => {
            format!("{mode:o} {owner:?} {device} {} {}.{}", file.size(), file.ctime(), file.ctime_nsec())
        }
    };
    all.insert(path.to_owned(), what);
    if file.is_dir() {
        fs::read_dir(path).unwrap().flatten().for_each(|entry| describe(&entry.path(), begun, all));
    }
}

fn changes(before: &BTreeMap<PathBuf, String>, now: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let paths: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let changed = paths.into_iter().filter(|path| before.get(*path) != now.get(*path));
    changed.map(|path| format!("{path:?}: {:?}, now {:?}", before.get(path), now.get(path))).collect()
}

fn processes() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// By its group or its words: those of the runtime name the directory of state, until they are its program's.
fn is_of(pid: i32, name: &str) -> bool {
    let holds = |file: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        bytes.windows(name.len()).any(|part| part == name.as_bytes())
    };
    let zombie = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    ["cgroup", "cmdline"].into_iter().any(holds) && !zombie()
}
