//! The way that loses: a path that is looked at, and then used.
//!
//! lstat(2), mount(2); unshare(2). Book: "Whoever is faster" (`races-naive`).
//! Invariant: it happens in mounts of a thread's own, and what it makes outside is taken away at once.

use crate::arena::{Arena, BATCH, place};
use crate::ground::is_root;
use crate::tally::Lost;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::sys::statvfs::{FsFlags, statvfs};
use observe::skip::{Runner, skip_for};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::yield_now;
use std::time::{Duration, Instant};

/// What is to be done at a path.
pub type Deed = fn(&Path) -> nix::Result<()>;

// ANCHOR: races-naive
/// No part of `inside` is a link, as far as one can see. So it is used.
fn naive(root: &Path, inside: &str, deed: impl FnOnce(&Path) -> nix::Result<()>) -> nix::Result<()> {
    let mut path = root.to_owned();
    for part in inside.split('/').filter(|part| !part.is_empty()) {
        path.push(part);
        if path.is_symlink() {
            return Err(Errno::ELOOP);
        }
    }
    // Whoever has more to do here, waits for a disk, or is not alone on a processor, gives time to others.
    yield_now();
    deed(&path)
}
// ANCHOR_END: races-naive

pub fn tmpfs(path: &Path) -> nix::Result<()> {
    mount(Some("naive"), path, Some("tmpfs"), MsFlags::empty(), Some("size=4k"))
}

pub fn directory(path: &Path) -> nix::Result<()> {
    mount(Some("/etc"), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
}

pub fn file(path: &Path) -> nix::Result<()> {
    mount(Some("/dev/null"), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
}

/// As a mask is.
pub fn cover(path: &Path) -> nix::Result<()> {
    if path.is_dir() { tmpfs(path) } else { file(path) }
}

pub fn readonly(path: &Path) -> nix::Result<()> {
    mount(Some(path), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
}

pub fn device(path: &Path) -> nix::Result<()> {
    mknod(path, SFlag::S_IFCHR, Mode::S_IRUSR, makedev(1, 3))
}

pub fn enter(path: &Path) -> nix::Result<()> {
    nix::unistd::chdir(path)
}

/// How often `deed` is done outside, as many times as the race has rounds, or 2,000; and longer, if need be, until it is.
pub fn lost(arena: &Arena, deed: Deed) -> Option<Lost> {
    let root = arena.root();
    let attacker = arena.attack();
    let lost = in_mounts_of_its_own(|| {
        count(|n| {
            let victim = arena.victim(n % BATCH);
            let before = seen(&victim);
            // What is done inside stays there until the thread ends.
            naive(&root, &place(n % BATCH), deed).is_ok() && seen(&victim) != before && undo(&victim)
        })
    });
    attacker.end();
    lost
}

/// The same of a working directory: where this thread is, is looked at afterwards.
pub fn strayed(arena: &Arena) -> Option<Lost> {
    let (root, outside) = (arena.root(), seen(&arena.outside()));
    let attacker = arena.attack();
    let lost = in_mounts_of_its_own(|| {
        count(|_| naive(&root, "absolute", enter).is_ok() && seen(Path::new(".")) == outside)
    });
    attacker.end();
    lost
}

/// Of one file: the bind mount that should cover `inside` covers `victim`.
pub fn lost_one(root: &Path, inside: &str, victim: &Path) -> Option<Lost> {
    in_mounts_of_its_own(|| {
        let before = seen(victim);
        count(|_| naive(root, inside, file).is_ok() && seen(victim) != before && undo(victim))
    })
}

pub fn count(mut is_lost: impl FnMut(usize) -> bool) -> Lost {
    let enough = crate::rounds().min(2000);
    let mut lost = Lost { lost: 0, of: 0 };
    // Where others are busy as well the two of them may hardly ever run at the same time.
    let deadline = Instant::now() + Duration::from_secs(60);
    while lost.of < enough || (lost.lost == 0 && Instant::now() < deadline) {
        lost.lost += usize::from(is_lost(lost.of));
        lost.of += 1;
    }
    lost
}

/// In a thread whose mounts, and whose working directory, are its own; for root.
pub fn in_mounts_of_its_own(work: impl FnOnce() -> Lost + Send) -> Option<Lost> {
    if !is_root() {
        skip_for(Runner::Root, "stage4", "the naive way needs mounts of a thread's own");
        return None;
    }
    let thread = || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        work()
    };
    Some(std::thread::scope(|scope| scope.spawn(thread).join().unwrap()))
}

/// Which file it is, and whether it can be written.
fn seen(path: &Path) -> Option<(u64, u64, bool)> {
    let found = fs::symlink_metadata(path).ok()?;
    let readonly = statvfs(path).ok()?.flags().contains(FsFlags::ST_RDONLY);
    Some((found.dev(), found.ino(), readonly))
}

fn undo(victim: &Path) -> bool {
    if umount2(victim, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).is_err() {
        fs::remove_file(victim).unwrap();
    }
    true
}
