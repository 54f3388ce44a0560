//! A text for every rule of mounts, hooks, namespaces and ids, which breaks that rule and no other.
//!
//! No kernel calls; config.md, config-linux.md. Book: "config.json, field by field" (`config`).
//! Invariant: each row breaks one rule, and its fault has one path.

use super::findings;
use super::merge::merge;
use super::rules::{each_is_refused, each_is_taken, linux, patched, with_namespace};
use serde_json::{Value, json};

fn mount(entry: Value) -> Value {
    json!({"mounts": [entry]})
}

fn bound(patch: Value) -> Value {
    let mut entry = json!({"destination": "/a", "source": "b", "options": ["bind"]});
    merge(&mut entry, patch);
    mount(entry)
}

#[test]
fn config_rules_of_mounts() {
    let ids = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
    let none = json!([{"containerID": 0, "hostID": 0, "size": 0}]);
    each_is_refused(vec![
        (mount(json!({"destination": "", "type": "tmpfs"})), "mounts[0].destination", "no path"),
        (mount(json!({"destination": "/a/../b", "type": "tmpfs"})), "mounts[0].destination", "leads upwards"),
        (mount(json!({"destination": "/a"})), "mounts[0].type", "is missing"),
        (mount(json!({"destination": "/a", "type": ""})), "mounts[0].type", "is missing"),
        (
            mount(json!({"destination": "/a", "type": "bind", "source": "b"})),
            "mounts[0].type",
            "no file system",
        ),
        (bound(json!({"source": null})), "mounts[0].source", "is missing"),
        (bound(json!({"source": ""})), "mounts[0].source", "is missing"),
        (bound(json!({"options": ["rbind", ""]})), "mounts[0].options[1]", "no option"),
        (bound(json!({"options": ["bind", "tmpcopyup"]})), "mounts[0].options", "tmpcopyup"),
        (bound(json!({"options": ["bind", "idmap"]})), "mounts[0].options", "user namespace"),
        (bound(json!({"options": ["bind", "ridmap"]})), "mounts[0].options", "user namespace"),
        (
            bound(json!({"options": ["bind", "idmap", "ridmap"], "uidMappings": ids, "gidMappings": ids})),
            "mounts[0].options",
            "exclude",
        ),
        (
            bound(json!({"options": ["bind", "idmap"], "uidMappings": ids})),
            "mounts[0].gidMappings",
            "is missing",
        ),
        (
            bound(json!({"options": ["bind", "idmap"], "gidMappings": ids})),
            "mounts[0].uidMappings",
            "is missing",
        ),
        (
            bound(json!({"options": ["bind", "idmap"], "gidMappings": ids, "uidMappings": none})),
            "mounts[0].uidMappings",
            "maps nothing",
        ),
    ]);
    each_is_taken(vec![
        bound(json!({"options": ["rbind", "ridmap"], "uidMappings": ids, "gidMappings": ids})),
        mount(json!({"destination": "/a", "type": "tmpfs", "options": ["tmpcopyup", "size=1m,mode=700"]})),
        mount(json!({"destination": "/a", "options": ["remount", "ro"]})),
    ]);
}

#[test]
fn config_rules_of_mounts_into_proc() {
    each_is_refused(vec![
        (mount(json!({"destination": "/proc", "type": "tmpfs"})), "mounts[0].destination", "only a proc"),
        (mount(json!({"destination": "//./proc/", "type": "tmpfs"})), "mounts[0].destination", "only a proc"),
        (bound(json!({"destination": "/proc/self/attr"})), "mounts[0].destination", "nothing is mounted"),
        (bound(json!({"destination": "/proc/sys/kernel"})), "mounts[0].destination", "nothing is mounted"),
        (
            bound(json!({"destination": "/proc/./sysrq-trigger"})),
            "mounts[0].destination",
            "nothing is mounted",
        ),
        (
            mount(json!({"destination": "/proc/a", "type": "tmpfs"})),
            "mounts[0].destination",
            "nothing is mounted",
        ),
    ]);
    each_is_taken(vec![
        bound(json!({"destination": "/proc/meminfo"})),
        bound(json!({"destination": "/proc/net/dev"})),
        bound(json!({"destination": "/proc", "source": "/proc", "options": ["rbind"]})),
        bound(json!({"destination": "/process"})),
    ]);
}

