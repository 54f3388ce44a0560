//! A text for every rule of limits, which breaks that rule and no other.
//!
//! No kernel calls; config-linux.md, "Control groups". Book: "config.json, field by field" (`config`).
//! Invariant: each row breaks one rule, and its fault has one path.

use super::rules::{each_is_refused, each_is_taken, limits};
use serde_json::{Value, json};

#[test]
fn config_rules_of_memory() {
    let memory = |patch: Value| limits(json!({ "memory": patch }));
    each_is_refused(vec![
        (memory(json!({"limit": -2})), "linux.resources.memory.limit", "less than -1"),
        (memory(json!({"reservation": -2})), "linux.resources.memory.reservation", "-2"),
        (memory(json!({"swap": -2})), "linux.resources.memory.swap", "-2"),
        (memory(json!({"kernel": -2})), "linux.resources.memory.kernel", "-2"),
        (memory(json!({"kernelTCP": -2})), "linux.resources.memory.kernelTCP", "-2"),
        (memory(json!({"limit": 2000, "swap": 1999})), "linux.resources.memory.swap", "less than the memory"),
        (memory(json!({"limit": -1, "swap": 1999})), "linux.resources.memory.swap", "has none"),
        (memory(json!({"swappiness": 101})), "linux.resources.memory.swappiness", "101"),
        (limits(json!({"pids": {"limit": -2}})), "linux.resources.pids.limit", "-2"),
        (limits(json!({"pids": {"limit": 4_194_305}})), "linux.resources.pids.limit", "4194305"),
    ]);
    each_is_taken(vec![
        memory(
            json!({"limit": -1, "reservation": -1, "swap": -1, "kernel": -1, "kernelTCP": -1, "swappiness": 100}),
        ),
        memory(json!({"limit": 0, "reservation": 0, "swap": 0, "kernel": 0})),
        memory(json!({"limit": 2000, "swap": 2000})),
        limits(json!({"pids": {"limit": -1}})),
        limits(json!({"pids": {"limit": 0}})),
        limits(json!({"pids": {}})),
    ]);
}

#[test]
fn config_rules_of_processors() {
    let cpu = |patch: Value| limits(json!({ "cpu": patch }));
    each_is_refused(vec![
        (cpu(json!({"shares": 1})), "linux.resources.cpu.shares", "from 2 to 262144"),
        (cpu(json!({"shares": 262_145})), "linux.resources.cpu.shares", "262145"),
        (cpu(json!({"period": 999})), "linux.resources.cpu.period", "from 1000 to 1000000"),
        (cpu(json!({"period": 1_000_001})), "linux.resources.cpu.period", "1000001"),
        (cpu(json!({"quota": 999})), "linux.resources.cpu.quota", "999"),
        (cpu(json!({"quota": 1000, "burst": 1001})), "linux.resources.cpu.burst", "more than the quota"),
        (
            cpu(json!({"realtimeRuntime": 1001, "realtimePeriod": 1000})),
            "linux.resources.cpu.realtimeRuntime",
            "more than the period",
        ),
        (cpu(json!({"cpus": "0-"})), "linux.resources.cpu.cpus", "\"0-\""),
        (cpu(json!({"cpus": "0; rm"})), "linux.resources.cpu.cpus", "no list"),
        (cpu(json!({"mems": "a"})), "linux.resources.cpu.mems", "\"a\""),
        (cpu(json!({"idle": 2})), "linux.resources.cpu.idle", "2 is not 0 or 1"),
        (cpu(json!({"idle": -1})), "linux.resources.cpu.idle", "-1"),
    ]);
    each_is_taken(vec![
        cpu(json!({"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": ""})),
        cpu(json!({"shares": 2, "quota": -1, "period": 1000, "burst": 5, "idle": 1})),
        cpu(json!({"quota": 1000, "burst": 1000, "realtimeRuntime": -1, "realtimePeriod": 1000})),
    ]);
}

