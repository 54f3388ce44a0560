//! Builds that are repeated, and builds that do not come to their end.
//!
//! SIGKILL, SIGXFSZ and a full file system in the middle of a file. Book: `build`.
//! Invariant: a file is whole or absent, and the next build makes it whole.

use crate::work::Work;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(leftovers(&entry.path()));
        } else if entry.file_name().to_string_lossy().starts_with(".stage1-part-") {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn build_twice_changes_nothing() {
    let work = Work::new();
    work.program("tool");
    work.json(&["./tool", "sh"]);
    let before = fs::metadata(work.inside("tool")).unwrap();
    let again = work.json(&["./tool", "sh"]);
    assert_eq!((&again["copied"], &again["bytes"]), (&0.into(), &0.into()));
    assert_eq!(again["kept"], again["files"].as_array().unwrap().len());
    let after = fs::metadata(work.inside("tool")).unwrap();
    assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()));
}

#[test]
fn build_mends_a_file_of_the_right_size_and_time_with_wrong_bytes() {
    let work = Work::new();
    let source = work.program("tool");
    work.json(&["./tool"]);
    let copy = work.inside("tool");
    let meta = fs::metadata(&copy).unwrap();
    fs::write(&copy, vec![0; meta.len() as usize]).unwrap();
    fs::File::options().write(true).open(&copy).unwrap().set_modified(meta.modified().unwrap()).unwrap();
    assert_eq!(work.json(&["./tool"])["copied"], 1);
    assert!(fs::read(copy).unwrap() == fs::read(source).unwrap(), "the copy differs from its source");
}

#[test]
fn build_killed_in_the_middle_of_a_file_can_be_repeated() {
    let work = Work::new();
    work.program("tool");
    // SIGXFSZ ends the build where a file passes the limit, that is certainly in the middle of one.
    let blocks = fs::metadata("/bin/true").unwrap().len() / 1024;
    work.sh(&format!("ulimit -c 0; ulimit -f {blocks}; exec $BUILD build new-root ./tool")).interrupted();
    assert!(!work.inside("tool").exists(), "a half file has no name that counts");
    assert_eq!(leftovers(&work.path("new-root")).len(), 1);
    work.build(&["./tool"]).success();
    assert!(fs::read(work.inside("tool")).unwrap() == fs::read("/bin/true").unwrap(), "the copy differs");
    assert_eq!(leftovers(&work.path("new-root")), Vec::<PathBuf>::new());
}

#[test]
fn build_killed_by_sigkill_leaves_whole_files_only() {
    let work = Work::new();
    let tool = work.program("tool");
    // Appended bytes are ignored by the loader and make the copy long enough to be hit.
    fs::File::options().append(true).open(&tool).unwrap().set_len(256 << 20).unwrap();
    work.sh(
        "$BUILD build new-root ./tool >report & build=$!
         until find new-root -name '.stage1-part-*' 2>/dev/null | grep -q . || ! kill -0 $build 2>/dev/null; do :; done
         kill -9 $build; wait $build",
    );
    assert!(!work.inside("tool").exists() || fs::metadata(work.inside("tool")).unwrap().len() == 256 << 20);
    work.build(&["./tool"]).success();
    assert_eq!(fs::metadata(work.inside("tool")).unwrap().len(), 256 << 20);
    assert_eq!(leftovers(&work.path("new-root")), Vec::<PathBuf>::new());
}

#[test]
fn build_that_cannot_write_on_says_what_is_left() {
    let work = Work::new();
    work.program("tool");
    let limit = work.sh("trap '' XFSZ; ulimit -f 1; exec $BUILD build new-root ./tool");
    limit
        .code(1)
        .stderr(contains("EFBIG").and(contains("0 of ")).and(contains("each of them whole; repeat")));
    assert_eq!(leftovers(&work.path("new-root")), Vec::<PathBuf>::new());
}

#[test]
fn build_on_a_full_disk_says_so_and_can_be_repeated() {
    let work = Work::new();
    work.program("tool");
    fs::create_dir(work.path("disk")).unwrap();
    let script = "unshare --user --map-root-user --mount sh -c '
        mount -t tmpfs -o size=16m none disk || exit 77
        cat /dev/zero >disk/ballast 2>/dev/null; truncate -s -64K disk/ballast
        $BUILD build disk/new-root ./tool; echo status $?
        rm disk/ballast
        $BUILD build disk/new-root ./tool | tail -1'";
    let assert = work.sh(script);
    let output = assert.get_output();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(77) || error.contains("unshare:") {
        return observe::skip::skip(
            "full disk",
            "needs an unprivileged user namespace; see cargo xtask doctor",
        );
    }
    assert!(
        error.contains("ENOSPC") && error.contains("make room") && error.contains("repeat the build"),
        "{error}"
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("status 1") && text.contains("disk/new-root: "), "{text}");
}
