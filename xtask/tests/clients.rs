//! `cargo xtask clients`: that it tells runtimes apart, and says why.
//!
//! Book: "How it is tested".
//! Invariant: what is played here is short; all of it is played by `stage4-runtime/tests/clients.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

use assert_cmd::Command;
use observe::clients::{CLIENTS, Operations};
use predicates::prelude::*;
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

fn clients() -> Command {
    let mut command = Command::cargo_bin("xtask").unwrap();
    command.arg("clients").timeout(Duration::from_secs(300));
    command
}

#[test]
fn clients_tell_a_runtime_that_fails_from_one_that_works() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let twin = directory.path().join("twin");
    fs::write(&twin, "#!/bin/sh\nexec runc \"$@\"\n").unwrap();
    // It makes no container.
    let deaf = directory.path().join("deaf");
    fs::write(&deaf, "#!/bin/sh\nfor word; do [ $word != create ] || exit 1; done\nexec runc \"$@\"\n")
        .unwrap();
    for path in [&twin, &deaf] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = clients();
    command.args([
        "--client",
        "podman",
        "--operation",
        "exit-status",
        "--operation",
        "hello",
        "--format",
        "json",
    ]);
    for runtime in ["ours", twin.to_str().unwrap(), deaf.to_str().unwrap()] {
        command.args(["--runtime", runtime]);
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || errors.contains("SKIP podman") {
        assert!(errors.contains("SKIP"), "nothing was played, and nobody said why: {errors}");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdict = |row: usize, runtime: &str| seen["rows"][row]["cells"][runtime]["verdict"].clone();
    for (row, name) in ["hello", "exit-status"].iter().enumerate() {
        assert_eq!(seen["rows"][row]["operation"], *name);
        assert_eq!((verdict(row, "ours"), verdict(row, "twin")), ("works".into(), "works".into()));
    }
    assert_eq!((verdict(0, "deaf"), verdict(1, "deaf")), ("fails".into(), "differs".into()), "{seen}");
    assert!(errors.contains("podman exit-status with deaf: differs, and nobody knows why"), "{errors}");
}

#[test]
fn clients_explain_themselves_and_refuse_what_they_do_not_know() {
    clients().arg("--help").assert().success().stdout(predicate::str::contains("differs:"));
    clients()
        .args(["--client", "lxc"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("rootless, machine"));
    clients().args(["--operation", "nosuch"]).assert().code(2);
}

#[test]
fn clients_of_the_list_are_all_in_the_books_table() {
    let root = observe::workspace::root();
    let operations = Operations::load().unwrap();
    for table in ["clients.txt", "clients.ko.txt"] {
        let text = fs::read_to_string(root.join("book/src/runtime").join(table)).unwrap();
        for client in CLIENTS.iter().filter(|client| client.in_sandbox) {
            let (_, part) = text.split_once(&format!("\n{}: ", client.name)).unwrap();
            let part = part.split("\n\n").next().unwrap();
            let names: Vec<_> = part.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
            let listed: Vec<_> = operations.of(client).map(|operation| operation.name.as_str()).collect();
            assert_eq!(names[..names.len() - 1], listed, "{table}, {}: cargo xtask clients", client.name);
        }
    }
}
