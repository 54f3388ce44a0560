//! A text for every rule of the Linux section, which breaks that rule and no other.
//!
//! No kernel calls; config-linux.md. Book: "config.json, field by field" (`config`).
//! Invariant: each row breaks one rule, and its fault has one path.

use super::merge::merge;
use super::rules::{each_is_refused, each_is_taken, limits, linux};
use serde_json::{Value, json};

#[test]
fn config_rules_of_sysctl() {
    let set = |name: &str, value: &str| linux(json!({"sysctl": {name: value}}));
    let bare = |name: &str| {
        let linux = json!({"namespaces": [{"type": "mount"}], "sysctl": {name: "1"}});
        json!({"hostname": null, "linux": linux})
    };
    each_is_refused(vec![
        (set("vm.swappiness", "1"), "linux.sysctl[\"vm.swappiness\"]", "set on the host"),
        (set("kernel.core_pattern", "|/bin/x"), "linux.sysctl[\"kernel.core_pattern\"]", "set on the host"),
        (set("kernel.shm_next_id", "1"), "linux.sysctl[\"kernel.shm_next_id\"]", "set on the host"),
        (set("net/../kernel/panic", "1"), "linux.sysctl[\"net/../kernel/panic\"]", "no name"),
        (set("net.//.x", "1"), "linux.sysctl[\"net.//.x\"]", "no name of a parameter"),
        (set("net", "1"), "linux.sysctl.net", "no name"),
        (set("net.core.somaxconn", "1\n2"), "linux.sysctl[\"net.core.somaxconn\"]", "control character"),
        (
            set("net.core.somaxconn", "1+kernel.core_pattern=x"),
            "linux.sysctl[\"net.core.somaxconn\"]",
            "or a +",
        ),
        (set("kernel.hostname", "x"), "linux.sysctl[\"kernel.hostname\"]", "what hostname sets"),
        (bare("net.core.somaxconn"), "linux.sysctl[\"net.core.somaxconn\"]", "\"network\""),
        (bare("kernel.shmmax"), "linux.sysctl[\"kernel.shmmax\"]", "\"ipc\""),
        (bare("fs.mqueue.msg_max"), "linux.sysctl[\"fs.mqueue.msg_max\"]", "\"ipc\""),
        (bare("kernel.domainname"), "linux.sysctl[\"kernel.domainname\"]", "\"uts\""),
        (set("user.max_net_namespaces", "1"), "linux.sysctl[\"user.max_net_namespaces\"]", "\"user\""),
        (
            json!({"domainname": "a", "linux": {"sysctl": {"kernel.domainname": "b"}}}),
            "linux.sysctl[\"kernel.domainname\"]",
            "what domainname sets",
        ),
    ]);
    each_is_taken(vec![
        set("net.ipv4.ip_local_port_range", "1024\t65535"),
        set("net/ipv4/conf/eth0.1/forwarding", "1"),
        set("kernel.sem", "250 32000 32 128"),
        set("kernel.domainname", "a"),
    ]);
}

