//! `cargo xtask faults`: a part of the sweep, and that it can fail.
//!
//! Book: "Every call that fails" (`faults`).
//! Invariant: what is tried here is a sample, another one for each seed; all of it takes half an hour.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

fn faults() -> Command {
    let mut command = Command::cargo_bin("xtask").unwrap();
    command.arg("faults").timeout(Duration::from_secs(400));
    command
}

/// What was seen, by a status that is allowed; none where it cannot be seen here.
fn seen(arguments: &[&str], status: i32) -> Option<Vec<Value>> {
    let output = faults().args(arguments).args(["--format", "json"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        assert!(errors.contains("SKIP faults"), "nothing was tried, and nobody said why: {errors}");
        return None;
    }
    assert_eq!(output.status.code(), Some(status), "{errors}");
    let observed: Value = serde_json::from_slice(&output.stdout).unwrap();
    Some(observed["runtimes"][0]["outcomes"].as_array().unwrap().clone())
}

fn count(outcomes: &[Value], verdict: &str) -> usize {
    outcomes.iter().filter(|outcome| outcome["verdict"] == verdict).count()
}

#[test]
fn faults_leave_nothing_and_open_nothing() {
    let Some(outcomes) = seen(&["--sample", "401"], 0) else { return };
    assert!(outcomes.len() > 60, "only {} points were tried", outcomes.len());
    for verdict in ["unlisted", "left", "hung", "open"] {
        assert_eq!(count(&outcomes, verdict), 0, "{verdict}");
    }
    assert!(count(&outcomes, "clean") > outcomes.len() / 2, "most of them are errors");
    assert!(count(&outcomes, "missed") < outcomes.len() / 10, "nearly all of them are made");
}

/// A runtime that is not one.
fn broken(directory: &Path, name: &str, script: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn faults_are_found_in_a_runtime_that_has_some() {
    let directory = tempfile::tempdir().unwrap();
    // It leaves a file; it takes no for an answer; and where it cannot have all it does with less.
    let untidy = "echo >/run/left.$$; exec stage4-runtime \"$@\"";
    let deaf = "stage4-runtime \"$@\" || exit 0";
    let lax = "stage4-runtime \"$@\" && exit
        cp -r /run/stage4-faults/audit /run/lax
        sed -i 's/\"noNewPrivileges\": true/\"noNewPrivileges\": false/' /run/lax/config.json
        stage4-runtime --root /run/stage4-faults/state run --bundle /run/lax stage4-faults
        status=$?; rm -r /run/lax; exit $status";
    for (name, script, verdict, told) in [
        ("untidy", untidy, "left", "/run/left."),
        ("deaf", deaf, "open", "the program has told nothing"),
        ("lax", lax, "open", "NoNewPrivs: \"0\" instead of \"1\""),
    ] {
        let runtime = broken(directory.path(), name, script);
        let asked = ["--runtime", &runtime, "--verb", "run", "--call", "mount_setattr", "--error", "EIO"];
        let Some(outcomes) = seen(&[&asked[..], &["--sample", "7"]].concat(), 1) else { return };
        assert!(!outcomes.is_empty() && count(&outcomes, verdict) == outcomes.len(), "{name}: {outcomes:?}");
        let all_told = outcomes.iter().all(|outcome| outcome["told"].as_str().unwrap().contains(told));
        assert!(all_told, "{name}: {outcomes:?}");
    }
}

#[test]
fn faults_explain_themselves_and_refuse_what_they_do_not_know() {
    faults().arg("--help").assert().success().stdout(predicate::str::contains("fail-open:"));
    faults().args(["--call", "nosuch"]).assert().code(2).stderr(predicate::str::contains("nosuch"));
    faults().args(["--error", "EVERY"]).assert().code(2).stderr(predicate::str::contains("EMFILE"));
    faults().args(["--sample", "0"]).assert().code(2);
    faults().args(["--from", "/nowhere"]).assert().code(2);
}
