//! What a step needs of control groups: tried out with stage 3's own command, in groups that end with it.
//!
//! The calls are the command's. Book: "How to use this book".
//! Invariant: nothing stays, whatever the answer.

use super::{Answer, ask};
use crate::{disk, scene, workspace::Programs};
use std::{
    fs, process,
    sync::atomic::{AtomicU32, Ordering},
};

const STAGE: &str = "stage3-cgroups";

/// A command in a group with these limits.
pub(super) fn limited(programs: &Programs, limits: &[&str]) -> Answer {
    ask(programs, STAGE, &[&["run"], limits, &["--", "true"]].concat())
}

/// An empty group can be frozen as well as any other.
pub(super) fn freezer(programs: &Programs) -> Answer {
    // Tests ask side by side, in one process.
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let name = format!("stage3-need-{}-{}", process::id(), ASKED.fetch_add(1, Ordering::Relaxed));
    let made = ask(programs, STAGE, &["create", &name]);
    if !made.possible {
        return made;
    }
    let frozen = ask(programs, STAGE, &["freeze", &name]);
    let removed = ask(programs, STAGE, &["delete", &name]);
    if frozen.possible { removed } else { frozen }
}

/// Writes to the disk below the scenes, at a rate that hardly slows it down.
pub(super) fn throttled_disk(programs: &Programs) -> Answer {
    let Ok(ground) = scene::ground() else { return Answer::no("there is no place for scenes", None) };
    let Some(disk) = disk::below(&ground) else {
        let reason = format!("{} lies on no disk of its own (tmpfs, overlay, a network)", ground.display());
        return Answer::no(reason, Some("set TMPDIR to a directory on a disk"));
    };
    let (rate, ground) = (format!("{disk}:wbps=1G"), ground.display().to_string());
    let hog = ["hog", "io", "--dir", &ground, "--bytes", "1M"];
    ask(programs, STAGE, &[&["run", "--io", &rate, "--", STAGE][..], &hog[..]].concat())
}

/// Root of the machine: of ids that no user namespace has mapped.
pub(super) fn root() -> Answer {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    match whole && nix::unistd::geteuid().is_root() {
        true => Answer::yes(),
        false => Answer::no("only root of the machine does this", Some("run it with sudo")),
    }
}

/// The files are there, and fail with EOPNOTSUPP when they are opened, on a kernel that was booted without.
pub(super) fn pressure() -> Answer {
    match fs::read_to_string("/proc/pressure/cpu") {
        Ok(_) => Answer::yes(),
        Err(error) => Answer::no(
            format!("open(\"/proc/pressure/cpu\"): {error}"),
            Some("boot with psi=1 (a kernel since 4.20, built with CONFIG_PSI)"),
        ),
    }
}
