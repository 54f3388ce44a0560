//! `events`: numbers that are the files', and word of a want of memory.

use crate::ground::{Bench, until};
use crate::group::{file, group};
use serde_json::{Value, json};
use stage3_cgroups::Controller;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn events_tell_the_numbers_of_the_files() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 1000", |config| {
        config["linux"]["resources"]["memory"] = json!({"limit": 64 << 20});
        config["linux"]["resources"]["pids"] = json!({"limit": 9});
    });
    bench.output(&["run", "--detach", &id]);
    until("it sleeps", || bench.call(&["exec", &id, "sh", "-c", "ps | grep -q '[s]leep 1000'"]).0 == 0);
    bench.output(&["pause", &id]);
    let told: Value = serde_json::from_str(&bench.output(&["events", "--stats", &id])).unwrap();
    let data = &told["data"];
    let number = |controller, v1: &str, v2: &str| -> u64 {
        file(&bench, &id, controller, v1, v2).unwrap().split(' ').next_back().unwrap().parse().unwrap()
    };
    assert_eq!(data["pids"]["current"], number(Controller::Pids, "pids.current", "pids.current"));
    assert_eq!(data["pids"]["limit"], 9);
    assert_eq!(data["memory"]["usage"]["limit"], 64 << 20);
    let memory = number(Controller::Memory, "memory.usage_in_bytes", "memory.current");
    let near = |told: &Value, read: u64, room: u64| told.as_u64().unwrap().abs_diff(read) <= room;
    assert!(near(&data["memory"]["usage"]["usage"], memory, 2 << 20), "{data}: {memory}");
    let usage = group(&bench, &id).usage().unwrap();
    // Frozen, it takes no time; what the kernel has not yet added up is less than this, in nanoseconds.
    assert!(near(&data["cpu"]["usage"]["total"], usage.cpu.unwrap() * 1000, 50_000_000), "{data}: {usage:?}");
    assert!(data["cpu"]["usage"]["total"].as_u64().unwrap() > 0, "{data}");
    assert_eq!(data["memory"]["usage"]["failcnt"], usage.memory_met.unwrap());
    bench.output(&["resume", &id]);
    bench.end(&id);
    bench.nothing_is_left();
}

#[test]
fn events_announce_a_want_of_memory() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|config| {
        config["linux"]["resources"]["memory"] = json!({"limit": 16 << 20, "swap": 16 << 20});
    });
    let mut watcher =
        bench.raw(&["events", "--interval", "200ms", &id]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap()).unwrap() };
    assert_eq!(next()["type"], "stats");
    let greedy = ["exec", &id, "busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"];
    assert_eq!(bench.call(&greedy).0, 137);
    // Ends with the container, if no word comes.
    let word = std::iter::repeat_with(&mut next).take(200).find(|event| event["type"] == "oom");
    assert_eq!(word, Some(json!({"type": "oom", "id": id})));
    bench.end(&id);
    assert!(watcher.wait().unwrap().success());
    bench.nothing_is_left();
}
