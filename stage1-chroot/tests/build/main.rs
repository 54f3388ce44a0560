//! `stage1-chroot build`: what is in the root afterwards, and what it tells.
//!
//! Runs the command, and the programs in the root. Book: `build`.
//! Invariant: what is in the root is what the host has there, links as links.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, as do the functions that it calls")]

mod interrupted;
mod refused;
mod traps;
mod work;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use work::Work;

#[test]
fn build_makes_a_root_whose_programs_run() {
    let work = Work::new();
    work.build(&["sh", "ls"]).success();
    assert_eq!(work.shell("echo inside"), "inside\n");
    assert!(work.shell("ls /").contains("usr"));
}

#[test]
fn build_tells_who_needs_what_within_80_columns() {
    let work = Work::new();
    let assert = work.build(&["bash", "sh"]).success().stdout(contains("program, found in PATH"));
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    assert!(text.contains("libc.so.6") && text.contains("interpreter") && text.contains("(above)"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let sums =
        predicate::str::is_match(r"^new-root: \d+ files copied \(.*\), \d+ links? made, 0 kept$").unwrap();
    assert!(sums.eval(text.lines().last().unwrap()), "{text}");
}

#[test]
fn build_tells_programs_the_same_as_json() {
    let work = Work::new();
    work.program("tool");
    let report = work.json(&["./tool"]);
    assert_eq!(report["root"], "new-root");
    let needs = report["needs"].as_array().unwrap();
    assert_eq!(needs[0]["why"], "program");
    assert_eq!(needs[0]["by"], Value::Null);
    let interpreter = needs.iter().find(|need| need["why"] == "interpreter").unwrap();
    assert_eq!(interpreter["by"], "./tool");
    assert!(needs.iter().any(|need| need["why"] == "needed" && need["name"] == "libc.so.6"));
    let files = report["files"].as_array().unwrap();
    let tool = files.iter().find(|file| file["path"] == work.path("tool").to_str().unwrap()).unwrap();
    assert_eq!((&tool["kind"], &tool["outcome"]), (&"file".into(), &"copied".into()));
    assert_eq!(tool["bytes"], fs::metadata("/bin/true").unwrap().len());
    let copied = files.iter().filter(|file| file["outcome"] == "copied");
    assert_eq!(report["bytes"], copied.map(|file| file["bytes"].as_u64().unwrap()).sum::<u64>());
}

#[test]
fn build_keeps_the_mode_but_no_set_id_bits() {
    let work = Work::new();
    let tool = work.program("tool");
    for (mode, kept) in [(0o6755, 0o755), (0o4711, 0o711), (0o500, 0o500)] {
        fs::set_permissions(&tool, Permissions::from_mode(mode)).unwrap();
        work.build(&["./tool"]).success();
        assert_eq!(fs::metadata(work.inside("tool")).unwrap().mode() & 0o7777, kept);
    }
}

#[test]
fn build_keeps_links_as_links() {
    let work = Work::new();
    work.program("tool-1.0");
    symlink("tool-1.0", work.path("tool-1")).unwrap();
    symlink(work.path("tool-1"), work.path("tool")).unwrap();
    work.build(&["./tool"]).success();
    assert_eq!(fs::read_link(work.inside("tool")).unwrap(), work.path("tool-1"));
    assert_eq!(fs::read_link(work.inside("tool-1")).unwrap(), Path::new("tool-1.0"));
    assert!(fs::symlink_metadata(work.inside("tool-1.0")).unwrap().is_file());
}

#[test]
fn build_keeps_the_links_at_the_top_of_a_merged_root() {
    let work = Work::new();
    work.build(&["sh"]).success();
    let links = fs::read_dir("/").unwrap().flatten().map(|entry| entry.file_name());
    for (name, target) in
        links.filter_map(|name| Some((name.clone(), fs::read_link(Path::new("/").join(name)).ok()?)))
    {
        let filled = work.path("new-root").join(target.strip_prefix("/").unwrap_or(&target)).exists();
        assert_eq!(
            fs::read_link(work.path("new-root").join(&name)).ok(),
            filled.then_some(target),
            "{name:?}"
        );
    }
}

#[test]
fn build_brings_the_interpreter_of_a_script() {
    let work = Work::new();
    work.script("inner", "#!/bin/sh\necho inner\n");
    work.script("outer", &format!("#!{} -x\n", work.path("inner").display()));
    work.script("with-env", "#!/usr/bin/env -S A=1 ls -l\n");
    let report = work.json(&["./outer", "./with-env"]);
    let why = |name: &str| {
        report["needs"].as_array().unwrap().iter().find(|need| need["name"] == name).unwrap()["why"].clone()
    };
    assert_eq!(why(work.path("inner").to_str().unwrap()), "script");
    assert_eq!(why("/bin/sh"), "script");
    assert_eq!(why("ls"), "env");
    assert_eq!(work.shell(work.path("inner").to_str().unwrap()), "inner\n");
}

#[test]
fn build_brings_a_static_program_alone() {
    let work = Work::new();
    fs::write(work.path("main.c"), "int main(void) { return 0; }").unwrap();
    let linked = Command::new("cc")
        .current_dir(work.path(""))
        .args(["-static", "main.c", "-o", "tool"])
        .output()
        .unwrap();
    if !linked.status.success() {
        return observe::skip::skip("static program", "no static C library here: apt install libc6-dev");
    }
    let report = work.json(&["./tool"]);
    assert_eq!((&report["copied"], report["needs"].as_array().unwrap().len()), (&1.into(), 1));
}

#[test]
fn build_brings_the_cache_where_only_the_cache_knows_the_directory() {
    let work = Work::new();
    let script = "mkdir apart && echo 'void f(void) {}' >f.c && echo 'void f(void); int main(void) { f(); }' >main.c &&
        cc -shared -fPIC -Wl,-soname,libapart.so f.c -o apart/libapart.so && cc main.c -Lapart -lapart -o tool &&
        cp /etc/ld.so.conf conf && echo \"$PWD/apart\" >>conf && sed -i 's,^include ,include /etc/,;s,/etc//,/,' conf &&
        PATH=$PATH:/sbin:/usr/sbin && ldconfig -X -f conf -C cache && unshare --user --map-root-user --mount sh -c '
        mount --bind cache /etc/ld.so.cache && $BUILD build new-root ./tool && chroot new-root $PWD/tool && echo runs'";
    let assert = work.sh(script);
    let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    if error.contains("unshare:") {
        return observe::skip::skip("cache", "needs an unprivileged user namespace; see cargo xtask doctor");
    }
    assert
        .success()
        .stdout(contains("etc/ld.so.cache").and(contains("tells the loader of")).and(contains("runs")));
}

#[test]
fn build_goes_through_dots_as_the_kernel_does() {
    let work = Work::new();
    work.program("tool");
    fs::create_dir_all(work.path("a/b")).unwrap();
    symlink("a/b", work.path("deep")).unwrap();
    // `deep/..` is a, not the directory that holds deep.
    work.build(&["deep/../../tool"]).success();
    assert!(work.inside("tool").is_file() && work.inside("a/b").is_dir());
    assert!(work.inside("deep/../../tool").is_file(), "the path as typed works in the root, too");
}

#[test]
fn build_makes_a_root_for_others_whatever_the_umask() {
    let work = Work::new();
    work.program("tool");
    for umask in ["077", "007"] {
        work.sh(&format!("umask {umask}; exec $BUILD build new-root ./tool")).success();
        let mut directory = work.inside("tool");
        while directory.pop() && directory.starts_with(work.path("new-root")) {
            let mode = fs::metadata(&directory).unwrap().mode() & 0o7777;
            assert_eq!(mode, 0o755, "{directory:?}");
        }
        fs::remove_dir_all(work.path("new-root")).unwrap();
    }
}

#[test]
fn build_does_not_wait_for_whoever_holds_the_roots_lock() {
    let work = Work::new();
    work.program("tool");
    work.sh("mkdir new-root && exec timeout 20 flock new-root $BUILD build new-root ./tool")
        .code(1)
        .stderr(contains("EAGAIN").and(contains("another build is filling this root")));
    work.build(&["./tool"]).success();
}

#[test]
fn build_shows_the_control_characters_of_names_and_does_not_obey_them() {
    let work = Work::new();
    for name in ["a\x1b[2Jb", "c\nhint: d"] {
        work.program(name);
        let shown = name.replace('\x1b', "\\u{1b}").replace('\n', "\\n");
        let told = work.build(&[&format!("./{name}")]).success().stdout(contains(shown.as_str()));
        assert!(!String::from_utf8_lossy(&told.get_output().stdout).contains(name));
        let told = work.build(&[&format!("./{name}-not")]).code(1).stderr(contains(shown.as_str()));
        assert!(!String::from_utf8_lossy(&told.get_output().stderr).contains(name));
    }
}
