//! What `spec` writes, beside what runc's writes.
//!
//! No kernel calls; the fixtures are runc 1.1.5's output. Book: "config.json, field by field" (`config`).
//! Invariant: a difference to runc's `spec` is on purpose and named here.

use super::{complete, default, findings};
use serde_json::{Value, json};
use stage4_runtime::config::check::{self, Verb};
use stage4_runtime::config::{Config, parse, spec};

const RUNC: &str = include_str!("../fixtures/config/runc-1.1.5-spec.json");
const RUNC_ROOTLESS: &str = include_str!("../fixtures/config/runc-1.1.5-spec-rootless.json");

/// What is ours and not runc's, on purpose: our version, our name, and no ambient capabilities, for the kernel gives
/// none that are not inheritable as well, and neither `spec` has inheritable ones (capabilities(7)).
fn renamed(runc: &str) -> Value {
    let mut value: Value = serde_json::from_str(runc).unwrap();
    value["ociVersion"] = json!("1.3.0");
    value["hostname"] = json!("stage4");
    let capabilities = value["process"]["capabilities"].as_object_mut().unwrap();
    assert!(capabilities.remove("ambient").is_some() && !capabilities.contains_key("inheritable"));
    value
}

#[test]
fn spec_is_runcs_but_for_version_name_and_ambient_capabilities() {
    assert_eq!(serde_json::to_value(spec::default()).unwrap(), renamed(RUNC));
    // runc's was written by root.
    assert_eq!(serde_json::to_value(spec::rootless(0, 0)).unwrap(), renamed(RUNC_ROOTLESS));
}

#[test]
fn spec_maps_the_user_who_asks() {
    let linux = spec::rootless(1000, 100).linux;
    assert_eq!((linux.uid_mappings[0].host_id, linux.gid_mappings[0].host_id), (1000, 100));
}

#[test]
fn spec_and_runcs_pass_without_a_warning() {
    for text in [RUNC, RUNC_ROOTLESS] {
        let config: Config = parse("config.json", text.as_bytes()).unwrap();
        let found = check::config(&config, Verb::Start);
        assert!(found.faults.is_empty() && found.warnings.is_empty(), "{found:?}");
    }
    for config in [spec::default(), spec::rootless(1000, 1000)] {
        let found = check::config(&config, Verb::Start);
        assert!(found.faults.is_empty() && found.warnings.is_empty(), "{found:?}");
    }
}

/// It has every field, and so some that exclude each other: exactly these.
#[test]
fn config_example_obeys_all_rules_but_those_it_cannot() {
    let found = findings(&complete());
    let paths =
        |list: &[stage4_runtime::config::Fault]| list.iter().map(|one| one.path.clone()).collect::<Vec<_>>();
    assert_eq!(
        paths(&found.faults),
        ["process.scheduler.nice", "process.scheduler.priority", "linux.personality.flags[0]"]
    );
    assert_eq!(paths(&found.warnings), ["linux.intelRdt.enableCMT", "linux.intelRdt.enableMBM"]);
}

#[test]
fn config_faults_are_told_all_at_once_a_line_each() {
    let mut value = default();
    value["process"]["cwd"] = json!("tmp");
    value["hostname"] = json!("two\nlines");
    value["linux"]["cgroupsPath"] = json!("/a/../b");
    let faults = findings(&value).verdict("config.json").unwrap_err();
    assert_eq!(
        faults.to_string(),
        "config.json: process.cwd: \"tmp\" is no absolute path [config.md, Process]\n\
         config.json: hostname: \"two\\nlines\" holds a control character [config.md, Hostname]\n\
         config.json: linux.cgroupsPath: \"/a/../b\" leads upwards; write where it leads to [path_resolution(7)]"
    );
    let error = stage4_runtime::Error::from(faults).to_string();
    assert!(error.starts_with("config.json: 3 faults: process.cwd: ") && !error.contains('\n'), "{error}");
}

#[test]
fn config_needs_a_process_only_to_be_started() {
    let mut value = default();
    value.as_object_mut().unwrap().remove("process");
    let config: Config = parse("config.json", value.to_string().as_bytes()).unwrap();
    assert!(check::config(&config, Verb::Create).faults.is_empty());
    assert_eq!(check::config(&config, Verb::Start).faults[0].path, "process");
}
