//! `cargo xtask bench`: that it measures, never how long something takes.
//!
//! Book: "How it is tested".
//! Invariant: no number of this machine is asserted; what was measured has one.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;
use std::time::Duration;

fn bench() -> Command {
    let mut command = Command::cargo_bin("xtask").unwrap();
    command.arg("bench").timeout(Duration::from_secs(300));
    command
}

#[test]
fn bench_measures_the_runtimes_side_by_side() {
    let words =
        ["runtimes", "--any-build", "--runs", "2", "--case", "run", "--case", "life", "--format", "json"];
    let output = bench().args(words).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    if rows.is_empty() {
        let told = errors.contains("SKIP the runtimes side by side");
        assert!(told, "nothing was measured, and nobody said why: {errors}");
        return;
    }
    let names: Vec<_> = rows.iter().map(|row| row["what"].as_str().unwrap()).collect();
    assert_eq!(names, ["run", "create", "start", "state", "kill", "delete"]);
    for row in &rows {
        let sides = row["sides"].as_array().unwrap();
        assert!(sides.iter().any(|side| side["name"] == "ours"), "{row}");
        assert!(sides.iter().all(|side| side["wall_ms"].as_f64() > Some(0.0)), "{row}");
    }
    assert_eq!(rows[0]["sides"][0]["name"], "floor");
    for name in ["crun", "runc"] {
        let measured = rows[0]["sides"].as_array().unwrap().iter().any(|side| side["name"] == name);
        assert!(measured || errors.contains(&format!("SKIP {name}")), "{name} is passed over: {errors}");
    }
}

#[test]
fn bench_unpacks_an_image_beside_others() {
    let ground = tempfile::tempdir().unwrap();
    let bundle = ground.path().join("box");
    std::fs::create_dir_all(bundle.join("rootfs/etc")).unwrap();
    std::fs::write(bundle.join("rootfs/etc/file"), "text").unwrap();
    let runtime = observe::workspace::build("stage4-runtime", observe::workspace::Linkage::Host).unwrap();
    let image = format!("{}:v1", ground.path().join("layout").display());
    let mut commit = Command::new(runtime);
    commit.args(["image", "commit", bundle.to_str().unwrap(), &image]).assert().success();
    let words = ["images", "--any-build", "--runs", "2", "--format", "json", "--image", &image];
    let output = bench().args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let sides = rows[0]["sides"].as_array().unwrap();
    assert_eq!(sides[0]["name"], "ours");
    assert!(sides.iter().any(|side| side["name"] == "tar"));
    assert!(sides.iter().all(|side| side["wall_ms"].as_f64() > Some(0.0)), "{}", rows[0]);
}

#[test]
fn bench_explains_itself_and_refuses_what_it_does_not_know() {
    bench()
        .arg("--help")
        .assert()
        .success()
        .stdout(predicate::str::contains("floor").and(predicate::str::contains("--also")));
    bench().args(["runtimes", "--case", "nothing"]).assert().code(2);
    bench().args(["--runs", "1"]).assert().code(2);
}
