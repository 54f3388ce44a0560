//! Doctor's prediction equals what the demo then does, on this machine as it is and on lesser ones.
#![allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]

use observe::skip::skip;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    process::{Command, Output, Stdio},
    sync::Mutex,
};
use tempfile::TempDir;

/// Runs `xtask ARGUMENTS`, behind `before` (a shell prefix that takes something away from the machine).
fn xtask(before: &str, ground: &TempDir, arguments: &str) -> Output {
    let line = format!("{before} \"$XTASK\" {arguments}");
    let mut command = Command::new("sh");
    command.args(["-c", &line]).env("XTASK", env!("CARGO_BIN_EXE_xtask")).env("TMPDIR", ground.path());
    // Without cargo at hand, what is built already is used: the lesser machine needs no compiler.
    command.env_remove("CARGO").stdin(Stdio::null()).output().unwrap()
}

/// Builds all that demos run: without cargo at hand, xtask uses what is there.
fn built() {
    let last = observe::workspace::STAGES[observe::workspace::STAGES.len() - 1];
    observe::workspace::Programs::build(last).unwrap();
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// stage/slug -> whether it is possible.
fn verdicts(told: &Value, possible: impl Fn(&Value) -> bool) -> BTreeMap<String, bool> {
    let stages = told["stages"].as_array().unwrap();
    let steps = stages.iter().flat_map(|stage| {
        let steps = stage["steps"].as_array().unwrap();
        steps.iter().map(|step| (format!("{}/{}", stage["stage"], step["slug"]), possible(step)))
    });
    steps.collect()
}

/// Holds prediction and demo together and gives the demo's own exit status and verdicts.
///
/// One after the other: demos make control groups of the same names, and look for what others have left.
fn hold_together(before: &str) -> (Option<i32>, BTreeMap<String, bool>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    built();
    let ground = tempfile::tempdir().unwrap();
    let doctor = json(&xtask(before, &ground, "doctor --format json"));
    let output = xtask(before, &ground, "demo --format json");
    let demo = json(&output);
    let predicted = verdicts(&doctor, |step| step["possible"] == true);
    let happened = verdicts(&demo, |step| step["verdict"] != "impossible");
    assert_eq!(predicted, happened);
    let broken: Vec<_> = demo["stages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|stage| stage["steps"].as_array().unwrap())
        .filter(|step| step["verdict"] == "broken")
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    (output.status.code(), happened)
}

/// Whether `before` can be done on this machine at all.
fn lesser(before: &str, test: &str) -> bool {
    let tried = Command::new("sh").args(["-c", &format!("{before} true")]).output().unwrap();
    if !tried.status.success() {
        skip(test, String::from_utf8_lossy(&tried.stderr).trim());
    }
    tried.status.success()
}

#[test]
fn doctor_predicts_what_the_demo_then_does() {
    hold_together("");
}

#[test]
fn without_mount_namespaces_the_demo_is_degraded_as_predicted() {
    let before =
        "unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_mnt_namespaces && exec \"$@\"' sh";
    if !lesser(before, "without_mount_namespaces") {
        return;
    }
    let (status, verdicts) = hold_together(before);
    assert_eq!(status, Some(0));
    assert!(!verdicts["\"stage1\"/\"processes\""] && verdicts["\"stage1\"/\"double-chroot\""]);
}

#[test]
fn without_capabilities_and_user_namespaces_nothing_of_stage_1_is_possible_as_predicted() {
    let before = "unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"' sh";
    if !lesser(before, "without_capabilities") {
        return;
    }
    let (_, verdicts) = hold_together(before);
    let mut first = verdicts.iter().filter(|(step, _)| step.starts_with("\"stage1\""));
    assert!(first.all(|(_, possible)| !possible), "{verdicts:?}");
    let ground = tempfile::tempdir().unwrap();
    assert_eq!(xtask(before, &ground, "demo stage1").status.code(), Some(77));
}

#[test]
fn the_remedy_names_the_switch_that_is_off() {
    let before = "unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"' sh";
    if !lesser(before, "the_remedy_names") {
        return;
    }
    built();
    let ground = tempfile::tempdir().unwrap();
    let told = xtask(before, &ground, "doctor");
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("max_user_namespaces"), "{text}");
    assert!(text.contains("not possible here"), "{text}");
}

#[test]
fn every_line_of_doctor_fits_80_columns() {
    built();
    let ground = tempfile::tempdir().unwrap();
    let told = xtask("", &ground, "doctor");
    let text = String::from_utf8(told.stdout).unwrap();
    let wide: Vec<_> =
        text.lines().filter(|line| unicode_width::UnicodeWidthStr::width(*line) > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn without_a_path_programs_are_found_where_a_shell_finds_them() {
    built();
    let ground = tempfile::tempdir().unwrap();
    let told = |before: &str| {
        let told = json(&xtask(before, &ground, "doctor --format json"));
        verdicts(&told, |step| step["possible"] == true)
    };
    assert_eq!(told("env -u PATH"), told(""));
}