#[test]
fn config_rules_of_devices() {
    let node = |patch: Value| {
        let mut device = json!({"type": "c", "path": "/dev/a", "major": 1, "minor": 3});
        merge(&mut device, patch);
        linux(json!({ "devices": [device] }))
    };
    let rule = |rule: Value| limits(json!({ "devices": [rule] }));
    each_is_refused(vec![
        (node(json!({"path": "dev/a"})), "linux.devices[0].path", "no absolute path"),
        (node(json!({"path": "/dev/../a"})), "linux.devices[0].path", "leads upwards"),
        (node(json!({"major": null})), "linux.devices[0].major", "is missing"),
        (node(json!({"minor": null})), "linux.devices[0].minor", "is missing"),
        (node(json!({"major": 4096})), "linux.devices[0].major", "4096 is not from 0 to 4095"),
        (node(json!({"minor": 1_048_576})), "linux.devices[0].minor", "1048576"),
        (node(json!({"major": -1})), "linux.devices[0].major", "-1"),
        (node(json!({"fileMode": 0o200_000})), "linux.devices[0].fileMode", "65536"),
        (node(json!({"uid": 4_294_967_295_u32})), "linux.devices[0].uid", "-1"),
        (
            linux(json!({"devices": [{"type": "p", "path": "/a"}, {"type": "p", "path": "/a", "uid": 1}]})),
            "linux.devices[1].path",
            "another device already",
        ),
        (rule(json!({"allow": true, "major": 4096})), "linux.resources.devices[0].major", "4096"),
        (rule(json!({"allow": true, "minor": -2})), "linux.resources.devices[0].minor", "-2"),
        (rule(json!({"allow": true, "access": "rx"})), "linux.resources.devices[0].access", "\"rx\""),
        (rule(json!({"allow": true, "access": "rr"})), "linux.resources.devices[0].access", "at most once"),
        (rule(json!({"allow": true, "access": ""})), "linux.resources.devices[0].access", "\"\""),
    ]);
    each_is_taken(vec![
        node(json!({"fileMode": 0o20_666})),
        linux(json!({"devices": [{"type": "p", "path": "/a"}, {"type": "p", "path": "/a"}]})),
        rule(json!({"allow": true, "type": "a", "major": -1, "minor": -1, "access": "mrw"})),
    ]);
}

#[test]
fn config_rules_of_network_devices() {
    let moved = |devices: Value| linux(json!({ "netDevices": devices }));
    each_is_refused(vec![
        (moved(json!({"": {}})), "linux.netDevices[\"\"]", "is empty"),
        (moved(json!({"sixteen_letters_": {}})), "linux.netDevices.sixteen_letters_", "longer than 15"),
        (moved(json!({"eth0": {"name": "a/b"}})), "linux.netDevices.eth0.name", "slash"),
        (moved(json!({"eth0": {"name": "a%s"}})), "linux.netDevices.eth0.name", "%d"),
        (moved(json!({"eth0": {"name": "a%d%d"}})), "linux.netDevices.eth0.name", "%d"),
        (moved(json!({"eth0": {"name": ".."}})), "linux.netDevices.eth0.name", "directory"),
        (
            moved(json!({"eth0": {"name": "eth1"}, "eth1": {}})),
            "linux.netDevices.eth1.name",
            "another device's",
        ),
        (
            limits(json!({"network": {"priorities": [{"name": "a b", "priority": 1}]}})),
            "linux.resources.network.priorities[0].name",
            "blank",
        ),
    ]);
    each_is_taken(vec![
        moved(json!({"eth0": {"name": "eth%d"}, "eth1": {"name": "eth%d"}})),
        moved(json!({"eth0": {"name": "eth1"}, "eth1": {"name": "eth0"}})),
    ]);
}

#[test]
fn config_rules_of_paths() {
    each_is_refused(vec![
        (linux(json!({"maskedPaths": ["/a", "proc/kcore"]})), "linux.maskedPaths[1]", "no absolute path"),
        (linux(json!({"readonlyPaths": ["a"]})), "linux.readonlyPaths[0]", "no absolute path"),
        (linux(json!({"maskedPaths": ["/proc/../a"]})), "linux.maskedPaths[0]", "leads upwards"),
        (linux(json!({"readonlyPaths": ["/.."]})), "linux.readonlyPaths[0]", "leads upwards"),
        (linux(json!({"cgroupsPath": ""})), "linux.cgroupsPath", "is empty"),
        (linux(json!({"cgroupsPath": "../a"})), "linux.cgroupsPath", "leads upwards"),
        (linux(json!({"cgroupsPath": "/a\nb"})), "linux.cgroupsPath", "control character"),
        (linux(json!({"cgroupsPath": format!("/a/{}", "x".repeat(256))})), "linux.cgroupsPath", "256 bytes"),
        (linux(json!({"mountLabel": "a\nb"})), "linux.mountLabel", "control character"),
        (
            linux(json!({"personality": {"domain": "LINUX", "flags": ["X"]}})),
            "linux.personality.flags[0]",
            "none are",
        ),
    ]);
    each_is_taken(vec![
        linux(json!({"cgroupsPath": "/a/b..c"})),
        linux(json!({"cgroupsPath": "system.slice:prefix:name"})),
        linux(json!({"personality": {"domain": "LINUX32", "flags": []}})),
        linux(json!({"rootfsPropagation": "rprivate"})),
    ]);
}

