//! Control groups that cannot be had, and limits that cannot be expressed.
//!
//! cgroups(7); config-linux.md, "Control groups". Book: "Resources" (`resources`).
//! Invariant: no group is left, not even on the way to the one that was asked for; one that was there is as it was.

use crate::rows::{Cannot, Table, has_all};
use nix::mount::{MntFlags, umount2};
use serde_json::{Value, json};
use stage3_cgroups::{Controller, Layout, Version};
use std::fs;
use std::path::PathBuf;

fn limits(limits: Value) -> Value {
    json!({"linux": {"resources": limits}})
}

fn version(controller: Controller) -> Option<Version> {
    Layout::read().unwrap().version(controller)
}

#[test]
fn limits_that_the_kernel_does_not_take_are_an_error() {
    let Some(table) = Table::new() else { return };
    let disk = json!({"throttleReadBpsDevice": [{"major": 4000, "minor": 1, "rate": 1}]});
    let deep = |mut patch: Value| {
        patch["linux"]["cgroupsPath"] = json!("/NAME/way/deeper");
        patch
    };
    table.cannot_do_each(vec![
        (limits(json!({"cpu": {"cpus": "8000"}})), &["cpuset.cpus\", \"8000\")"]),
        (deep(limits(json!({"cpu": {"cpus": "8000"}}))), &["/way/deeper/cpuset.cpus\", \"8000\")"]),
        (
            deep(json!({"linux": {"namespaces": [{"type": "mount"}, {"type": "uts", "path": "/dev/null"}]}})),
            &["linux.namespaces[1].path: ", "is no namespace"],
        ),
        (limits(json!({"blockIO": disk})), &["\"4000:1 ", "ENODEV"]),
        (limits(json!({"network": {"classID": 1}})), &["linux.resources.network: no groups of net_cls"]),
        (limits(json!({"blockIO": {"leafWeight": 100}})), &["blockIO.leafWeight cannot be expressed"]),
        (
            json!({"linux": {"cgroupsPath": "/cgroup.procs"}}),
            &["linux.cgroupsPath: ", "is no name for a group"],
        ),
    ]);
}

#[test]
fn limits_that_a_version_cannot_express_are_an_error() {
    let Some(table) = Table::new() else { return };
    const SECOND: &str = "cannot be expressed in cgroup version 2";
    table.cannot_do_each(match version(Controller::Memory) {
        Some(Version::V1) => vec![
            (
                limits(json!({"memory": {"kernel": 1 << 30}})),
                &["memory.kernel cannot be expressed in cgroup version 1"],
            ),
            (
                limits(json!({"unified": {"memory.high": "1"}})),
                &["unified.memory.high: version 1 manages that here"],
            ),
            (limits(json!({"unified": {"nosuch.file": "1"}})), &["unified.nosuch.file: no controller here"]),
        ],
        Some(Version::V2) => vec![
            (limits(json!({"memory": {"kernel": 1 << 30}})), &["memory.kernel ", SECOND]),
            (limits(json!({"memory": {"kernelTCP": 1 << 30}})), &["memory.kernelTCP ", SECOND]),
            (limits(json!({"memory": {"swappiness": 1}})), &["memory.swappiness ", SECOND]),
            (limits(json!({"memory": {"disableOOMKiller": true}})), &["memory.disableOOMKiller ", SECOND]),
            (limits(json!({"memory": {"swap": 1 << 30}})), &["memory.swap without limit ", SECOND]),
            (limits(json!({"cpu": {"realtimeRuntime": 1}})), &["cpu.realtimeRuntime ", SECOND]),
            (limits(json!({"unified": {"nosuch.file": "1"}})), &["/nosuch.file\", \"1\"): ENOENT"]),
        ],
        None => Vec::new(),
    });
}

/// Of version 1 a hierarchy is taken away, in the mounts of this test; of version 2 there is none to be taken away.
#[test]
fn controllers_that_are_missing_are_an_error() {
    let Some(table) = Table::new() else { return };
    let layout = Layout::read().unwrap();
    let pids = layout.home(Controller::Pids).filter(|home| home.version == Version::V1);
    let mut rows: Vec<Cannot> = Vec::new();
    if let Some(pids) = pids {
        umount2(&pids.mount, MntFlags::MNT_DETACH).unwrap();
        rows.push((limits(json!({"pids": {"limit": 9}})), &["no hierarchy here has the controller pids"]));
    }
    if version(Controller::Rdma).is_none() {
        let rdma = json!({"rdma": {"mlx5_0": {"hcaHandles": 1}}});
        rows.push((limits(rdma), &["linux.resources: no hierarchy here has the controller rdma"]));
    }
    table.cannot_do_each(rows);
}

/// A group in every hierarchy that has a file of that name, which is written.
struct Prepared(Vec<PathBuf>);

impl Prepared {
    fn of(name: &str, (file, value): (&str, &str)) -> Self {
        let layout = Layout::read().unwrap();
        let all: Vec<_> = layout.hierarchies.iter().map(|hierarchy| hierarchy.mount.join(name)).collect();
        all.iter().for_each(|group| fs::create_dir(group).unwrap());
        let (with, without): (Vec<_>, Vec<_>) = all.into_iter().partition(|group| group.join(file).exists());
        without.iter().for_each(|group| fs::remove_dir(group).unwrap());
        with.iter().for_each(|group| fs::write(group.join(file), value).unwrap());
        Prepared(with)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.0.iter().for_each(|group| drop(fs::remove_dir(group)));
    }
}

#[test]
fn groups_that_are_frozen_or_threaded_are_an_error_and_stay() {
    let Some(table) = Table::new() else { return };
    const FROZEN: &[&str] = &["is frozen: nothing would run in it"];
    const THREADED: &[&str] = &["it holds threads, and no processes of its own"];
    for (state, words) in [
        (("freezer.state", "FROZEN"), FROZEN),
        (("cgroup.freeze", "1"), FROZEN),
        (("cgroup.type", "threaded"), THREADED),
    ] {
        let name = format!("{}-unfit", table.bench.name());
        let group = Prepared::of(&name, state);
        if group.0.is_empty() {
            continue; // No hierarchy of that version.
        }
        for path in [format!("/{name}"), format!("/{name}/inside")] {
            table.cannot_do_each(vec![(json!({"linux": {"cgroupsPath": path}}), words)]);
        }
    }
}

/// Its limit is too small for what is asked, and of a group that is there the runtime is not the owner.
#[test]
fn groups_with_processes_of_others_are_an_error() {
    let Some(table) = Table::new() else { return };
    let bench = &table.bench;
    table.write(&json!({"hooks": null, "process": {"args": ["sleep", "1000"]}, "linux": {"cgroupsPath": "/NAME-other"}}));
    let other = bench.id();
    bench.output(&["run", "--detach", &other]);
    table.refuses("occupied", 1, |told| has_all(told, &["has processes in it already"], "occupied"));
    assert_eq!(bench.status(&other), "running");
    bench.end(&other);
    bench.nothing_is_left();
}
