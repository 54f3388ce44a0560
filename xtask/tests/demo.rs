//! `cargo xtask demo` as its readers meet it: on a pipe, in Korean, interrupted, killed, with wrong words.
#![allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]

use assert_cmd::{Command, assert::OutputAssertExt};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use observe::need::{self, Need};
use predicates::prelude::*;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use unicode_width::UnicodeWidthStr;

/// xtask with a ground of its own, so that tests see no scene but their own.
fn xtask(ground: &TempDir) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .env("TMPDIR", ground.path())
        .env("LANG", "C.UTF-8")
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES");
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

fn ground() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn left(ground: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(ground.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Whether stage 1 can be shown at all; a test that needs it skips loudly where not.
fn possible(test: &str) -> bool {
    let programs = observe::workspace::Programs::build("stage1-chroot").unwrap();
    match need::missing(&[Need::Ground, Need::Chroot, Need::Bash], &programs) {
        None => true,
        Some((need, answer)) => {
            observe::skip::skip(&format!("{test} ({})", need.name()), &answer.to_string());
            false
        }
    }
}

#[test]
fn a_step_is_narrated_with_command_observation_and_verdict() {
    if !possible("a_step_is_narrated") {
        return;
    }
    let ground = ground();
    let demo = Command::from_std(xtask(&ground)).args(["demo", "stage1", "--step", "run"]).assert().success();
    let told = predicate::str::contains("$ stage1-chroot run new-root -- bash -c pwd")
        .and(predicate::str::contains("✔ observed as promised"))
        .and(predicate::str::contains("Nothing was left on the host."))
        .and(predicate::str::contains("\x1b[").not());
    demo.stdout(told);
    assert_eq!(left(&ground), Vec::<String>::new());
}

#[test]
fn every_line_fits_80_columns_in_both_languages() {
    if !possible("every_line_fits") {
        return;
    }
    for lang in ["en", "ko"] {
        let ground = ground();
        let output = xtask(&ground).args(["demo", "stage1", "--lang", lang]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // Commands are not broken: they are there to be copied.
        let typed = ["  $ ", "  host$ ", "  > ", "      > ", "  export "];
        let lines = text.lines().filter(|line| !typed.iter().any(|prompt| line.starts_with(prompt)));
        for line in lines {
            assert!(line.width() <= 80, "{lang}: {} columns: {line}", line.width());
        }
        assert!(output.status.success(), "{text}");
    }
}

#[test]
fn the_language_comes_from_the_locale_and_the_option_wins() {
    let ground = ground();
    let list = |lang: &str, option: &[&str]| {
        let mut command = xtask(&ground);
        command.args(["demo", "stage1", "--list"]).args(option).env("LANG", lang);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(list("ko_KR.UTF-8", &[]).contains("새 루트 만들기"));
    assert!(list("ko_KR.UTF-8", &["--lang", "en"]).contains("Make a new root"));
    assert!(list("C", &["--lang", "ko"]).contains("새 루트 만들기"));
}

#[test]
fn colour_can_be_forced_and_forbidden() {
    let ground = ground();
    let list = |set: &[(&str, &str)]| {
        let mut command = xtask(&ground);
        command.args(["demo", "--list"]).envs(set.iter().copied());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(list(&[("CLICOLOR_FORCE", "1")]).contains("\x1b["));
    assert!(!list(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains("\x1b["));
    assert!(!list(&[]).contains("\x1b["));
}

#[test]
fn the_json_holds_commands_outputs_and_verdicts() {
    if !possible("the_json_holds") {
        return;
    }
    let ground = ground();
    let output =
        xtask(&ground).args(["demo", "stage1", "--step", "hostname", "--format", "json"]).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let step = &told["stages"][0]["steps"][0];
    assert_eq!(step["verdict"], "observed", "{told:#}");
    assert_eq!(step["commands"][0]["output"], step["commands"][1]["output"]);
    assert_eq!(told["stages"][0]["left"], serde_json::json!([]));
}

#[test]
fn wrong_words_are_usage_errors_that_name_what_there_is() {
    let ground = ground();
    let wrong = |arguments: &[&str], says: &str| {
        let command = Command::from_std(xtask(&ground)).args(arguments).assert();
        command.code(2).stderr(predicate::str::contains(says));
    };
    wrong(&["demo", "stage9"], "stage1, stage2");
    wrong(&["demo", "stage1", "--step", "nosuch"], "--list");
    wrong(&["demo", "stage1", "--lang", "fr"], "en or ko");
    wrong(&["demo", "stage1", "--format", "yaml"], "possible values: text, json");
    wrong(&[], "Usage: cargo xtask");
}

#[test]
fn a_recording_is_asciicast_version_2() {
    if !possible("a_recording") {
        return;
    }
    let ground = ground();
    let file = ground.path().join("demo.cast");
    let mut command = xtask(&ground);
    command.args(["demo", "stage1", "--step", "run", "--record"]).arg(&file);
    assert!(command.output().unwrap().status.success());
    let text = fs::read_to_string(&file).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert_eq!(lines.next().unwrap()["version"], 2);
    let events: Vec<_> = lines.collect();
    assert!(events.len() > 5 && events.iter().all(|event| event[0].is_f64() && event[1] == "o"));
    assert!(events.windows(2).all(|pair| pair[0][0].as_f64() <= pair[1][0].as_f64()));
}

#[test]
fn a_recording_that_cannot_be_written_is_an_error_that_names_the_file() {
    let ground = ground();
    let command = Command::from_std(xtask(&ground))
        .args(["demo", "stage1", "--record", "/nonexistent/x.cast"])
        .assert();
    command.code(1).stderr(predicate::str::contains("/nonexistent/x.cast"));
}

#[test]
fn keep_leaves_the_directory_and_clean_removes_it() {
    if !possible("keep_leaves") {
        return;
    }
    let ground = ground();
    let demo = Command::from_std(xtask(&ground)).args(["demo", "stage1", "--step", "run", "--keep"]).assert();
    demo.success().stdout(predicate::str::contains("Kept for you"));
    let kept = left(&ground);
    assert_eq!(kept.len(), 1);
    assert!(ground.path().join(&kept[0]).join("work/new-root").is_dir());
    let dry = Command::from_std(xtask(&ground)).args(["clean", "--dry-run"]).assert();
    dry.success().stdout(predicate::str::contains("would remove"));
    assert_eq!(left(&ground), kept);
    Command::from_std(xtask(&ground))
        .arg("clean")
        .assert()
        .success()
        .stdout(predicate::str::contains(&kept[0]));
    assert_eq!(left(&ground), Vec::<String>::new());
    let again = Command::from_std(xtask(&ground)).arg("clean").assert().success();
    again.stdout(predicate::str::contains(ground.path().to_str().unwrap()).not());
}

/// A demo that waits at its first question.
fn paused(ground: &TempDir) -> Child {
    let mut command = xtask(ground);
    command
        .args(["demo", "stage1", "--pause"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn read_until(child: &mut Child, wanted: &str) {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().contains(wanted)), "never said {wanted:?}");
}

#[test]
fn pause_waits_for_enter_at_each_step() {
    if !possible("pause_waits") {
        return;
    }
    let ground = ground();
    let mut command = xtask(&ground);
    command.args(["demo", "stage1", "--pause", "--step", "run", "--step", "hostname"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"slash\nthe same\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("Your prediction?").count(), 2);
    assert_eq!(text.matches("observed as promised").count(), 2, "{text}");
}

#[test]
fn ctrl_c_at_a_question_ends_the_demo_and_leaves_nothing() {
    if !possible("ctrl_c_at_a_question") {
        return;
    }
    let ground = ground();
    let mut child = paused(&ground);
    read_until(&mut child, "Your prediction?");
    interrupt(&child, Signal::SIGINT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was left behind"));
    assert_eq!(left(&ground), Vec::<String>::new());
}

#[test]
fn ctrl_c_at_any_moment_leaves_nothing() {
    if !possible("ctrl_c_at_any_moment") {
        return;
    }
    for milliseconds in [150, 350, 450, 600, 800, 1000] {
        let ground = ground();
        let mut command = xtask(&ground);
        command.args(["demo", "stage1"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        interrupt(&child, Signal::SIGTERM);
        child.wait().unwrap();
        assert_eq!(left(&ground), Vec::<String>::new(), "after {milliseconds} ms");
    }
}

#[test]
fn what_a_killed_demo_left_is_found_and_removed_by_clean() {
    if !possible("what_a_killed_demo_left") {
        return;
    }
    let ground = ground();
    let mut command = xtask(&ground);
    let mut child = command.args(["demo", "stage1"]).stdout(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while left(&ground).is_empty() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    // While it lives, its scene is its own.
    let used = Command::from_std(xtask(&ground)).arg("clean").assert();
    used.success();
    interrupt(&child, Signal::SIGKILL);
    child.wait().unwrap();
    Command::from_std(xtask(&ground)).arg("clean").assert().success();
    assert_eq!(left(&ground), Vec::<String>::new());
    // They have been sent SIGKILL; that they are gone takes the kernel a moment.
    let sent = Instant::now();
    while lives_below(ground.path()) {
        assert!(sent.elapsed() < Duration::from_secs(20), "a process of the killed demo is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn interrupt(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

fn lives_below(directory: &Path) -> bool {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| fs::read_link(entry.path().join("cwd")).ok())
        .any(|cwd| cwd.starts_with(directory))
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let ground = ground();
    let mut child = xtask(&ground).args(["demo", "--list"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.wait_with_output().unwrap().assert().success();
}