#[test]
fn config_rules_of_intel_rdt() {
    let rdt = |patch: Value| linux(json!({ "intelRdt": patch }));
    each_is_refused(vec![
        (rdt(json!({"closID": ""})), "linux.intelRdt.closID", "no name"),
        (rdt(json!({"closID": ".."})), "linux.intelRdt.closID", "no name"),
        (rdt(json!({"closID": "a/b"})), "linux.intelRdt.closID", "not one name"),
        (rdt(json!({"closID": "info"})), "linux.intelRdt.closID", "the kernel's"),
        (rdt(json!({"closID": "a\nb"})), "linux.intelRdt.closID", "control character"),
        (rdt(json!({"memBwSchema": "L3:0=1"})), "linux.intelRdt.memBwSchema", "MB:"),
        (rdt(json!({"memBwSchema": "MB:0=1\nL3:0=1"})), "linux.intelRdt.memBwSchema", "control character"),
        (rdt(json!({"l3CacheSchema": "L3:0=1\n"})), "linux.intelRdt.l3CacheSchema", "control character"),
        (rdt(json!({"schemata": ["L3:0=1", "a\nb"]})), "linux.intelRdt.schemata[1]", "control character"),
    ]);
    each_is_taken(vec![rdt(json!({"closID": "/"})), rdt(json!({})), rdt(json!({"enableMonitoring": true}))]);
}

#[test]
fn config_rules_of_memory_policy() {
    let policy = |patch: Value| linux(json!({ "memoryPolicy": patch }));
    each_is_refused(vec![
        (policy(json!({"mode": "MPOL_DEFAULT", "nodes": "0"})), "linux.memoryPolicy.nodes", "takes none"),
        (policy(json!({"mode": "MPOL_LOCAL", "nodes": "0"})), "linux.memoryPolicy.nodes", "takes none"),
        (policy(json!({"mode": "MPOL_BIND"})), "linux.memoryPolicy.nodes", "takes some"),
        (policy(json!({"mode": "MPOL_INTERLEAVE", "nodes": ""})), "linux.memoryPolicy.nodes", "takes some"),
        (policy(json!({"mode": "MPOL_WEIGHTED_INTERLEAVE"})), "linux.memoryPolicy.nodes", "takes some"),
        (policy(json!({"mode": "MPOL_PREFERRED_MANY"})), "linux.memoryPolicy.nodes", "takes some"),
        (policy(json!({"mode": "MPOL_BIND", "nodes": "0-1024"})), "linux.memoryPolicy.nodes", "below 1024"),
        (policy(json!({"mode": "MPOL_BIND", "nodes": "x"})), "linux.memoryPolicy.nodes", "no list"),
        (
            policy(
                json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}),
            ),
            "linux.memoryPolicy.flags",
            "exclude each other",
        ),
        (
            policy(json!({"mode": "MPOL_LOCAL", "flags": ["MPOL_F_STATIC_NODES"]})),
            "linux.memoryPolicy.flags",
            "there are none",
        ),
        (
            policy(json!({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]})),
            "linux.memoryPolicy.flags",
            "not for MPOL_INTERLEAVE",
        ),
    ]);
    each_is_taken(vec![
        policy(json!({"mode": "MPOL_DEFAULT"})),
        policy(json!({"mode": "MPOL_PREFERRED"})),
        policy(json!({"mode": "MPOL_PREFERRED", "nodes": "1"})),
        policy(json!({"mode": "MPOL_BIND", "nodes": "0-3,7", "flags": ["MPOL_F_NUMA_BALANCING"]})),
    ]);
}
