//! What must not work: every break-out that the probe knows, tried by root of a container.
//!
//! The attempts are the probe's, and so is the verdict. Book: "The escapes, once more" (`escapes`).
//! Invariant: an attempt that leaks fails the test, and so does one that could not be made.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;

use ground::{BINARY, Bench};
use observe::workspace::Programs;
use serde_json::{Value, json};
use std::{fs, process::Command};

/// All that need no descriptor of the caller's.
const ROWS: [&str; 8] = ["fs-01", "fs-02", "fs-04", "fs-05", "pr-01", "pr-02", "pr-04", "nt-01"];

/// Tries every way; what each came to, by its row.
fn tried(edit: impl FnOnce(&mut Value)) -> Option<String> {
    let bench = Bench::new()?;
    let programs = Programs::for_tests("stage4-runtime", BINARY).unwrap();
    fs::copy(programs.find("probe").unwrap(), bench.path("rootfs/bin/probe")).unwrap();
    let canary = bench.path("canary");
    fs::write(&canary, "the host's").unwrap();
    let mut process = Command::new("sleep").arg("60").spawn().unwrap();
    let (rows, canary, pid) = (ROWS.join(" "), canary.display(), process.id());
    bench.config(
        &format!("for row in {rows}; do probe try $row --canary {canary} --pid {pid}; done; true"),
        edit,
    );
    let id = bench.id();
    let (status, output, errors) = bench.call(&["run", &id]);
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(status, 0, "{errors}");
    bench.nothing_is_left();
    Some(output)
}

fn all_contained(output: &str) {
    for row in ROWS {
        assert!(output.contains(&format!("CONTAINED {row}:")), "{row}: {output}");
    }
    assert!(!output.contains("LEAKS"), "{output}");
}

#[test]
fn escapes_are_contained_by_default() {
    let Some(output) = tried(|_| ()) else { return };
    all_contained(&output);
}

#[test]
fn escapes_are_contained_where_root_may_chroot_and_write() {
    let edit = |config: &mut Value| {
        config["root"]["readonly"] = json!(false);
        for set in ["bounding", "permitted", "effective"] {
            let held = ["CAP_SYS_CHROOT", "CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE", "CAP_KILL"];
            config["process"]["capabilities"][set] = json!(held);
        }
    };
    let Some(output) = tried(edit) else { return };
    all_contained(&output);
    // It was not a file's mode or a read-only root that held it.
    assert!(output.contains("chroot(\"stage1-escape\") = 0"), "{output}");
}
