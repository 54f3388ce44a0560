//! What demos and tests could have left on the host, found by name.
//!
//! /proc/PID/mountinfo, /proc/PID/{root,environ}, flock(2), umount2(2). Book: "How to use this book".
//! Invariant: only what is named `stageN-…` is ours to report or remove; a scene or a test's directory, its mounts
//! and its processes only while nobody holds its lock; nor the groups of a living test.

pub(crate) mod containers;

use crate::{Error, Result, processes, scene, scratch};
use nix::{
    fcntl::OFlag,
    mount::{MntFlags, umount2},
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt,
    fs::{self, File},
    io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Something that was left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Residue {
    /// A container of stage 4, by its directory of state.
    Container(PathBuf),
    /// A process that a scene started, or whose root is in such a directory.
    Process(i32, String),
    /// A mount in or below such a directory.
    Mount(PathBuf),
    /// A directory of a scene or of a test that nobody holds.
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
            Residue::Container(path) => write!(out, "container {}", path.display()),
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
///
/// # Errors
/// When the mounts cannot be read: a scene must not be taken for one without any.
pub fn find() -> Result<Vec<Residue>> {
    let scenes = abandoned();
    // Containers first: to delete one removes its processes and groups as well.
    let mut found: Vec<_> = containers::left(&scenes).into_iter().map(Residue::Container).collect();
    found.extend(inhabitants(&scenes));
    found.extend(mounts()?.into_iter().filter(|path| below(&scenes, path)).map(Residue::Mount));
    found.extend(scenes.iter().cloned().map(Residue::Directory));
    if !geteuid().is_root() {
        return Ok(found); // what follows only root can have made
    }
    found.extend(named(Path::new("/run/netns"), "").into_iter().map(Residue::Handle));
    let link =
        |path: PathBuf| path.file_name().map(|name| Residue::Link(name.to_string_lossy().into_owned()));
    found.extend(named(Path::new("/sys/class/net"), "").into_iter().filter_map(link));
    found.extend(cgroups().into_iter().map(Residue::Cgroup));
    Ok(found)
}

impl Residue {
    /// Removes it.
    ///
    /// # Errors
    /// The kernel's own, when it cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        match self {
            Residue::Container(path) if path.exists() => containers::remove(path),
            Residue::Container(_) => Ok(()),
            // Looked at again: in the meantime its number could have become another's.
            Residue::Process(pid, _) if inhabitants(&abandoned()).contains(self) => {
                kill(Pid::from_raw(*pid), Signal::SIGKILL).map_err(Into::into)
            }
            Residue::Process(..) => Ok(()),
            Residue::Mount(path) => umount2(path, MntFlags::MNT_DETACH).map_err(Into::into),
            Residue::Directory(path) => remove_scene(path),
            Residue::Handle(path) => {
                umount2(path, MntFlags::MNT_DETACH)?;
                fs::remove_file(path)
            }
            Residue::Link(name) => delete_link(name),
            // Gone with its container, perhaps.
            Residue::Cgroup(path) if !path.exists() => Ok(()),
            Residue::Cgroup(path) => fs::remove_dir(path),
        }
    }
}

/// Not a file of it before the last mount is gone: the tree's remover stops at a mount, but only there.
fn remove_scene(path: &Path) -> io::Result<()> {
    match mounts().map_err(io::Error::other)?.iter().find(|mount| mount.starts_with(path)) {
        Some(mount) => Err(io::Error::other(format!("something is still mounted at {}", mount.display()))),
        None => scene::remove(path),
    }
}

fn delete_link(name: &str) -> io::Result<()> {
    let output = Command::new("ip").args(["link", "delete", name]).output()?;
    let told = || io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned());
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

/// Directories of scenes and of tests that no living demo or test holds.
fn abandoned() -> Vec<PathBuf> {
    let grounds = [std::env::temp_dir(), PathBuf::from(scratch::MEMORY)];
    let tests = scratches(&grounds).into_iter();
    let tests = tests.filter(|path| is_own(path, scratch::MARK) && is_old(path) && !is_held(path));
    let Ok(ground) = scene::ground() else { return tests.collect() };
    let finished =
        named(&ground, "").into_iter().filter(|path| is_own(path, scene::MARK)).filter(|path| is_free(path));
    // A demo killed before it held its lock; a living one does so within the moment.
    let unfinished =
        named(&ground, ".").into_iter().filter(|path| is_own(path, scene::MARK)).filter(|path| is_old(path));
    finished.chain(unfinished).chain(tests).collect()
}

/// Directories of tests, living or not, and whoever made them.
fn scratches(grounds: &[PathBuf]) -> BTreeSet<PathBuf> {
    let grounds = grounds.iter().filter_map(|ground| ground.canonicalize().ok());
    let marked =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(scratch::MARK));
    grounds.flat_map(|ground| named(&ground, "")).filter(marked).collect()
}

/// Whether nobody holds a scene's lock; one that lost its lock in a removal cut short goes by its age.
fn is_free(scene: &Path) -> bool {
    // Whoever was root in a jail in it could have laid a pipe or a link in the lock's place.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let lock = File::options().read(true).custom_flags(flags.bits()).open(scene.join(scene::LOCK));
    let own = |meta: fs::Metadata| meta.is_file() && meta.uid() == geteuid().as_raw();
    match lock.ok().filter(|lock| lock.metadata().is_ok_and(own)) {
        Some(lock) => lock.try_lock().is_ok(),
        None => is_old(scene),
    }
}

