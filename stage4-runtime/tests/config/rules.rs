//! A text for every rule, which breaks that rule and no other.
//!
//! No kernel calls; config.md. Book: "config.json, field by field" (`config`).
//! Invariant: each row breaks one rule, and its fault has one path.

use super::merge::merge;
use super::{default, findings};
use serde_json::{Value, json};

/// What is changed in the default; where the fault is; words of it.
pub(super) type Row = (Value, &'static str, &'static str);

pub(super) fn patched(patch: Value) -> Value {
    let mut value = default();
    merge(&mut value, patch);
    value
}

pub(super) fn each_is_refused(rows: Vec<Row>) {
    for (patch, path, words) in rows {
        let found = findings(&patched(patch.clone()));
        let [fault] = &found.faults[..] else { panic!("{patch}: not one fault: {found:?}") };
        assert_eq!(fault.path, path, "{patch}: {fault}");
        assert!(fault.what.contains(words), "{patch}: {words:?} is not in: {fault}");
        assert!(!fault.source.is_empty(), "{fault}");
    }
}

pub(super) fn each_is_taken(patches: Vec<Value>) {
    for patch in patches {
        let found = findings(&patched(patch.clone()));
        assert!(found.faults.is_empty() && found.warnings.is_empty(), "{patch}: {found:?}");
    }
}

fn process(patch: Value) -> Value {
    json!({ "process": patch })
}

pub(super) fn linux(patch: Value) -> Value {
    json!({ "linux": patch })
}

pub(super) fn limits(patch: Value) -> Value {
    json!({"linux": {"resources": patch}})
}

/// Namespaces of the default, and `kind`.
pub(super) fn with_namespace(kind: &str, patch: Value) -> Value {
    let mut value = linux(patch);
    let kinds = ["pid", "network", "ipc", "uts", "mount", kind];
    value["linux"]["namespaces"] = kinds.map(|kind| json!({ "type": kind })).into();
    value
}

#[test]
fn config_rules_of_the_top() {
    each_is_refused(vec![
        (json!({"ociVersion": "1.0"}), "ociVersion", "no version"),
        (json!({"ociVersion": ""}), "ociVersion", "no version"),
        (json!({"ociVersion": "2.0.0"}), "ociVersion", "another major"),
        (json!({"ociVersion": "0.6.0-dev"}), "ociVersion", "another major"),
        (json!({"root": null}), "root", "is missing"),
        (json!({"root": {"path": ""}}), "root.path", "no path"),
        (json!({"process": null}), "process", "nothing to start"),
        (json!({"hostname": ""}), "hostname", "is empty"),
        (json!({"hostname": "a\nb"}), "hostname", "control character"),
        (json!({"hostname": "x".repeat(65)}), "hostname", "65 bytes"),
        (json!({"domainname": "x".repeat(65)}), "domainname", "65 bytes"),
        (json!({"linux": {"namespaces": [{"type": "mount"}]}}), "hostname", "\"uts\""),
        (
            json!({"hostname": null, "domainname": "a", "linux": {"namespaces": [{"type": "mount"}]}}),
            "domainname",
            "\"uts\"",
        ),
        (json!({"annotations": {"": "x"}}), "annotations", "key is empty"),
    ]);
    each_is_taken(vec![
        json!({"ociVersion": "1.0.0-rc5"}),
        json!({"hostname": null, "domainname": "a"}),
        json!({"hostname": "x".repeat(64)}),
        json!({"annotations": {"a": ""}}),
    ]);
}

#[test]
fn config_rules_of_the_process() {
    let long = "x".repeat(131_072);
    let core = json!({"type": "RLIMIT_CORE", "hard": 1, "soft": 1});
    each_is_refused(vec![
        (process(json!({"cwd": ""})), "process.cwd", "no absolute path"),
        (process(json!({"cwd": "tmp"})), "process.cwd", "\"tmp\" is no absolute path"),
        (process(json!({"args": []})), "process.args", "is empty"),
        (process(json!({"args": null})), "process.args", "missing"),
        (process(json!({"args": [""]})), "process.args[0]", "no executable"),
        (process(json!({"args": ["a", long]})), "process.args[1]", "131072"),
        (process(json!({"env": ["A=b", "C"]})), "process.env[1]", "\"C\" is no NAME=VALUE"),
        (process(json!({"env": ["=b"]})), "process.env[0]", "no NAME=VALUE"),
        (process(json!({"env": [""]})), "process.env[0]", "no NAME=VALUE"),
        (process(json!({"user": {"uid": 4_294_967_295_u32}})), "process.user.uid", "-1"),
        (process(json!({"user": {"gid": 4_294_967_295_u32}})), "process.user.gid", "-1"),
        (
            process(json!({"user": {"additionalGids": [1, 4_294_967_295_u32]}})),
            "process.user.additionalGids[1]",
            "-1",
        ),
        (
            process(json!({"user": {"additionalGids": vec![7; 65_537]}})),
            "process.user.additionalGids",
            "65537 groups",
        ),
        (process(json!({"user": {"umask": 512}})), "process.user.umask", "512"),
        (
            process(json!({"consoleSize": {"height": 65_536, "width": 1}})),
            "process.consoleSize.height",
            "65536",
        ),
        (process(json!({"oomScoreAdj": -1001})), "process.oomScoreAdj", "-1001"),
        (process(json!({"oomScoreAdj": 1001})), "process.oomScoreAdj", "1001"),
        (process(json!({"apparmorProfile": ""})), "process.apparmorProfile", "is empty"),
        (process(json!({"selinuxLabel": "a\nb"})), "process.selinuxLabel", "control"),
        (
            process(json!({"rlimits": [{"type": "RLIMIT_CORE", "hard": 1, "soft": 2}]})),
            "process.rlimits[0].soft",
            "more than the hard",
        ),
        (
            process(json!({"rlimits": [core, core]})),
            "process.rlimits[1].type",
            "\"RLIMIT_CORE\" is there twice",
        ),
    ]);
    each_is_taken(vec![
        process(json!({"env": ["A=", "A=b=c", "a-b.c=d"]})),
        process(json!({"user": {"umask": 0o777, "additionalGids": vec![7; 65_536]}})),
        process(json!({"user": null})),
    ]);
}

