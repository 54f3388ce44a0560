//! The steps of `demo.toml`, each played for real and held against its snapshot.
//!
//! A claim a test, named by the step's slug. Book: chapter 4; the transcripts there are these snapshots.
//! Invariant: what is asserted was observed on this kernel, just now.
#![allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]

use observe::{rehearsal, workspace::Programs};

/// Plays the step; where this machine can, what it showed must be what the snapshot holds.
fn step(slug: &str) {
    let programs = Programs::for_tests("stage4-runtime", env!("CARGO_BIN_EXE_stage4-runtime")).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/demo.toml");
    let Some(shown) = rehearsal::rehearse(script.as_ref(), slug, &programs) else { return };
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(shown.name, shown.transcript));
}

#[test]
fn bundle_is_a_root_and_a_file() {
    step("bundle");
}

#[test]
fn birth_gives_a_view_of_its_own() {
    step("birth");
}

#[test]
fn explain_tells_calls_and_makes_nothing() {
    step("explain");
}

#[test]
fn config_check_refuses_a_wrong_file_as_a_whole() {
    step("config-check");
}

#[test]
fn fewer_namespaces_share_more_with_the_host() {
    step("fewer-namespaces");
}

#[test]
fn life_cycle_is_created_running_stopped() {
    step("life-cycle");
}

#[test]
fn terminal_is_the_containers_own() {
    step("terminal");
}

#[test]
fn exec_joins_with_no_more_rights() {
    step("exec");
}

#[test]
fn pause_stops_all_and_lets_them_go_on() {
    step("pause");
}

#[test]
fn resources_are_limited_or_refused() {
    step("resources");
}

#[test]
fn hooks_are_called_in_their_order() {
    step("hooks");
}

#[test]
fn pod_shares_what_was_chosen() {
    step("pod");
}

#[test]
fn death_leaves_nothing() {
    step("death");
}

#[test]
fn rootless_root_is_nobody_outside() {
    step("rootless");
}

#[test]
fn capabilities_are_those_of_the_file_alone() {
    step("capabilities");
}

#[test]
fn no_new_privileges_come_from_a_set_uid_program() {
    step("no-new-privileges");
}

#[test]
fn masks_hide_and_fix_files_of_the_kernel() {
    step("masks");
}

#[test]
fn seccomp_refuses_by_an_argument() {
    step("seccomp");
}

#[test]
fn seccomp_compiler_knows_each_architecture() {
    step("seccomp-compiler");
}

#[test]
fn labels_that_cannot_be_set_are_an_error() {
    step("labels");
}

#[test]
fn escapes_are_contained_by_default() {
    step("escapes");
}

#[test]
fn overwrite_of_the_runtime_fails() {
    step("overwrite");
}

#[test]
fn leaked_descriptor_is_no_working_directory() {
    step("leaked-descriptor");
}

#[test]
fn shared_kernel_is_the_hosts() {
    step("shared-kernel");
}

#[test]
fn image_is_blobs_called_by_their_digests() {
    step("image");
}

#[test]
fn image_layers_are_only_ever_added() {
    step("image-layers");
}

#[test]
fn image_build_is_a_recipe_by_hand() {
    step("image-build");
}

#[test]
fn image_mount_shares_layers() {
    step("image-mount");
}

#[test]
fn image_unpack_is_whole_or_not_at_all() {
    step("image-unpack");
}

#[test]
fn clients_podman_needs_one_line() {
    step("clients-podman");
}

#[test]
fn features_are_the_truth() {
    step("features");
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
