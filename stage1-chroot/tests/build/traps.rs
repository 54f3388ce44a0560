//! Roots in which links and files lie in the way.
//!
//! Lays links that lead outside and builds over them. Book: `build`.
//! Invariant: nothing is written outside NEW_ROOT.

use crate::work::Work;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

#[test]
fn build_never_follows_a_link_out_of_the_root() {
    let work = Work::new();
    work.program("tool");
    // Apart from the work directory, whose own path is part of the root.
    let outside = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::write(outside.path().join("tool"), "the host's").unwrap();
    let parent = work.inside("tool").parent().unwrap().to_owned();
    let up =
        PathBuf::from("../../../../../../../../../../../..").join(outside.path().strip_prefix("/").unwrap());
    for trap in [outside.path().to_owned(), up] {
        fs::create_dir_all(parent.parent().unwrap()).unwrap();
        symlink(&trap, &parent).unwrap();
        // Inside the root the trap leads to nothing, and the message says so.
        work.build(&["./tool"]).code(1).stderr(contains("a link in the root leads to nothing"));
        // Where it leads to something, that is its namesake in the root.
        let namesake = work.path("new-root").join(outside.path().strip_prefix("/").unwrap());
        fs::create_dir_all(&namesake).unwrap();
        work.build(&["./tool"]).success();
        assert!(namesake.join("tool").is_file());
        fs::remove_dir_all(work.path("new-root")).unwrap();
    }
    assert_eq!(fs::read_to_string(outside.path().join("tool")).unwrap(), "the host's");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn build_replaces_a_link_in_a_files_place_and_leaves_its_target_alone() {
    let work = Work::new();
    work.program("tool");
    fs::write(work.path("precious"), "the host's").unwrap();
    fs::create_dir_all(work.inside("tool").parent().unwrap()).unwrap();
    symlink(work.path("precious"), work.inside("tool")).unwrap();
    symlink(work.path("precious"), work.inside(".stage1-part-tool")).unwrap();
    work.build(&["./tool"]).success();
    assert!(fs::symlink_metadata(work.inside("tool")).unwrap().is_file());
    assert_eq!(fs::read_to_string(work.path("precious")).unwrap(), "the host's");
}

#[test]
fn build_says_what_stands_in_the_way() {
    let work = Work::new();
    work.program("tool");
    fs::create_dir_all(work.inside("tool")).unwrap();
    work.build(&["./tool"])
        .code(1)
        .stderr(contains("EISDIR").and(contains("the root has a directory where")));
    fs::remove_dir_all(work.path("new-root")).unwrap();
    fs::create_dir(work.path("new-root")).unwrap();
    let top = work.path("tool").components().nth(1).unwrap().as_os_str().to_owned();
    fs::write(work.path("new-root").join(&top), "").unwrap();
    work.build(&["./tool"]).code(1).stderr(contains("ENOTDIR").and(contains("a file stands in the root")));
    fs::remove_file(work.path("new-root").join(&top)).unwrap();
    symlink(&top, work.path("new-root").join(&top)).unwrap();
    work.build(&["./tool"]).code(1).stderr(contains("ELOOP").and(contains("turn in a circle")));
}

#[test]
fn build_names_a_directory_in_the_place_of_a_part() {
    let work = Work::new();
    work.program("tool");
    fs::create_dir_all(work.inside(".stage1-part-tool")).unwrap();
    work.build(&["./tool"]).code(1).stderr(contains("is in the way: remove it"));
}