fn scheduler(patch: Value) -> Value {
    process(json!({ "scheduler": patch }))
}

#[test]
fn config_rules_of_scheduling() {
    each_is_refused(vec![
        (scheduler(json!({"policy": "SCHED_ISO"})), "process.scheduler.policy", "reserved"),
        (
            scheduler(json!({"policy": "SCHED_OTHER", "nice": 20})),
            "process.scheduler.nice",
            "20 is not from -20 to 19",
        ),
        (scheduler(json!({"policy": "SCHED_BATCH", "nice": -21})), "process.scheduler.nice", "-21"),
        (scheduler(json!({"policy": "SCHED_FIFO"})), "process.scheduler.priority", "0 is not from 1 to 99"),
        (scheduler(json!({"policy": "SCHED_RR", "priority": 100})), "process.scheduler.priority", "100"),
        (
            scheduler(json!({"policy": "SCHED_FIFO", "priority": 1, "nice": 1})),
            "process.scheduler.nice",
            "belongs to SCHED_OTHER and SCHED_BATCH, not to SCHED_FIFO",
        ),
        (
            scheduler(json!({"policy": "SCHED_OTHER", "priority": 1})),
            "process.scheduler.priority",
            "belongs to",
        ),
        (
            scheduler(json!({"policy": "SCHED_IDLE", "runtime": 1})),
            "process.scheduler.runtime",
            "belongs to SCHED_DEADLINE",
        ),
        (
            scheduler(json!({"policy": "SCHED_IDLE", "deadline": 1})),
            "process.scheduler.deadline",
            "belongs to",
        ),
        (scheduler(json!({"policy": "SCHED_IDLE", "period": 1})), "process.scheduler.period", "belongs to"),
    ]);
    each_is_taken(vec![
        scheduler(json!({"policy": "SCHED_OTHER", "nice": -20})),
        scheduler(json!({"policy": "SCHED_RR", "priority": 99, "flags": ["SCHED_FLAG_RESET_ON_FORK"]})),
        scheduler(json!({"policy": "SCHED_IDLE"})),
    ]);
}

#[test]
fn config_rules_of_deadlines() {
    each_is_refused(vec![
        (
            scheduler(json!({"policy": "SCHED_DEADLINE", "runtime": 1023, "deadline": 2000})),
            "process.scheduler.runtime",
            "1023",
        ),
        (
            scheduler(json!({"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 1999})),
            "process.scheduler.deadline",
            "less than the runtime",
        ),
        (
            scheduler(json!({"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 2000, "period": 1999})),
            "process.scheduler.period",
            "less than the deadline",
        ),
        (
            scheduler(
                json!({"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 2000, "period": 1_u64 << 63}),
            ),
            "process.scheduler.period",
            "more than",
        ),
    ]);
    each_is_taken(vec![scheduler(json!({"policy": "SCHED_DEADLINE", "runtime": 1024, "deadline": 1024}))]);
}

#[test]
fn config_rules_of_disk_priorities_and_affinities() {
    each_is_refused(vec![
        (
            process(json!({"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}})),
            "process.ioPriority.priority",
            "8 is not from 0 to 7",
        ),
        (
            process(json!({"ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": -1}})),
            "process.ioPriority.priority",
            "-1",
        ),
        (
            process(json!({"execCPUAffinity": {"initial": "3-1"}})),
            "process.execCPUAffinity.initial",
            "\"3-1\"",
        ),
        (
            process(json!({"execCPUAffinity": {"final": "0-8192"}})),
            "process.execCPUAffinity.final",
            "below 8192",
        ),
    ]);
    each_is_taken(vec![process(json!({"execCPUAffinity": {"initial": "0", "final": ""}}))]);
}
