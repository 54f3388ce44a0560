//! Many processes: stopped, signalled and ended together; and one more, wherever the others sit.

use crate::ground::{Bench, until};
use crate::group::{file, group, only_in_version_2};
use serde_json::{Value, json};
use stage3_cgroups::Controller;
use std::collections::BTreeMap;
use std::fs;

/// At most so many, and a fifth of a processor for all: no test takes the machine from the others.
fn bounded(config: &mut Value) {
    config["linux"]["resources"]["pids"] = json!({"limit": 40});
    config["linux"]["resources"]["cpu"] = json!({"quota": 4000, "period": 20000});
}

fn without_pids(config: &mut Value) {
    bounded(config);
    config["linux"]["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "pid");
}

/// Forks as fast as it is let.
const FORKING: &str = "while true; do (sleep 0.01 &) 2>/dev/null; done";

fn running(bench: &Bench, edit: fn(&mut Value), script: &str) -> String {
    let id = bench.id();
    bench.config(script, edit);
    bench.output(&["run", "--detach", &id]);
    id
}

/// The time each has had, in ticks of the clock.
fn times(bench: &Bench, id: &str) -> BTreeMap<i32, String> {
    let pids = group(bench, id).processes().unwrap().into_iter();
    let time = |pid: i32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let rest = text.rsplit_once(") ")?.1.to_owned();
        Some((pid, rest.split(' ').skip(11).take(2).collect::<Vec<_>>().join(" ")))
    };
    pids.filter_map(time).collect()
}

#[test]
fn many_are_paused_and_resumed_together() {
    let Some(bench) = Bench::new() else { return };
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do (while true; do :; done) & done; wait";
    let id = running(&bench, bounded, script);
    until("all are there", || group(&bench, &id).processes().unwrap().len() == 13);
    for _ in 0..3 {
        bench.output(&["pause", &id]);
        assert_eq!(bench.status(&id), "paused");
        let before = times(&bench, &id);
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert_eq!(times(&bench, &id), before);
        bench.output(&["resume", &id]);
        assert_eq!(bench.status(&id), "running");
        until("they go on", || times(&bench, &id) != before);
    }
    bench.output(&["pause", &id]);
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

#[test]
fn many_are_signalled_by_kill_all_and_forking_saves_nobody() {
    let Some(bench) = Bench::new() else { return };
    // What is ignored, children inherit: so they are there before.
    let script = "busybox setsid sleep 1000 & trap '' TERM; while true; do sleep 0.05; done";
    let id = running(&bench, without_pids, script);
    let named = |name: &str| {
        let pids = group(&bench, &id).processes().unwrap();
        pids.iter().any(|pid| {
            fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.replace('\0', " ").trim() == name)
        })
    };
    until("it has left the session", || named("sleep 1000") && named("sleep 0.05"));
    bench.output(&["kill", "--all", &id, "TERM"]);
    until("who does not ignore it has ended", || !named("sleep 1000"));
    assert_eq!(bench.status(&id), "running", "its first process ignores it");
    bench.output(&["delete", "--force", &id]);

    for paused in [false, true] {
        let id = running(&bench, without_pids, FORKING);
        until("it forks", || group(&bench, &id).processes().unwrap().len() > 3);
        if paused {
            bench.output(&["pause", &id]);
        }
        bench.output(&["kill", "--all", &id, "KILL"]);
        until("it has stopped", || bench.status(&id) == "stopped");
        assert!(group(&bench, &id).processes().unwrap().is_empty());
        bench.output(&["delete", &id]);
        let id = running(&bench, without_pids, FORKING);
        if paused {
            bench.output(&["pause", &id]);
        }
        bench.output(&["delete", "--force", &id]);
    }
    bench.nothing_is_left();
}

#[test]
fn many_are_listed_by_ps_and_nobody_else() {
    let Some(bench) = Bench::new() else { return };
    let id = running(&bench, bounded, "sleep 1000 & sleep 1001 & wait");
    until("all are there", || group(&bench, &id).processes().unwrap().len() == 3);
    let table = bench.output(&["ps", &id]);
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.contains("sleep 1000") && table.contains("sleep 1001"), "{table}");
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

#[test]
fn one_more_goes_where_the_first_one_has_gone() {
    let Some(()) = only_in_version_2("groups inside with controllers") else { return };
    let Some(bench) = Bench::new() else { return };
    // As systemd does inside: no internal processes, so it steps aside before it hands controllers down.
    let script = "cd /sys/fs/cgroup && mkdir inner && echo 1 > inner/cgroup.procs && \
                  echo +pids > cgroup.subtree_control && sleep 1000";
    let id = running(
        &bench,
        |config| {
            bounded(config);
            let mounts = config["mounts"].as_array_mut().unwrap();
            let groups = mounts.iter_mut().find(|mount| mount["type"] == "cgroup").unwrap();
            groups["options"] = json!(["nosuid", "noexec", "nodev"]);
        },
        script,
    );
    until("it hands controllers down", || {
        file(&bench, &id, Controller::Pids, "", "cgroup.subtree_control").is_some_and(|all| all == "pids")
    });
    bench.output(&["exec", "--detach", "--pid-file", "visitor", &id, "sleep", "100"]);
    let visitor = fs::read_to_string(bench.path("visitor")).unwrap();
    let group_of = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert_eq!(group_of(&visitor), group_of(&bench.pid(&id).to_string()));
    assert!(group_of(&visitor).trim().ends_with("/inner"), "{}", group_of(&visitor));
    bench.output(&["exec", "--cgroup", "inner", &id, "true"]);
    assert_eq!(bench.output(&["ps", "--format", "json", &id]).split(',').count(), 2);
    bench.output(&["pause", &id]);
    assert_eq!(bench.status(&id), "paused");
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}
