//! Limits: each lands in the kernel's file, is in force, and can be changed without touching another.

use crate::ground::{Bench, until};
use crate::group::{file, group, has, layout, only_in_version_2};
use serde_json::{Value, json};
use stage3_cgroups::layout::Kind;
use stage3_cgroups::{Controller, Version};
use std::fs;

const MIB: u64 = 1 << 20;

/// Controller, file of version 1 and what it holds, the same of version 2.
type Row = (Controller, (&'static str, &'static str), (&'static str, &'static str));

fn assert_rows(bench: &Bench, id: &str, rows: &[Row]) {
    for (controller, v1, v2) in rows.iter().filter(|row| has(row.0)) {
        let wanted = match layout().version(*controller) {
            Some(Version::V1) => v1.1,
            _ => v2.1,
        };
        let found = file(bench, id, *controller, v1.0, v2.0);
        assert_eq!(found.as_deref(), Some(wanted), "{} {}", v1.0, v2.0);
    }
}

const SET: [Row; 9] = [
    (Controller::Memory, ("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864")),
    (Controller::Memory, ("memory.soft_limit_in_bytes", "33554432"), ("memory.low", "33554432")),
    (Controller::Memory, ("memory.memsw.limit_in_bytes", "100663296"), ("memory.swap.max", "33554432")),
    (Controller::Cpu, ("cpu.shares", "512"), ("cpu.weight", "50")),
    (Controller::Cpu, ("cpu.cfs_quota_us", "20000"), ("cpu.max", "20000 50000")),
    (Controller::Cpu, ("cpu.cfs_period_us", "50000"), ("cpu.max", "20000 50000")),
    (Controller::Cpuset, ("cpuset.cpus", "0"), ("cpuset.cpus", "0")),
    (Controller::Cpuset, ("cpuset.mems", "0"), ("cpuset.mems.effective", "0")),
    (Controller::Pids, ("pids.max", "25"), ("pids.max", "25")),
];

fn set(config: &mut Value) {
    let resources = &mut config["linux"]["resources"];
    resources["memory"] = json!({"limit": 64 * MIB, "reservation": 32 * MIB, "swap": 96 * MIB});
    resources["cpu"] = json!({"shares": 512, "quota": 20000, "period": 50000, "cpus": "0", "mems": "0"});
    resources["pids"] = json!({"limit": 25});
}

#[test]
fn limits_are_in_the_kernels_files_and_an_update_changes_what_it_names() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(set);
    assert_rows(&bench, &id, &SET);

    bench.output(&["update", "--cpu-period", "40000", &id]);
    let quota = |v1, v2| [(Controller::Cpu, ("cpu.cfs_quota_us", v1), ("cpu.max", v2))];
    assert_rows(&bench, &id, &quota("20000", "20000 40000"));
    bench.output(&["update", "--cpu-quota", "30000", "--cpu-shares", "2048", &id]);
    assert_rows(&bench, &id, &quota("30000", "30000 40000"));
    assert_rows(&bench, &id, &[(Controller::Cpu, ("cpu.shares", "2048"), ("cpu.weight", "200"))]);
    let memory = |v1, v2| [(Controller::Memory, ("memory.limit_in_bytes", v1), ("memory.max", v2))];
    bench.output(&["update", "--memory", "48M", &id]);
    assert_rows(&bench, &id, &memory("50331648", "50331648"));
    assert_rows(&bench, &id, &SET[6..]);

    let mut command = bench.runtime(&["update", "--resources", "-", &id]);
    // As engines write it: zeros and empty lists ask for nothing.
    let asked = json!({"memory": {"limit": 0, "swap": 0}, "cpu": {"shares": 0, "cpus": "", "quota": -1},
        "pids": {"limit": 60}, "blockIO": {"weight": 0}});
    command.write_stdin(asked.to_string()).assert().success();
    assert_rows(&bench, &id, &memory("50331648", "50331648"));
    assert_rows(&bench, &id, &quota("-1", "max 40000"));
    assert_rows(&bench, &id, &[(Controller::Cpu, ("cpu.shares", "2048"), ("cpu.weight", "200"))]);
    assert_rows(&bench, &id, &[(Controller::Pids, ("pids.max", "60"), ("pids.max", "60"))]);
    bench.output(&["update", "--memory", "-1", &id]);
    assert_rows(&bench, &id, &memory("9223372036854771712", "max"));
    bench.end(&id);
    bench.nothing_is_left();
}

