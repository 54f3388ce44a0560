//! The steps of `demo.toml`, each played for real and held against its snapshot.
//!
//! A claim a test, named by the step's slug. Book: chapter 1; the transcripts there are these snapshots.
//! Invariant: what is asserted was observed on this kernel, just now.
#![allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]

use observe::{rehearsal, workspace::Programs};

/// Plays the step; where this machine can, what it showed must be what the snapshot holds.
fn step(slug: &str) {
    let programs = Programs::for_tests("stage1-chroot", env!("CARGO_BIN_EXE_stage1-chroot")).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/demo.toml");
    let Some(shown) = rehearsal::rehearse(script.as_ref(), slug, &programs) else { return };
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(shown.name, shown.transcript));
}

#[test]
fn build_copies_a_program_and_all_it_needs() {
    step("build");
}

#[test]
fn run_shows_the_new_root_as_slash() {
    step("run");
}

#[test]
fn builtins_are_all_that_a_jail_with_bash_can_do() {
    step("builtins");
}

#[test]
fn cwd_is_not_changed_by_chroot() {
    step("cwd");
}

#[test]
fn stack_of_roots_does_not_exist() {
    step("stack");
}

#[test]
fn capability_is_what_chroot_wants() {
    step("capability");
}

#[test]
fn double_chroot_escapes_the_jail() {
    step("double-chroot");
}

#[test]
fn cwd_outside_escapes_the_jail_without_privilege() {
    step("cwd-outside");
}

#[test]
fn kept_fd_escapes_the_jail() {
    step("kept-fd");
}

#[test]
fn proc_root_escapes_the_jail_of_root() {
    step("proc-root");
}

#[test]
fn processes_of_the_host_are_visible() {
    step("processes");
}

#[test]
fn kill_reaches_a_process_of_the_host() {
    step("kill");
}

#[test]
fn network_devices_are_the_hosts() {
    step("network");
}

#[test]
fn hostname_is_the_hosts() {
    step("hostname");
}

#[test]
fn facts_of_the_jail_are_the_hosts_but_for_the_root() {
    step("facts");
}

#[test]
fn every_step_of_the_script_is_a_test_here() {
    let script =
        observe::script::Script::load(concat!(env!("CARGO_MANIFEST_DIR"), "/demo.toml").as_ref()).unwrap();
    let own = include_str!("demo.rs");
    for step in &script.steps {
        assert!(own.contains(&format!("step(\"{}\")", step.slug)), "no test plays {:?}", step.slug);
    }
}
