//! What demos and tests could have left on the host, found by name.
//!
//! /proc/PID/mountinfo, /proc/PID/{root,cwd,cmdline}, flock(2), umount2(2). Book: "How to use this book".
//! Invariant: only what is named `stageN-…` and not in use is ours to report or remove.

use crate::scene;
use nix::{
    mount::{MntFlags, umount2},
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use std::{
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Something that was left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Residue {
    /// A process that lives in a scene, or is a canary of one.
    Process(i32, String),
    /// A mount in or below a scene.
    Mount(PathBuf),
    /// A scene's directory that nobody holds.
    Directory(PathBuf),
    /// A network namespace handle below /run/netns.
    Handle(PathBuf),
    /// A network device.
    Link(String),
    /// A control group.
    Cgroup(PathBuf),
}

impl fmt::Display for Residue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Residue::Process(pid, command) => write!(out, "process {pid} ({command})"),
            Residue::Mount(path) => write!(out, "mount {}", path.display()),
            Residue::Directory(path) => write!(out, "directory {}", path.display()),
            Residue::Handle(path) => write!(out, "network namespace handle {}", path.display()),
            Residue::Link(name) => write!(out, "network device {name}"),
            Residue::Cgroup(path) => write!(out, "control group {}", path.display()),
        }
    }
}

/// Everything of ours on this host, in an order in which it can be removed.
pub fn find() -> Vec<Residue> {
    let scenes = scenes();
    let mut found: Vec<_> = processes(&scenes);
    found.extend(mounts().into_iter().filter(|path| below(&scenes, path)).map(Residue::Mount));
    found.extend(scenes.iter().cloned().map(Residue::Directory));
    if !geteuid().is_root() {
        return found; // what follows only root can have made
    }
    found.extend(named(Path::new("/run/netns"), "").into_iter().map(Residue::Handle));
    let link =
        |path: PathBuf| path.file_name().map(|name| Residue::Link(name.to_string_lossy().into_owned()));
    found.extend(named(Path::new("/sys/class/net"), "").into_iter().filter_map(link));
    found.extend(cgroups().into_iter().map(Residue::Cgroup));
    found
}

impl Residue {
    /// Removes it.
    ///
    /// # Errors
    /// The kernel's own, when it cannot be removed.
    pub fn remove(&self) -> std::io::Result<()> {
        match self {
            Residue::Process(pid, _) => kill(Pid::from_raw(*pid), Signal::SIGKILL).map_err(Into::into),
            Residue::Mount(path) => umount2(path, MntFlags::MNT_DETACH).map_err(Into::into),
            Residue::Directory(path) => fs::remove_dir_all(path),
            Residue::Handle(path) => {
                umount2(path, MntFlags::MNT_DETACH)?;
                fs::remove_file(path)
            }
            Residue::Link(name) => delete_link(name),
            Residue::Cgroup(path) => fs::remove_dir(path),
        }
    }
}

fn delete_link(name: &str) -> std::io::Result<()> {
    let output = Command::new("ip").args(["link", "delete", name]).output()?;
    let told = || std::io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    if output.status.success() { Ok(()) } else { Err(told()) }
}

/// Whether a name is one that we give.
fn ours(name: &str) -> bool {
    let after = name.strip_prefix("stage").and_then(|rest| rest.strip_prefix(['1', '2', '3', '4']));
    after.is_some_and(|rest| rest.starts_with('-'))
}

/// What is ours in a directory, behind `prefix`.
fn named(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mine =
        entries.filter(|entry| entry.file_name().to_string_lossy().strip_prefix(prefix).is_some_and(ours));
    let mut paths: Vec<_> = mine.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Directories of scenes that no living demo or test holds.
fn scenes() -> Vec<PathBuf> {
    let Ok(ground) = scene::ground() else { return Vec::new() };
    let free = |path: &PathBuf| fs::File::open(path.join(".lock")).is_ok_and(|lock| lock.try_lock().is_ok());
    let finished = named(&ground, "").into_iter().filter(is_scene).filter(free);
    // A demo killed before it held its lock; a living one does so within the moment.
    let abandoned = named(&ground, ".").into_iter().filter(is_scene).filter(|path| is_old(path));
    finished.chain(abandoned).collect()
}

/// A directory of that name that belongs to us. Somebody else's is not ours to touch, least of all when
/// we are root: whoever made it could have lured processes and mounts into it.
fn is_scene(path: &PathBuf) -> bool {
    let named = path.file_name().is_some_and(|name| name.to_string_lossy().contains("-demo."));
    let own = |meta: fs::Metadata| meta.is_dir() && meta.uid() == geteuid().as_raw();
    named && fs::symlink_metadata(path).is_ok_and(own)
}

fn is_old(path: &Path) -> bool {
    let age =
        fs::metadata(path).and_then(|meta| meta.modified()).map(|time| time.elapsed().unwrap_or_default());
    age.is_ok_and(|age| age > Duration::from_secs(10))
}

fn below(scenes: &[PathBuf], path: &Path) -> bool {
    scenes.iter().any(|scene| path.starts_with(scene))
}

/// Mount points of this namespace, the last made first: the order in which they can be unmounted.
fn mounts() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let point = |line: &str| line.split(' ').nth(4).map(unescape);
    let mut points: Vec<_> = text.lines().filter_map(point).collect();
    points.reverse();
    points
}

/// mountinfo writes blanks and backslashes in octal (proc_pid_mountinfo(5)).
fn unescape(text: &str) -> PathBuf {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.iter().fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain)).into()
}

fn processes(scenes: &[PathBuf]) -> Vec<Residue> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let lives = |pid: &i32| {
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok();
        ["root", "cwd"].into_iter().filter_map(link).any(|path| below(scenes, &path))
    };
    let command = |pid: i32| {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned()
    };
    pids.filter(lives).map(|pid| Residue::Process(pid, command(pid))).collect()
}

/// Control groups of ours, the deepest first. Three levels hold everything that demos make.
fn cgroups() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut found = Vec::new();
    let mut level = vec![root.to_path_buf()];
    for _ in 0..4 {
        found.extend(level.iter().flat_map(|directory| named(directory, "")).filter(|path| path.is_dir()));
        let entries =
            level.iter().flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten());
        let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        level = entries.filter(is_directory).map(|entry| entry.path()).collect();
    }
    found.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_ours() {
        assert!(ours("stage1-demo.abc") && ours("stage4-x"));
        assert!(!ours("stage5-x") && !ours("stage1") && !ours("mystage1-x") && !ours("stages-1"));
    }

    #[test]
    fn mount_points_with_blanks_are_read_back() {
        assert_eq!(unescape("/tmp/a\\040b\\134c"), Path::new("/tmp/a b\\c"));
    }
}