#[test]
fn limits_of_a_burst_follow_its_quota_down() {
    let Some(bench) = Bench::new() else { return };
    let id =
        bench.idle(|config| config["linux"]["resources"]["cpu"] = json!({"quota": 50000, "burst": 40000}));
    for (quota, burst) in [(20000, 10000), (60000, 60000)] {
        let mut command = bench.runtime(&["update", "--resources", "-", &id]);
        let asked = json!({"cpu": {"quota": quota, "burst": burst}}).to_string();
        command.write_stdin(asked).assert().success();
        let found = file(&bench, &id, Controller::Cpu, "cpu.cfs_burst_us", "cpu.max.burst");
        assert_eq!(found, Some(burst.to_string()));
    }
    bench.end(&id);
    bench.nothing_is_left();
}

#[test]
fn limits_of_memory_kill_and_those_of_tasks_refuse() {
    let Some(bench) = Bench::new() else { return };
    // All in one buffer; its shell is small, and lives on.
    let greedy = "busybox dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; echo $?";
    bench.config(greedy, |config| {
        config["linux"]["resources"]["memory"] = json!({"limit": 16 * MIB, "swap": 16 * MIB});
    });
    assert_eq!(bench.output(&["run", &bench.id()]), "137");

    bench.config("for i in 1 2 3 4 5 6 7 8; do sleep 1 & done", |config| {
        config["linux"]["resources"]["pids"] = json!({"limit": 5});
    });
    let (status, _, errors) = bench.call(&["run", &bench.id()]);
    assert!(status != 0 && errors.contains("can't fork"), "{status}: {errors}");
    bench.nothing_is_left();
}

#[test]
fn limits_of_the_processor_are_in_force() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("cat /proc/self/status > /tmp/status; while true; do :; done", |config| {
        config["root"]["readonly"] = json!(false);
        config["linux"]["resources"]["cpu"] = json!({"quota": 5000, "period": 50000, "cpus": "0"});
    });
    bench.output(&["run", "--detach", &id]);
    until("it has to wait", || group(&bench, &id).usage().unwrap().throttled.unwrap() > 2);
    let status = || fs::read_to_string(bench.path("rootfs/tmp/status")).unwrap_or_default();
    until("it has said where it may run", || status().contains("Mems_allowed_list"));
    let status = status();
    assert!(status.lines().any(|line| line == "Cpus_allowed_list:\t0"), "{status}");
    bench.output(&["delete", "--force", &id]);

    // More than there are: refused, and never half in force.
    bench.config("true", |config| config["linux"]["resources"]["cpu"] = json!({"cpus": "0,4095"}));
    let (status, _, errors) = bench.call(&["run", &bench.id()]);
    assert!(status == 1 && errors.contains("cpuset.cpus"), "{status}: {errors}");
    bench.nothing_is_left();
}

#[test]
fn limits_below_what_is_used_are_refused_where_that_is_asked_for() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("busybox dd if=/dev/zero of=/tmp/much bs=1M count=24 2>/dev/null; sleep 1000", |config| {
        let tmp = json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"});
        config["mounts"].as_array_mut().unwrap().push(tmp);
    });
    bench.output(&["run", "--detach", &id]);
    until("it uses memory", || group(&bench, &id).usage().unwrap().memory.unwrap() > 24 * MIB);
    let mut command = bench.runtime(&["update", "--resources", "-", &id]);
    let asked = json!({"memory": {"limit": 16 * MIB, "checkBeforeUpdate": true}}).to_string();
    let refused = command.write_stdin(asked).assert().code(1);
    let errors = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(errors.contains("bytes that are used"), "{errors}");
    assert_eq!(bench.status(&id), "running");
    bench.end(&id);
    bench.nothing_is_left();
}

