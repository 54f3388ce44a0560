//! `spec --set`, `--remove` and `-- COMMAND`: what comes out is what was asked for, or an error that says where.

use super::default;
use serde_json::{Value, json};
use stage4_runtime::Result;
use stage4_runtime::config::edit::{Assignment, Edits, Path, apply};
use stage4_runtime::config::spec;

fn edited(remove: &[&str], set: &[&str]) -> Result<Value> {
    let remove: Vec<Path> = remove.iter().map(|path| path.parse().unwrap()).collect();
    let set: Vec<Assignment> = set.iter().map(|text| text.parse().unwrap()).collect();
    let edits = Edits { remove: &remove, set: &set, command: &[] };
    apply(&spec::default(), &edits).map(|(config, _)| serde_json::to_value(config).unwrap())
}

fn refused(remove: &[&str], set: &[&str]) -> String {
    let error = edited(remove, set).unwrap_err();
    format!("{error}; {}", error.hint().unwrap_or_default())
}

#[test]
fn nothing_asked_for_changes_nothing() {
    assert_eq!(edited(&[], &[]).unwrap(), default());
}

#[test]
fn values_are_json_or_else_texts() {
    let config = edited(&[], &["hostname=box", "root.readonly=false", "process.oomScoreAdj=100"]).unwrap();
    assert_eq!(config["hostname"], "box");
    assert_eq!(config["root"], json!({ "path": "rootfs" }));
    assert_eq!(config["process"]["oomScoreAdj"], 100);
    let config = edited(&[], &["linux.sysctl[\"net.ipv4.ip_forward\"]=\"1\"", "annotations.a=b=c"]).unwrap();
    assert_eq!(config["linux"]["sysctl"]["net.ipv4.ip_forward"], "1");
    assert_eq!(config["annotations"]["a"], "b=c");
}

#[test]
fn entries_are_found_by_number_and_by_name_and_added_behind_the_last() {
    let path = "linux.namespaces[network].path=/proc/1/ns/net";
    assert_eq!(edited(&[], &[path]).unwrap()["linux"]["namespaces"][1]["path"], "/proc/1/ns/net");
    let config = edited(&[], &["process.rlimits[0].soft=10", "process.rlimits[RLIMIT_NOFILE].hard=20"]);
    assert_eq!(
        config.unwrap()["process"]["rlimits"],
        json!([{"type": "RLIMIT_NOFILE", "hard": 20, "soft": 10}])
    );
    let mount = "mounts[+]={\"destination\": \"/tmp\", \"type\": \"tmpfs\", \"source\": \"x\"}";
    let config = edited(&[], &[mount, "mounts[/tmp].source=y"]).unwrap();
    assert_eq!(config["mounts"].as_array().unwrap().last().unwrap()["source"], "y");
    // An array that is not there yet, and objects on the way to a property.
    let config = edited(
        &[],
        &[
            "process.capabilities.ambient[+]=CAP_KILL",
            "process.capabilities.inheritable[+]=CAP_KILL",
            "linux.resources.memory.limit=52428800",
        ],
    )
    .unwrap();
    assert_eq!(config["process"]["capabilities"]["ambient"], json!(["CAP_KILL"]));
    assert_eq!(config["linux"]["resources"]["memory"], json!({ "limit": 52_428_800 }));
}

#[test]
fn what_is_removed_is_gone() {
    let config =
        edited(&["linux.namespaces[network]", "linux.maskedPaths[/proc/kcore]", "hostname"], &[]).unwrap();
    assert_eq!(config["linux"]["namespaces"].as_array().unwrap().len(), 4);
    assert!(!config["linux"]["maskedPaths"].as_array().unwrap().contains(&json!("/proc/kcore")));
    assert_eq!(config.get("hostname"), None);
}

#[test]
fn a_path_that_leads_nowhere_says_why() {
    for (remove, set, told) in [
        (
            &["linux.namespaces[net]"][..],
            &[][..],
            "--remove linux.namespaces[net]: no entry is called \"net\"; there are: pid, network, ipc, uts, mount; [+]",
        ),
        (&["linux.namespaces[5]"], &[], "there are 5 entries, counted from 0"),
        (&["linux.seccomp"], &[], "--remove linux.seccomp: is not there"),
        (&["mounts[+]"], &[], "is not there"),
        (&["hostname.x"], &[], "leads through a value that is no object"),
        (&[], &["mounts[tmpfs].source=x"], "2 entries are called \"tmpfs\"; take one by its number: [1, 3]"),
        (&[], &["root[0]=x"], "leads through a value that is no array"),
        (&[], &["linux.seccomp[0]=x"], "leads through a value that is no array; [+] makes"),
    ] {
        let error = refused(remove, set);
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn what_comes_out_obeys_the_rules_and_is_read_by_somebody() {
    for (set, told) in [
        ("linux.namespaces[network].type=nett", "linux.namespaces[1].type"),
        ("hostname=5", "hostname: invalid type: integer `5`"),
        ("linux.namespaces[+].type=network", "linux.namespaces"),
        (
            "linux.resources.memory.limt=5",
            "--set linux.resources.memory.limt: the specification knows no such property",
        ),
        (
            "linux.resource.memory.limit=5",
            "--set linux.resource.memory.limit: the specification knows no such",
        ),
        ("mounts[/proc].dest=x", "the specification knows no such property"),
        ("color=[]", "the specification knows no such property"),
    ] {
        let error = refused(&[], &[set]);
        assert!(error.contains(told), "{error}");
    }
}
