//! The steps of `demo.toml`, each played for real and held against its snapshot.
//!
//! A claim a test, named by the step's slug. Book: chapter 3; the transcripts there are these snapshots.
//! Invariant: what is asserted was observed on this kernel, just now.
#![allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]

mod ground;

use observe::{rehearsal, workspace::Programs};
use stage3_cgroups::{Base, Layout};

/// Plays the step; where this machine can, what it showed must be what the snapshot of its layout holds.
fn step(slug: &str) {
    let layout = Layout::read().unwrap();
    ground::step_aside(&layout, Base::fitting(&layout));
    let programs = Programs::for_tests("stage3-cgroups", env!("CARGO_BIN_EXE_stage3-cgroups")).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/demo.toml");
    let Some(shown) = rehearsal::rehearse(script.as_ref(), slug, &programs) else { return };
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(shown.name, shown.transcript));
}

#[test]
fn info_tells_the_layout_and_what_we_may_do() {
    step("info");
}

#[test]
fn files_are_the_interface() {
    step("files");
}

#[test]
fn conversions_keep_half_a_half() {
    step("conversions");
}

#[test]
fn born_inside_the_command_never_was_outside() {
    step("born-inside");
}

#[test]
fn memory_limit_kills_inside_and_spares_the_host() {
    step("memory-limit");
}

#[test]
fn swap_is_limited_alone_or_in_a_sum() {
    step("swap");
}

#[test]
fn oom_group_ends_all_or_is_refused() {
    step("oom-group");
}

#[test]
fn cpu_quota_is_a_ceiling() {
    step("cpu");
}

#[test]
fn cpuset_inherits_what_is_not_asked_for() {
    step("cpuset");
}

#[test]
fn pids_beyond_the_limit_are_refused() {
    step("pids");
}

#[test]
fn io_waits_for_its_time() {
    step("io");
}

#[test]
fn devices_that_are_not_on_the_list_do_not_open() {
    step("devices");
}

#[test]
fn view_of_its_own_begins_at_the_group() {
    step("view");
}

#[test]
fn freezer_stops_all_and_lets_them_go_on() {
    step("freezer");
}

#[test]
fn kill_reaches_whoever_is_in_the_group() {
    step("kill");
}

#[test]
fn events_are_told_once_each() {
    step("events");
}

#[test]
fn pressure_is_time_spent_waiting() {
    step("pressure");
}

#[test]
fn plot_shows_use_and_limit() {
    step("plot");
}

#[test]
fn delegation_gives_groups_and_keeps_limits() {
    step("delegation");
}

#[test]
fn hog_of_files_is_limited_by_no_group() {
    step("hog");
}

#[test]
fn missing_are_the_capabilities_nobody_took() {
    step("missing");
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
