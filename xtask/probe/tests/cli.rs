//! What the probe's callers rely on: an exit status that no failure can pretend.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    process::{Command, Output},
    thread::sleep,
    time::Duration,
};

fn probe(line: &str) -> Output {
    let script = format!("exec \"$PROBE\" {line}");
    Command::new("sh").args(["-c", &script]).env("PROBE", env!("CARGO_BIN_EXE_probe")).output().unwrap()
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_and_no_panic() {
    for line in ["facts", "facts --format json", "rows", "--help", "sees 1", "can chroot", "try nt-01"] {
        let output = probe(&format!("{line} >/dev/full"));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && told.contains("write(1): No space"), "{line}: {told}");
        assert_eq!(probe(&format!("{line} >/dev/full 2>&1")).status.code(), Some(2), "{line}");
    }
}

#[test]
fn an_attempt_that_would_show_nothing_is_not_containment() {
    assert_eq!(probe("try fs-02 --canary relative").status.code(), Some(2));
    assert_eq!(probe("try fs-03 --fd 0 --canary /proc </proc").status.code(), Some(2));
    assert_eq!(probe("try fs-03 --fd -100 --canary /etc/passwd").status.code(), Some(1));
    assert_eq!(probe("facts --proc-fd -100").status.code(), Some(2));
}

#[test]
fn whoever_was_killed_is_gone_though_it_has_much_to_give_back() {
    let mut large = Command::new("dd").args(["if=/dev/zero", "of=/dev/null", "bs=300M"]).spawn().unwrap();
    let pages = format!("/proc/{}/statm", large.id());
    let resident = || -> u32 {
        let told = fs::read_to_string(&pages).unwrap();
        told.split(' ').nth(1).unwrap().parse().unwrap()
    };
    while resident() < 50_000 {
        sleep(Duration::from_millis(1));
    }
    large.kill().unwrap();
    let output = probe(&format!("sees {}", large.id()));
    large.wait().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}: gone\n", large.id()));
}
