//! The disk below a directory, as control groups name it.
//!
//! stat(2), /sys/dev/block. Book: "How to use this book".
//! Invariant: only reads; a partition is never named, for it has no queue of its own.

use nix::sys::stat::{major, minor};
use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// The whole disk below `path`, as MAJOR:MINOR; none where it lies on none that can be named (tmpfs, overlay, btrfs).
pub fn below(path: &Path) -> Option<String> {
    let device = fs::metadata(path).ok()?.dev();
    let entry = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    let entry = Path::new(&entry);
    // The entry leads into the tree of devices, where the directory above a partition is its disk.
    let whole = if entry.join("partition").exists() { entry.join("../dev") } else { entry.join("dev") };
    Some(fs::read_to_string(whole).ok()?.trim().to_owned())
}