#[test]
fn config_rules_of_hooks() {
    for list in ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] {
        let hooks = |hook: Value| {
            let mut patch = json!({"hooks": {}});
            patch["hooks"][list] = json!([{"path": "/bin/true"}, hook]);
            findings(&patched(patch)).faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert!(
            hooks(json!({"path": "true"}))
                .starts_with(&format!("hooks.{list}[1].path: \"true\" is no absolute"))
        );
        assert!(
            hooks(json!({"path": "/a", "timeout": 0}))
                .starts_with(&format!("hooks.{list}[1].timeout: 0 seconds"))
        );
        assert!(hooks(json!({"path": "/a", "timeout": -1})).contains("-1 seconds are not more than 0"));
        assert!(
            hooks(json!({"path": "/a", "env": ["X"]})).starts_with(&format!("hooks.{list}[1].env[0]: \"X\""))
        );
        assert_eq!(hooks(json!({"path": "/a", "args": [], "env": ["A=b"], "timeout": 1})), "");
    }
}

#[test]
fn config_rules_of_namespaces() {
    let map = |list: Value| {
        with_namespace(
            "user",
            json!({"uidMappings": list, "gidMappings": [{"containerID": 0, "hostID": 0, "size": 9}]}),
        )
    };
    let one = json!({"containerID": 0, "hostID": 1000, "size": 1});
    let many: Vec<Value> = (0..341).map(|id| json!({"containerID": id, "hostID": id, "size": 1})).collect();
    each_is_refused(vec![
        (with_namespace("pid", json!({})), "linux.namespaces[5].type", "\"pid\" is there twice"),
        (
            linux(json!({"namespaces": [{"type": "uts"}, {"type": "ipc", "path": "proc/1/ns/ipc"}]})),
            "linux.namespaces[1].path",
            "no absolute path",
        ),
        (
            linux(json!({"namespaces": [{"type": "uts", "path": ""}]})),
            "linux.namespaces[0].path",
            "no absolute path",
        ),
        (linux(json!({"uidMappings": [one]})), "linux.uidMappings", "no namespace of the type \"user\""),
        (linux(json!({"gidMappings": [one]})), "linux.gidMappings", "no namespace of the type \"user\""),
        (with_namespace("user", json!({"uidMappings": [one]})), "linux.gidMappings", "needs both"),
        (map(json!([{"containerID": 0, "hostID": 0, "size": 0}, one])), "linux.uidMappings", "maps nothing"),
        (map(json!([one, {"containerID": 0, "hostID": 7, "size": 1}])), "linux.uidMappings", "overlap"),
        (map(json!([one, {"containerID": 7, "hostID": 1000, "size": 1}])), "linux.uidMappings", "overlap"),
        (
            map(json!([{"containerID": 0, "hostID": 1, "size": 4_294_967_295_u32}])),
            "linux.uidMappings",
            "past the last id",
        ),
        (map(json!(many)), "linux.uidMappings", "341 lines"),
        (linux(json!({"timeOffsets": {"boottime": {"secs": 1}}})), "linux.timeOffsets", "\"time\""),
        (
            with_namespace("time", json!({"timeOffsets": {"monotonic": {"nanosecs": 1_000_000_000}}})),
            "linux.timeOffsets.monotonic.nanosecs",
            "second or more",
        ),
        (
            linux(json!({"netDevices": {"eth0": {}}, "namespaces": [{"type": "uts"}]})),
            "linux.netDevices",
            "\"network\"",
        ),
    ]);
    each_is_taken(vec![
        linux(json!({"namespaces": [{"type": "uts", "path": "/proc/1/ns/uts"}]})),
        linux(json!({"namespaces": [{"type": "uts"}, {"type": "user", "path": "/proc/1/ns/user"}]})),
        map(json!([one])),
        with_namespace("time", json!({"timeOffsets": {"monotonic": {"secs": -1, "nanosecs": 999_999_999}}})),
        with_namespace("cgroup", json!({})),
    ]);
}

#[test]
fn config_rules_of_ids_inside() {
    let inside = |user: Value, first: u32| {
        let map = json!([{"containerID": first, "hostID": 100_000, "size": 1000}]);
        let mut patch = with_namespace("user", json!({"uidMappings": map, "gidMappings": map}));
        patch["process"] = json!({ "user": user });
        patch
    };
    each_is_refused(vec![
        (inside(json!({"uid": 1000}), 0), "process.user.uid", "1000 is mapped to no id"),
        (inside(json!({"gid": 1000}), 0), "process.user.gid", "1000 is mapped"),
        (inside(json!({"additionalGids": [5, 1000]}), 0), "process.user.additionalGids[1]", "1000 is mapped"),
    ]);
    let found = findings(&patched(inside(json!({"uid": 1, "gid": 1}), 1)));
    let paths: Vec<_> = found.faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["linux.uidMappings", "linux.gidMappings"], "nobody inside is root");
    each_is_taken(vec![inside(json!({"uid": 999, "gid": 999, "additionalGids": [0]}), 0)]);
}