/// A directory of such a name that belongs to us. Somebody else's is not ours to touch, least of all when
/// we are root: whoever made it could have lured processes and mounts into it.
fn is_own(path: &Path, mark: &str) -> bool {
    let named = path.file_name().is_some_and(|name| name.to_string_lossy().contains(mark));
    let own = |meta: fs::Metadata| meta.is_dir() && meta.uid() == geteuid().as_raw();
    named && fs::symlink_metadata(path).is_ok_and(own)
}

/// Does a living test hold its directory? Asked with a lock that is shared: others may be asking as well.
fn is_held(directory: &Path) -> bool {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let lock = File::options().read(true).custom_flags(flags.bits()).open(directory);
    lock.is_ok_and(|lock| lock.try_lock_shared().is_err())
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
fn mounts() -> Result<Vec<PathBuf>> {
    let path = Path::new("/proc/self/mountinfo");
    // Bytes: a name of somebody else's that is not UTF-8 must not hide ours.
    let bytes = fs::read(path).map_err(Error::path("open", path))?;
    let point = |line: &[u8]| line.split(|&byte| byte == b' ').nth(4).map(unescape);
    Ok(bytes.split(|&byte| byte == b'\n').rev().filter_map(point).collect())
}

/// mountinfo writes blanks and backslashes as three octal digits (proc_pid_mountinfo(5)).
fn unescape(text: &[u8]) -> PathBuf {
    let (mut plain, mut rest) = (Vec::new(), text);
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.filter(|_| byte == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    OsString::from_vec(plain).into()
}

/// Processes that a scene started or whose root is in one; not whoever merely stands there, and never
/// those that we descend from: a reader looks around in a scene that was kept, and types `clean` there.
fn inhabitants(scenes: &[PathBuf]) -> Vec<Residue> {
    let spared = processes::own_line();
    let mark = |scene: &PathBuf| [scene::SCENE.as_bytes(), scene.as_os_str().as_bytes()].join(&b'=');
    let marks: Vec<_> = scenes.iter().map(mark).collect();
    let lives = |pid: i32| {
        let root = fs::read_link(format!("/proc/{pid}/root"));
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        root.is_ok_and(|root| below(scenes, &root))
            || environ.split(|&byte| byte == 0).any(|variable| marks.iter().any(|mark| mark == variable))
    };
    let pids = processes::all().into_iter().map(|process| process.pid);
    let ours = pids.filter(|pid| !spared.contains(pid) && lives(*pid));
    ours.map(|pid| Residue::Process(pid, processes::command(pid))).collect()
}

/// What the groups of a sandbox are called, before the pid of the shell that waits to remove them.
const SANDBOX: &str = "stage4-sandbox-";

/// Is it in a sandbox that somebody is still in? The shell beside it will remove it.
fn is_inhabited(group: &Path) -> bool {
    let names = group.components().filter_map(|part| part.as_os_str().to_str());
    let mut shells = names.filter_map(|name| name.strip_prefix(SANDBOX));
    let waits = |shell: &str| {
        fs::read(format!("/proc/{shell}/cmdline"))
            .is_ok_and(|words| words.split(|&byte| byte == 0).any(|word| word == b"stage4-sandbox"))
    };
    shells.any(waits)
}

/// Was it made by one of these tests? What a test's containers are called begins with the name of its directory.
fn is_of(tests: &[PathBuf], group: &Path) -> bool {
    let mut names = tests.iter().filter_map(|test| test.file_name());
    let parts = || group.components().map(|part| part.as_os_str().as_bytes());
    names.any(|name| parts().any(|part| part.starts_with(name.as_bytes())))
}

/// Control groups of ours and whatever is inside them, the deepest first. Six levels hold what demos make below the
/// group of a login.
fn cgroups() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut found = Vec::new();
    let mut level = vec![root.to_path_buf()];
    for _ in 0..6 {
        found.extend(level.iter().flat_map(|directory| named(directory, "")).filter(|path| path.is_dir()));
        let entries =
            level.iter().flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten());
        let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        level = entries.filter(is_directory).map(|entry| entry.path()).collect();
    }
    // What clients have made in the groups of a sandbox is named by them.
    let mut next = 0;
    while let Some(group) = found.get(next) {
        let inside = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
        let new: Vec<_> = inside.filter(|path| path.is_dir() && !found.contains(path)).collect();
        found.extend(new);
        next += 1;
    }
    // Wherever a test has its directory, and whoever it belongs to: at worst somebody keeps a group.
    let grounds = [std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from(scratch::MEMORY)];
    let living: Vec<_> = scratches(&grounds).into_iter().filter(|path| is_held(path)).collect();
    // Of a test that has ended meanwhile, both have gone.
    found.retain(|group| !is_inhabited(group) && !is_of(&living, group) && group.exists());
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
        assert_eq!(unescape(b"/tmp/a\\040b\\134c\\011"), Path::new("/tmp/a b\\c\t"));
        assert_eq!(unescape(b"/tmp/\xff\\"), Path::new(std::ffi::OsStr::from_bytes(b"/tmp/\xff\\")));
    }
}