#[test]
fn config_rules_of_disks() {
    let io = |patch: Value| limits(json!({ "blockIO": patch }));
    let mut rows = vec![
        (io(json!({"weight": 9})), "linux.resources.blockIO.weight", "from 10 to 1000"),
        (io(json!({"leafWeight": 1001})), "linux.resources.blockIO.leafWeight", "1001"),
        (
            io(json!({"weightDevice": [{"major": 8, "minor": 0}]})),
            "linux.resources.blockIO.weightDevice[0]",
            "neither weight nor leafWeight",
        ),
        (
            io(json!({"weightDevice": [{"major": 8, "minor": 0, "weight": 9}]})),
            "linux.resources.blockIO.weightDevice[0].weight",
            "9 is not",
        ),
        (
            io(json!({"weightDevice": [{"major": -1, "minor": 0, "weight": 10}]})),
            "linux.resources.blockIO.weightDevice[0].major",
            "-1 is not",
        ),
    ];
    for (list, path) in [
        ("throttleReadBpsDevice", "linux.resources.blockIO.throttleReadBpsDevice[0].minor"),
        ("throttleWriteBpsDevice", "linux.resources.blockIO.throttleWriteBpsDevice[0].minor"),
        ("throttleReadIOPSDevice", "linux.resources.blockIO.throttleReadIOPSDevice[0].minor"),
        ("throttleWriteIOPSDevice", "linux.resources.blockIO.throttleWriteIOPSDevice[0].minor"),
    ] {
        rows.push((io(json!({list: [{"major": 8, "minor": 1_048_576, "rate": 1}]})), path, "1048576"));
    }
    each_is_refused(rows);
    each_is_taken(vec![
        io(json!({"weight": 0, "leafWeight": 0})),
        io(json!({"weight": 1000, "weightDevice": [{"major": 8, "minor": 0, "leafWeight": 10}]})),
        io(json!({"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 0}]})),
    ]);
}

#[test]
fn config_rules_of_limits_by_name() {
    let pages = |size: &str| limits(json!({"hugepageLimits": [{"pageSize": size, "limit": 1}]}));
    let twice = json!([{"pageSize": "2MB", "limit": 1}, {"pageSize": "2MB", "limit": 2}]);
    let file = |name: &str| limits(json!({"unified": {name: "1"}}));
    each_is_refused(vec![
        (pages("2M"), "linux.resources.hugepageLimits[0].pageSize", "\"2M\""),
        (pages("3MB"), "linux.resources.hugepageLimits[0].pageSize", "no size"),
        (pages("MB"), "linux.resources.hugepageLimits[0].pageSize", "no size"),
        (pages("../2MB"), "linux.resources.hugepageLimits[0].pageSize", "no size"),
        (
            limits(json!({"hugepageLimits": twice})),
            "linux.resources.hugepageLimits[1].pageSize",
            "there twice",
        ),
        (limits(json!({"rdma": {"mlx": {}}})), "linux.resources.rdma.mlx", "neither"),
        (limits(json!({"rdma": {"a b": {"hcaObjects": 1}}})), "linux.resources.rdma[\"a b\"]", "no name"),
        (file("a/b.c"), "linux.resources.unified[\"a/b.c\"]", "no name of a file of a group"),
        (file("../memory.max"), "linux.resources.unified[\"../memory.max\"]", "no name"),
        (file(".."), "linux.resources.unified[\"..\"]", "of a controller"),
        (file("tasks"), "linux.resources.unified.tasks", "of a controller"),
        (file("cgroup.procs"), "linux.resources.unified[\"cgroup.procs\"]", "moves processes"),
        (file("cgroup.kill"), "linux.resources.unified[\"cgroup.kill\"]", "kills"),
    ]);
    each_is_taken(vec![
        pages("2MB"),
        pages("64KB"),
        pages("1GB"),
        file("memory.max"),
        file("hugetlb.2MB.rsvd.max"),
    ]);
}
