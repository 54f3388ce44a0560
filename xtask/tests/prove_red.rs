//! `cargo xtask test --prove-red`: what is asked of it, before anything is built.
//!
//! Book: "Weaknesses, and what turns red" (`weaknesses`).
//! Invariant: nothing is copied, built or broken for a wrong command line.

use assert_cmd::Command;
use predicates::prelude::*;

fn test(arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("test").args(arguments).timeout(std::time::Duration::from_secs(60)).assert()
}

#[test]
fn a_weakness_that_is_not_in_the_list_is_answered_with_those_that_are() {
    let told = predicate::str::contains("no weakness is called \"CVE-1\"")
        .and(predicate::str::contains("CVE-2019-5736"));
    test(&["--prove-red", "--only", "CVE-1"]).code(2).stderr(told);
}

#[test]
fn breaking_is_for_no_stage_no_machine_and_no_filter() {
    for more in [&["stage4"][..], &["--vm", "v2"], &["--", "name"]] {
        test(&[&["--prove-red"], more].concat())
            .code(2)
            .stderr(predicate::str::contains("cannot be used with"));
    }
    test(&["--only", "CVE-2019-5736"]).code(2).stderr(predicate::str::contains("--prove-red"));
}

#[test]
fn the_help_has_an_example() {
    test(&["--help"]).success().stdout(predicate::str::contains("cargo xtask test --prove-red --only"));
}
