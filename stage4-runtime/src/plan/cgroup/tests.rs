//! The same resources, written for both versions.
//!
//! No kernel calls. Book: "Resources" (`resources`).
//! Invariant: what one version cannot express is an error, and never left out.

use super::*;
use crate::config::resources::Resources;

fn resources(json: &str) -> Resources {
    serde_json::from_str(json).unwrap()
}

fn written(json: &str, version: Version) -> Result<Vec<String>> {
    let settings = settings(&resources(json), |_| Some(version), version == Version::V2)?;
    Ok(settings.into_iter().map(|setting| format!("{} {}", setting.file, setting.value)).collect())
}

fn both(json: &str) -> (Vec<String>, Vec<String>) {
    (written(json, Version::V1).unwrap(), written(json, Version::V2).unwrap())
}

#[test]
fn resources_of_memory_are_one_sum_in_version_1_and_two_numbers_in_version_2() {
    let (v1, v2) = both(r#"{"memory": {"limit": 100, "swap": 150, "reservation": 50}}"#);
    assert_eq!(
        v1,
        [
            "memory.memsw.limit_in_bytes -1",
            "memory.limit_in_bytes 100",
            "memory.memsw.limit_in_bytes 150",
            "memory.soft_limit_in_bytes 50"
        ]
    );
    assert_eq!(v2, ["memory.low 50", "memory.swap.max 50", "memory.max 100"]);
    let (v1, v2) = both(r#"{"memory": {"limit": -1, "swap": -1}}"#);
    assert_eq!(v1[1..], ["memory.limit_in_bytes -1", "memory.memsw.limit_in_bytes -1"]);
    assert_eq!(v2, ["memory.swap.max max", "memory.max max"]);
}

#[test]
fn resources_of_the_processor_keep_their_meaning() {
    let (v1, v2) = both(r#"{"cpu": {"shares": 1024, "quota": 50000, "period": 100000, "burst": 10}}"#);
    assert_eq!(
        v1,
        [
            "cpu.shares 1024",
            "cpu.cfs_quota_us -1",
            "cpu.cfs_period_us 100000",
            "cpu.cfs_quota_us 50000",
            "cpu.cfs_burst_us 10"
        ]
    );
    assert_eq!(v2, ["cpu.weight 100", "cpu.max 50000 100000", "cpu.max.burst 10"]);
    assert_eq!(written(r#"{"cpu": {"quota": -1}}"#, Version::V2).unwrap(), ["cpu.max max"]);
}

#[test]
fn resources_that_an_engine_could_not_leave_out_ask_for_nothing() {
    let zeros = r#"{"memory": {"limit": 0, "swap": 0, "reservation": 0, "kernel": -1, "kernelTCP": 0},
        "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": "",
            "realtimeRuntime": 0, "realtimePeriod": 0},
        "blockIO": {"weight": 0, "leafWeight": 0}}"#;
    let asked = asked(&resources(zeros));
    assert_eq!(controllers(&asked), []);
    let limits = r#"{"memory": {"limit": -1}, "cpu": {"burst": 0, "idle": 0}, "pids": {"limit": 0}}"#;
    assert_eq!(super::asked(&resources(limits)), resources(limits), "a 0 that says something");
}

#[test]
fn resources_of_disks_are_a_file_each_or_a_line_each() {
    let json = r#"{"blockIO": {"weight": 500,
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 7}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 0}]}}"#;
    let (v1, v2) = both(json);
    assert_eq!(
        v1,
        [
            "blkio.bfq.weight 500",
            "blkio.throttle.read_bps_device 8:0 7",
            "blkio.throttle.write_iops_device 8:0 0"
        ]
    );
    assert_eq!(v2, ["io.weight default 4950", "io.max 8:0 rbps=7 wiops=max"]);
}

#[test]
fn resources_that_a_version_cannot_express_are_errors() {
    for (json, version) in [
        (r#"{"memory": {"swappiness": 60}}"#, Version::V2),
        (r#"{"memory": {"disableOOMKiller": true}}"#, Version::V2),
        (r#"{"memory": {"swap": 10}}"#, Version::V2),
        (r#"{"memory": {"limit": 10, "swap": 5}}"#, Version::V2),
        (r#"{"memory": {"kernel": 10}}"#, Version::V1),
        (r#"{"cpu": {"realtimeRuntime": 10}}"#, Version::V2),
        (r#"{"blockIO": {"leafWeight": 10}}"#, Version::V1),
        (r#"{"unified": {"memory.high": "1"}}"#, Version::V1),
    ] {
        let error = written(json, version).unwrap_err().to_string();
        assert!(error.starts_with("config.json: linux.resources."), "{json}: {error}");
    }
    let missing = settings(&resources(r#"{"pids": {"limit": 5}}"#), |_| None, false).unwrap_err();
    assert!(missing.to_string().contains("controller pids"), "{missing}");
}

#[test]
fn resources_of_a_unified_key_belong_to_its_controller() {
    let settings = settings(&resources(r#"{"unified": {"memory.high": "1"}}"#), |_| None, true).unwrap();
    assert_eq!(settings[0].controller, Controller::Memory);
}