/// The first whole disk that there is.
fn disk() -> Option<String> {
    let numbers = fs::read_dir("/sys/block").ok()?.flatten();
    let mut numbers = numbers.filter_map(|disk| fs::read_to_string(disk.path().join("dev")).ok());
    numbers.next().map(|numbers| numbers.trim().to_owned())
}

#[test]
fn limits_of_disks_and_huge_pages_are_in_the_kernels_files() {
    let Some(bench) = Bench::new() else { return };
    let disk = disk().filter(|_| has(Controller::Io));
    let huge = fs::read_dir("/sys/kernel/mm/hugepages").is_ok_and(|mut sizes| sizes.next().is_some());
    let huge = huge && has(Controller::Hugetlb);
    let id = bench.idle(|config| {
        if let Some((major, minor)) = disk.as_deref().and_then(|disk| disk.split_once(':')) {
            let number = |text: &str| text.parse::<u32>().unwrap();
            let rate = json!([{"major": number(major), "minor": number(minor), "rate": MIB}]);
            let both = json!({"throttleReadBpsDevice": rate, "throttleWriteIOPSDevice": rate});
            config["linux"]["resources"]["blockIO"] = both;
        }
        if huge {
            config["linux"]["resources"]["hugepageLimits"] = json!([{"pageSize": "2MB", "limit": 4 * MIB}]);
        }
    });
    match disk {
        Some(disk) => {
            let read = file(&bench, &id, Controller::Io, "blkio.throttle.read_bps_device", "io.max").unwrap();
            let written =
                file(&bench, &id, Controller::Io, "blkio.throttle.write_iops_device", "io.max").unwrap();
            assert!(read.starts_with(&disk) && read.contains("1048576"), "{read}");
            assert!(written.contains("1048576") && !written.contains("rbps=max"), "{written}");
        }
        None => crate::ground::skip("there is no disk, or no controller of disks: modprobe zram"),
    }
    if huge {
        let found = file(&bench, &id, Controller::Hugetlb, "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max");
        assert_eq!(found, Some((4 * MIB).to_string()));
    }
    bench.end(&id);
    bench.nothing_is_left();
}

#[test]
fn limits_of_version_2_by_name_are_set_there_and_refused_where_it_is_not() {
    let Some(bench) = Bench::new() else { return };
    let unified = |config: &mut Value| {
        config["linux"]["resources"]["unified"] =
            json!({"memory.high": "33554432", "cgroup.max.descendants": "7", "pids.max": "33"});
    };
    if layout().kind() == Kind::V2 {
        let id = bench.idle(unified);
        for (file, value) in
            [("memory.high", "33554432"), ("cgroup.max.descendants", "7"), ("pids.max", "33")]
        {
            let text = group(&bench, &id).unified().unwrap().directory.read(file).unwrap();
            assert_eq!(text.trim(), value, "{file}");
        }
        bench.end(&id);
    } else {
        // Without version 2, or with the controller in version 1.
        bench.config("true", unified);
        let (status, _, errors) = bench.call(&["run", &bench.id()]);
        assert!(status == 1 && errors.contains("linux.resources.unified"), "{errors}");
    }
    bench.nothing_is_left();
}

#[test]
fn limits_without_a_path_are_set_beside_a_group_that_holds_processes() {
    let Some(()) = only_in_version_2("a group with processes hands nothing down") else { return };
    let Some(bench) = Bench::new() else { return };
    // As the group of a login.
    let session = layout().unified().unwrap().mount.join(format!("stage4-session-{}", std::process::id()));
    let id = bench.id();
    fs::create_dir(&session).unwrap();
    bench.config("sleep 1000", |config| config["linux"]["resources"]["memory"] = json!({"limit": 32 * MIB}));
    let script = "echo $$ > $0/cgroup.procs; exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]).arg(&session).args([
        crate::ground::BINARY,
        "--root",
        "state",
        "run",
        "--detach",
        &id,
    ]);
    command.current_dir(bench.path(""));
    let (status, _, errors) = bench.watch(command);
    fs::remove_dir(&session).unwrap();
    assert_eq!(status, 0, "{errors}");
    let found = file(&bench, &id, Controller::Memory, "", "memory.max");
    assert_eq!(found, Some((32 * MIB).to_string()));
    bench.end(&id);
    bench.nothing_is_left();
}
