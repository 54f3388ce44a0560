//! What the specification says to ignore, and what is said of it.
//!
//! No kernel calls; config.md, config-linux.md. Book: "config.json, field by field" (`config`).
//! Invariant: a warning stops nobody.

use super::findings;
use super::rules::{linux, patched};
use serde_json::json;

#[test]
fn config_warns_of_what_is_ignored() {
    let ids = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
    let rows = [
        (json!({"ociVersion": "1.4.0"}), "ociVersion", "later than 1.3.0"),
        (
            json!({"process": {"capabilities": {"bounding": ["CAP_KILL", "CAP_NONE"]}}}),
            "process.capabilities.bounding[1]",
            "\"CAP_NONE\" is no capability",
        ),
        (
            json!({"process": {"capabilities": {"ambient": ["cap_kill"]}}}),
            "process.capabilities.ambient[0]",
            "\"cap_kill\" is no capability",
        ),
        (
            json!({"process": {"capabilities": {"effective": ["CAP_CHOWN"]}}}),
            "process.capabilities.effective[0]",
            "not among the permitted",
        ),
        (
            json!({"process": {"terminal": false, "consoleSize": {"height": 1_000_000, "width": 1}}}),
            "process.consoleSize",
            "ignored without a terminal",
        ),
        (
            json!({"mounts": [{"destination": "a/b", "type": "tmpfs"}]}),
            "mounts[0].destination",
            "\"a/b\" is relative, and taken as \"/a/b\"",
        ),
        (
            json!({"mounts": [{
                "destination": "/a", "source": "b", "options": ["bind"], "uidMappings": ids, "gidMappings": ids,
            }]}),
            "mounts[0].uidMappings",
            "without idmap",
        ),
        (linux(json!({"intelRdt": {"enableCMT": true}})), "linux.intelRdt.enableCMT", "enableMonitoring"),
        (linux(json!({"intelRdt": {"l3CacheSchema": "L2:0=1"}})), "linux.intelRdt.l3CacheSchema", "L3:"),
    ];
    for (patch, path, words) in rows {
        let found = findings(&patched(patch.clone()));
        assert!(found.faults.is_empty(), "{patch}: {found:?}");
        let [warning] = &found.warnings[..] else { panic!("{patch}: not one warning: {found:?}") };
        assert_eq!(warning.path, path, "{patch}: {warning}");
        assert!(warning.what.contains(words), "{patch}: {words:?} is not in: {warning}");
        let verdict = findings(&patched(patch)).verdict("config.json").unwrap();
        assert_eq!(verdict, found.warnings, "a warning stops nobody");
    }
}
