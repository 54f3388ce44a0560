//! The steps of `demo.toml`, each played for real and held against its snapshot.
//!
//! A claim a test, named by the step's slug. Book: chapter 2; the transcripts there are these snapshots.
//! Invariant: what is asserted was observed on this kernel, just now.
#![allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]

use observe::{rehearsal, workspace::Programs};

/// Plays the step; where this machine can, what it showed must be what the snapshot holds.
fn step(slug: &str) {
    let programs = Programs::for_tests("stage2-namespaces", env!("CARGO_BIN_EXE_stage2-namespaces")).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/demo.toml");
    let Some(shown) = rehearsal::rehearse(script.as_ref(), slug, &programs) else { return };
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(shown.name, shown.transcript));
}

#[test]
fn kinds_are_eight_and_this_kernel_has_them() {
    step("kinds");
}

#[test]
fn spawn_makes_the_kinds_asked_for_and_no_other() {
    step("spawn");
}

#[test]
fn mnt_hides_a_mount_from_the_host() {
    step("mnt");
}

#[test]
fn propagation_lets_only_shared_mounts_travel_outward() {
    step("propagation");
}

#[test]
fn pivot_leaves_no_way_back() {
    step("pivot");
}

#[test]
fn uts_gives_a_name_of_its_own() {
    step("uts");
}

#[test]
fn ipc_gives_the_same_key_to_another_object() {
    step("ipc");
}

#[test]
fn pid_hides_the_processes_of_the_host() {
    step("pid");
}

#[test]
fn init_adopts_orphans_and_survives_signals_from_inside() {
    step("init");
}

#[test]
fn net_begins_with_nothing_but_lo() {
    step("net");
}

#[test]
fn named_networks_live_without_processes() {
    step("named");
}

#[test]
fn veth_answers_in_both_directions_and_dies_with_either_end() {
    step("veth");
}

#[test]
fn bridge_joins_two_networks_and_the_host() {
    step("bridge");
}

#[test]
fn user_makes_root_of_who_is_nobody() {
    step("user");
}

#[test]
fn idmap_gives_a_range_of_users() {
    step("idmap");
}

#[test]
fn cgroup_view_begins_where_the_process_is() {
    step("cgroup");
}

#[test]
fn time_shifts_the_clocks_since_boot() {
    step("time");
}

#[test]
fn enter_sees_what_the_inhabitants_see() {
    step("enter");
}

#[test]
fn list_shows_each_kind_and_its_owner() {
    step("list");
}

#[test]
fn pod_shares_the_network_and_nothing_of_pids() {
    step("pod");
}

#[test]
fn all_kinds_at_once_are_the_demo_application_of_the_series() {
    step("all");
}

#[test]
fn contained_are_the_escapes_of_stage_1_but_for_the_descriptor() {
    step("contained");
}

#[test]
fn flips_are_one_kind_at_a_time() {
    step("flips");
}

#[test]
fn namespace_facts_are_nearly_all_its_own() {
    step("namespace-facts");
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
