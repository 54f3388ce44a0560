//! Where it takes place: a root with two directories that are exchanged with links, and what the links lead to.
//!
//! ```text
//! outside/                the canary: where the links lead on the host
//! root/absolute/          exchanged with a link to outside
//! root/relative/          exchanged with one of many `..`
//! root/…/outside/         the same path inside: where the links lead for who has this root
//! ```
//!
//! openat(2), fstat(2). Book: "Whoever is faster" (`races`).
//! Invariant: what is exchanged is reached by descriptors, so that who observes is not led astray.

use crate::attacker::Attacker;
use crate::ground::{Bench, is_root};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::sys::statvfs::{FsFlags, statvfs};
use observe::scratch::{MEMORY, Scratch};
use serde_json::{Value, json};
use std::fs::{self, File, Metadata};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// So many targets has one container: names in the directories that are exchanged.
pub const BATCH: usize = 100;

/// What stands at a target before something is made there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Node {
    Directory,
    File,
    Missing,
}

/// The two directories, by name.
pub const EXCHANGED: [&str; 2] = ["absolute", "relative"];

/// In every directory, to be recognised by who works in it.
const SIGN: &str = "sign";

pub struct Arena {
    pub bench: Bench,
    root: Root,
    node: fn(usize) -> Node,
    /// The two directories, and where the links lead inside.
    inside: [File; 3],
    canary: Vec<String>,
}

impl Arena {
    /// None: cannot be observed here, which has been said.
    pub fn new(bench: Option<Bench>, node: fn(usize) -> Node) -> Option<Self> {
        let bench = bench?;
        let outside = bench.path("outside");
        let quick = Root::new(&bench);
        let root = quick.path(&bench);
        let decoy = root.join(outside.strip_prefix("/").unwrap());
        let up = PathBuf::from("../".repeat(20)).join(outside.strip_prefix("/").unwrap());
        fs::create_dir(&outside).unwrap();
        fs::create_dir_all(&decoy).unwrap();
        for (name, target) in EXCHANGED.into_iter().zip([&outside, &up]) {
            fs::create_dir(root.join(name)).unwrap();
            symlink(target, root.join(format!("{name}.link"))).unwrap();
        }
        let inside = [root.join("absolute"), root.join("relative"), decoy].map(|path| {
            fs::write(path.join(SIGN), "inside").unwrap();
            File::open(path).unwrap()
        });
        fs::write(decoy_sign(&inside), "linked").unwrap();
        fs::write(outside.join(SIGN), "outside").unwrap();
        let mut arena = Arena { bench, root: quick, node, inside, canary: Vec::new() };
        arena.sweep();
        (0..BATCH).for_each(|n| furnish(&arena.victim(n), node(n)));
        arena.remember();
        Some(arena)
    }

    /// What is outside is from now on as it has to be.
    pub fn remember(&mut self) {
        self.canary = self.look();
    }

    pub fn root(&self) -> PathBuf {
        self.root.path(&self.bench)
    }

    pub fn outside(&self) -> PathBuf {
        self.bench.path("outside")
    }

    /// The host's file that target `n` must never be.
    pub fn victim(&self, n: usize) -> PathBuf {
        self.outside().join(n.to_string())
    }

    pub fn attack(&self) -> Attacker {
        let root = self.root();
        Attacker::begin(EXCHANGED.map(|name| (root.join(name), root.join(format!("{name}.link")))).into())
    }

    /// The configuration for `sh -c SCRIPT`, of whoever runs the tests.
    pub fn config(&self, script: &str, edit: impl FnOnce(&mut Value)) {
        let root = self.root();
        configure(&self.bench, script, |config| {
            config["root"]["path"] = json!(root);
            edit(config);
        });
    }

    /// As it was before a container was made.
    pub fn sweep(&self) {
        for n in 0..BATCH {
            for path in self.inside.iter().map(|place| below(place, &n.to_string())) {
                if fs::remove_file(&path).is_err() {
                    fs::remove_dir(&path).ok();
                }
                furnish(&path, (self.node)(n));
            }
        }
    }

    /// How many of the targets are devices: in the directories, and where the links lead inside.
    pub fn devices(&self) -> (usize, usize) {
        let count = |place: &File| {
            let is_device = |n: &usize| {
                let found = fs::symlink_metadata(below(place, &n.to_string()));
                found.is_ok_and(|found| found.rdev() != 0)
            };
            (0..BATCH).filter(is_device).count()
        };
        let [absolute, relative, linked] = [0, 1, 2].map(|place| count(&self.inside[place]));
        (absolute + relative, linked)
    }

    /// What has changed outside.
    pub fn harm(&self) -> Option<String> {
        let now = self.look();
        let new = now.iter().find(|line| !self.canary.contains(line)).cloned();
        new.or_else(|| (now != self.canary).then(|| "something is missing outside".to_owned()))
    }

    /// Everything that can be said of the canary: a file that was made and removed leaves the directory's time changed.
    fn look(&self) -> Vec<String> {
        let told = |path: &Path, found: &Metadata| {
            let (device, inode, mode) = (found.dev(), found.ino(), found.mode());
            let (links, size, time) = (found.nlink(), found.size(), (found.ctime(), found.ctime_nsec()));
            format!("{}: {device} {inode} {mode:o} {links} {size} {time:?}", path.display())
        };
        let outside = self.outside();
        let entries = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().path());
        let mut lines: Vec<_> = entries.chain([outside.clone()]).collect();
        lines.sort();
        lines.iter().map(|path| told(path, &fs::symlink_metadata(path).unwrap())).collect()
    }
}

/// The container's root: on a file system in memory, where there is one. Exchanges are ten times as quick there.
struct Root(Option<Scratch>);

impl Root {
    fn new(bench: &Bench) -> Self {
        let suits = statfs(MEMORY).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
            && statvfs(MEMORY).is_ok_and(|found| !found.flags().contains(FsFlags::ST_NOEXEC));
        let directory = suits.then(|| Scratch::in_memory("stage4").unwrap());
        if let Some(directory) = &directory {
            fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
            let mut copy = std::process::Command::new("cp");
            let copied = copy.arg("-a").arg(bench.path("rootfs/.")).arg(directory.path()).status();
            assert!(copied.unwrap().success());
        }
        Root(directory)
    }

    fn path(&self, bench: &Bench) -> PathBuf {
        self.0.as_ref().map_or_else(|| bench.path("rootfs"), |directory| directory.path().to_owned())
    }
}

/// Where target `n` is, for who has the root.
pub fn place(n: usize) -> String {
    format!("/{}/{n}", EXCHANGED[n % EXCHANGED.len()])
}

/// The default configuration for `sh -c SCRIPT`; of an ordinary user the one for ordinary users.
pub fn configure(bench: &Bench, script: &str, edit: impl FnOnce(&mut Value)) {
    bench.config(script, |config| {
        if !is_root() {
            fs::remove_file(bench.path("config.json")).unwrap();
            bench.runtime(&["spec", "--rootless"]).assert().success();
            *config = bench.read("config.json");
            config["process"]["terminal"] = json!(false);
            config["process"]["args"] = json!(["sh", "-c", script]);
        }
        edit(config);
    });
}

fn decoy_sign(inside: &[File; 3]) -> PathBuf {
    below(&inside[2], SIGN)
}

fn below(place: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", place.as_raw_fd()))
}

pub fn furnish(path: &Path, node: Node) {
    match node {
        Node::Directory => fs::create_dir(path).unwrap(),
        Node::File => fs::write(path, "").unwrap(),
        Node::Missing => (),
    }
}
