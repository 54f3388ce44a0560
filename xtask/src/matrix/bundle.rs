//! Stage 4's columns as bundles: what `spec` writes, less the layers that a column does not have yet.
//!
//! No kernel calls. Book: "The matrix".
//! Invariant: the default's columns are what `spec` wrote, but for the command and the root's path.

use super::columns::{Device, Kind};
use crate::{Error, bench::bundle as usual};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// All capabilities that this machine gives, as the runtime spec names them.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Changes what `spec` wrote into a column's configuration; why it cannot be had here.
pub(super) fn edit(
    config: &mut Value,
    kind: Kind,
    root: &Path,
    device: Device,
) -> Result<Result<(), String>, Error> {
    config["root"]["path"] = json!(root);
    let Kind::Layers(layers) = kind else { return Ok(Ok(())) };
    // Named, and at the top: in version 2 a group with processes, as the caller's, hands no limits down.
    config["linux"]["cgroupsPath"] = json!("/stage4-matrix");
    disk(config, root, device, layers);
    let asked = |kind: &str| kind != "cgroup" && kind != "time" && kind != "user";
    list(&mut config["linux"]["namespaces"]).retain(|one| one["type"].as_str().is_some_and(asked));
    config["linux"].as_object_mut().map(|linux| linux.remove("seccomp"));
    if layers < 1 {
        all_capabilities(config);
    }
    if layers < 2 {
        writable(config);
    }
    match layers >= 3 {
        true => limits(config, device),
        false => config["linux"]["resources"] = json!({ "devices": [{ "allow": true, "access": "rwm" }] }),
    }
    let usual = usual_filter()?;
    match (layers, usual) {
        (..4, _) => {}
        (4, None) => return Ok(Err(format!("there is no {}", usual::PROFILE))),
        (4, Some(usual)) => config["linux"]["seccomp"] = usual,
        (_, usual) => {
            users_and_clocks(config);
            config["linux"]["seccomp"] = usual.map_or_else(refusals, stricter);
        }
    }
    Ok(Ok(()))
}

/// The filter of podman's containers, if it is on this machine.
fn usual_filter() -> Result<Option<Value>, Error> {
    let Ok(text) = fs::read_to_string(usual::PROFILE) else { return Ok(None) };
    let profile =
        serde_json::from_str(&text).map_err(|error| Error::Failed(format!("{}: {error}", usual::PROFILE)))?;
    Ok(Some(usual::for_oci(&profile)))
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = json!([]);
    }
    match value {
        Value::Array(list) => list,
        _ => unreachable!("it was made one"),
    }
}

/// The disk is given, so that only a limit can hold it back; with users of its own nobody makes a node, so that it is
/// bound.
fn disk(config: &mut Value, root: &Path, device: Device, layers: usize) {
    let Some((major, minor)) = device else { return };
    let path = "/dev/stage4-disk";
    if layers < 5 {
        let node = json!({ "path": path, "type": "b", "major": major, "minor": minor, "fileMode": 0o666 });
        return list(&mut config["linux"]["devices"]).push(node);
    }
    let source = root.join("dev/stage4-disk");
    let mount = json!({ "destination": path, "type": "bind", "source": source, "options": ["bind"] });
    list(&mut config["mounts"]).push(mount);
}

fn all_capabilities(config: &mut Value) {
    let bounding = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = bounding.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bits = bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or_default();
    let held: Vec<_> = NAMES
        .iter()
        .enumerate()
        .filter(|(number, _)| bits >> number & 1 == 1)
        .map(|(_, name)| format!("CAP_{name}"))
        .collect();
    config["process"]["capabilities"] = json!({ "bounding": held, "effective": held, "permitted": held });
    config["process"]["noNewPrivileges"] = json!(false);
    config["process"]["rlimits"] = json!([]);
}

fn writable(config: &mut Value) {
    config["root"]["readonly"] = json!(false);
    config["linux"]["maskedPaths"] = json!([]);
    config["linux"]["readonlyPaths"] = json!([]);
    for mount in list(&mut config["mounts"]) {
        list(&mut mount["options"]).retain(|option| option != "ro");
    }
}

fn limits(config: &mut Value, device: Device) {
    let mut resources = json!({
        "devices": [{ "allow": false, "access": "rwm" }],
        "memory": { "limit": 64 << 20 },
        "cpu": { "quota": 20_000, "period": 100_000 },
        "pids": { "limit": 64 },
    });
    if let Some((major, minor)) = device {
        let allowed = json!({ "allow": true, "type": "b", "major": major, "minor": minor, "access": "r" });
        list(&mut resources["devices"]).push(allowed);
        let rate = json!([{ "major": major, "minor": minor, "rate": 1 << 20 }]);
        resources["blockIO"] = json!({ "throttleReadBpsDevice": rate });
    }
    config["linux"]["resources"] = resources;
    namespace(config, "cgroup");
}

fn namespace(config: &mut Value, kind: &str) {
    let namespaces = list(&mut config["linux"]["namespaces"]);
    if namespaces.iter().all(|known| known["type"] != kind) {
        namespaces.push(json!({ "type": kind }));
    }
}

fn users_and_clocks(config: &mut Value) {
    namespace(config, "user");
    if Path::new("/proc/self/ns/time").exists() {
        namespace(config, "time");
    }
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
}

/// What the usual filter lets through, since somebody needs it: keys, namespaces in namespaces, and all families.
const REFUSED: [&str; 8] =
    ["keyctl", "add_key", "request_key", "unshare", "setns", "io_uring_setup", "userfaultfd", "ptrace"];

/// Families of sockets that a program has a use for.
const FAMILIES: [u64; 4] = [1, 2, 10, 16];

/// CLONE_NEWUSER
const NEW_USER: u64 = 0x1000_0000;

/// The usual filter, less what is refused.
fn stricter(mut seccomp: Value) -> Value {
    let taken: Vec<_> = REFUSED.iter().chain(&["clone", "clone3", "socket"]).copied().collect();
    let rules = list(&mut seccomp["syscalls"]);
    for rule in rules.iter_mut() {
        list(&mut rule["names"]).retain(|name| !name.as_str().is_some_and(|name| taken.contains(&name)));
    }
    rules.retain(|rule| rule["names"].as_array().is_some_and(|names| !names.is_empty()));
    rules.extend(always_refused());
    let without = json!([{ "index": 0, "value": NEW_USER, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }]);
    rules.push(json!({ "names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": without }));
    for family in FAMILIES {
        let only = json!([{ "index": 0, "value": family, "op": "SCMP_CMP_EQ" }]);
        rules.push(json!({ "names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": only }));
    }
    seccomp
}

fn always_refused() -> [Value; 2] {
    [
        json!({ "names": REFUSED, "action": "SCMP_ACT_ERRNO", "errnoRet": 1 }),
        // Its flags are in memory, where no filter looks: who has none of it uses clone(2).
        json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }),
    ]
}

/// Where the usual filter is not to be had: all is allowed but what the stricter one refuses, and what the usual one does.
fn refusals() -> Value {
    let new_user =
        json!([{ "index": 0, "value": NEW_USER, "valueTwo": NEW_USER, "op": "SCMP_CMP_MASKED_EQ" }]);
    let mut rules = always_refused().to_vec();
    rules.push(json!({ "names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": new_user }));
    for family in [38, 40] {
        let only = json!([{ "index": 0, "value": family, "op": "SCMP_CMP_EQ" }]);
        rules.push(json!({ "names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": only }));
    }
    rules.push(json!({ "names": ["bpf", "perf_event_open"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 }));
    json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules })
}
