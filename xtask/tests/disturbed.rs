//! A demo whose commands do more than they should: mount the host into the scene, leave their group.
//!
//! Each test puts a shell of its own before the host's, which does it before it becomes the real one.
#![allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]

use assert_cmd::assert::OutputAssertExt;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use observe::{
    need::{self, Need},
    skip::skip,
};
use predicates::prelude::*;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A ground with a shell that runs `before` first; none, with a skip, where stage 1 cannot be shown.
fn ground(test: &str, before: &str) -> Option<TempDir> {
    let programs = observe::workspace::Programs::build("stage1-chroot").unwrap();
    if let Some((need, answer)) = need::missing(&[Need::Ground, Need::Chroot, Need::Bash], &programs) {
        skip(&format!("{test} ({})", need.name()), &answer.to_string());
        return None;
    }
    let ground = tempfile::tempdir().unwrap();
    fs::create_dir_all(ground.path().join("bin")).unwrap();
    let shell = ground.path().join("bin/sh");
    fs::write(&shell, format!("#!/bin/sh\n{before}\nexec /bin/sh \"$@\"\n")).unwrap();
    fs::set_permissions(&shell, PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir(ground.path().join("precious")).unwrap();
    fs::write(ground.path().join("precious/file"), "the host's").unwrap();
    Some(ground)
}

/// `PREFIX xtask demo stage1 --step run` with that shell.
fn demo(ground: &TempDir, prefix: &[&str]) -> Command {
    let words = [prefix, &[env!("CARGO_BIN_EXE_xtask"), "demo", "stage1", "--step", "run"]].concat();
    let mut command = Command::new(words[0]);
    let path = format!("{}/bin:{}", ground.path().display(), std::env::var("PATH").unwrap());
    command.args(&words[1..]).env("PATH", path).env("TMPDIR", ground.path()).env("LANG", "C");
    command.env("PRECIOUS", ground.path().join("precious"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Whether a process with this command line is there.
fn runs(command: &str) -> bool {
    observe::processes::all().iter().any(|process| observe::processes::command(process.pid) == command)
}

#[test]
fn what_a_command_mounted_is_reported_and_not_emptied() {
    let test = "what_a_command_mounted";
    let unshare = ["unshare", "--user", "--map-root-user", "--mount"];
    let tried =
        Command::new("unshare").args(&unshare[1..]).args(["mount", "-t", "tmpfs", "none", "/mnt"]).output();
    let tried = tried.unwrap();
    if !tried.status.success() {
        return skip(test, String::from_utf8_lossy(&tried.stderr).trim());
    }
    let before = "test -d m || { mkdir m && mount --bind \"$PRECIOUS\" m; }";
    let Some(ground) = ground(test, before) else { return };
    let output = demo(&ground, &unshare).output().unwrap();
    assert!(ground.path().join("precious/file").exists(), "{output:?}");
    output
        .assert()
        .code(1)
        .stdout(predicate::str::contains("mount /").and(predicate::str::contains("/work/m")));
}

#[test]
fn a_process_that_left_its_group_breaks_the_step_and_is_ended() {
    let sleep = "sleep 61.5";
    let before = format!("setsid {sleep} >/dev/null 2>&1 &");
    let Some(ground) = ground("a_process_that_left", &before) else { return };
    let output = demo(&ground, &[]).output().unwrap();
    assert!(!runs(sleep));
    output.assert().code(1).stdout(predicate::str::contains("(sleep 61.5) was left behind"));
}

#[test]
fn an_interrupted_demo_ends_what_left_its_group_and_waits_for_nobody() {
    // It keeps the pipe open as well, whose end would otherwise be waited for.
    let sleep = "sleep 62.5";
    let Some(ground) = ground("an_interrupted_demo", &format!("setsid {sleep} & sleep 30")) else { return };
    let child = demo(&ground, &[]).spawn().unwrap();
    let start = Instant::now();
    while !runs(sleep) && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupted = Instant::now();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(interrupted.elapsed() < Duration::from_secs(25) && !runs(sleep));
    output.assert().code(130).stderr(predicate::str::contains("nothing was left behind"));
    let mut left = fs::read_dir(ground.path()).unwrap().flatten();
    assert!(!left.any(|entry| entry.file_name().to_string_lossy().contains("demo.")));
}
