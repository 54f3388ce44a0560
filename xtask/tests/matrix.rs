//! `cargo xtask matrix`: what leaks here is what the catalogue says, and nothing of it stays.
//!
//! Book: "The matrix".
//! Invariant: a leak that nobody expects fails, and names row, column and what was seen.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;
use std::{fs, path::Path, time::Duration};

fn matrix() -> Command {
    let mut command = Command::cargo_bin("xtask").unwrap();
    command.arg("matrix").timeout(Duration::from_secs(400));
    command
}

#[test]
fn matrix_leaks_what_the_catalogue_says_and_no_more() {
    let output = matrix().args(["--format", "json"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        assert!(
            errors.contains("SKIP the isolation matrix"),
            "nothing was tried, and nobody said why: {errors}"
        );
        return;
    }
    assert!(output.status.success(), "{errors}");
    let observed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(observed["rows"].as_array().unwrap().len(), 61);
    let leaks = |name: &str| {
        let columns = observed["columns"].as_array().unwrap();
        let column = columns.iter().find(|column| column["name"] == name).unwrap();
        let cells = column["cells"].as_object().unwrap().values();
        cells.filter(|cell| cell["verdict"] == "LEAKS").count()
    };
    // History closes: each of these is a long step. What leaks nowhere shows nothing.
    assert!(leaks("host") > 40 && leaks("host") >= leaks("chroot"), "{}", leaks("host"));
    assert!(
        leaks("chroot") > leaks("time") && leaks("time") > leaks("user") && leaks("user") > leaks("full")
    );
    assert!(leaks("born") > leaks("capabilities") && leaks("capabilities") > leaks("masks"));
}

#[test]
fn matrix_refuses_what_it_does_not_know() {
    matrix().args(["--row", "zz"]).assert().code(2).stderr(predicate::str::contains("zz"));
    matrix().args(["--column", "none"]).assert().code(2).stderr(predicate::str::contains("rootless"));
    matrix().args(["--from", "/nowhere"]).assert().code(2);
}

#[test]
fn matrix_of_a_file_shows_the_rows_and_columns_that_were_asked_for() {
    let verdicts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/matrix.tsv");
    let mut told = matrix();
    told.arg("--from").arg(verdicts).args(["--explain", "cg-01", "--column", "full", "--column", "chroot"]);
    let output = String::from_utf8(told.output().unwrap().stdout).unwrap();
    assert!(output.starts_with("cg-01 ") && output.contains("\nfull "), "{output}");
    assert!(!output.contains("fs-01") && !output.contains("\nhost "), "{output}");
}

/// The book's own files.
fn book(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src").join(name)).unwrap()
}

#[test]
fn matrix_draws_the_pictures_of_the_book_from_their_verdicts() {
    let verdicts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/matrix.tsv");
    for (lang, picture) in [("en", "matrix.svg"), ("ko", "matrix.ko.svg")] {
        let mut draw = matrix();
        draw.arg("--from").arg(&verdicts).args(["--format", "svg", "--lang", lang]);
        draw.assert().success().stdout(book(picture));
    }
    let table = matrix().arg("--from").arg(&verdicts).args(["--format", "tsv"]).output().unwrap();
    assert_eq!(String::from_utf8(table.stdout).unwrap(), book("matrix.tsv"));
}

#[test]
fn matrix_is_counted_in_the_book_as_its_verdicts_are() {
    let (page, table) = (book("matrix.md"), book("matrix.tsv"));
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split('\t').collect()).collect();
    for (place, name) in rows[0].iter().enumerate().skip(1) {
        let leaks = rows.iter().filter(|row| row[place] == "L").count();
        assert!(page.contains(&format!("| {name} | {leaks} | ")), "{name} leaks {leaks}");
    }
}
