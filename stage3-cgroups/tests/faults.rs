//! What is left when things go wrong: nothing.
//!
//! Book: "What is still missing for a container".
//! Invariant: whatever is killed, deleted or refused at whatever moment, no group and no process stays.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;

use ground::{BINARY, Lab, can, eventually, groups, output, run, stage3, version};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use stage3_cgroups::{Base, Controller, Group, Layout, Version};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn born_inside_leaves_nothing_when_the_parent_is_killed_at_any_moment() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    for step in 0..12u64 {
        let lab = Lab::new();
        // Both it and what it leaves in the background would outlive a plain kill.
        let script = "sleep 50 & sleep 50";
        let mut parent = Command::new(BINARY)
            .args(["run", "--group", &lab.0, "--", "sh", "-c", script])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(step * 3));
        parent.kill().unwrap();
        parent.wait().unwrap();
        let left = || groups(&lab.0);
        // Before there is a warden an empty group may stay: `cargo xtask clean` finds it by its name.
        eventually(&format!("killed after {} ms", step * 3), || {
            left()
                .iter()
                .all(|path| fs::read_to_string(path.join("cgroup.procs")).is_ok_and(|text| text.is_empty()))
        });
    }
}

#[test]
fn born_inside_and_running_is_cleared_away_by_the_warden() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::new();
    let mut parent = Command::new(BINARY)
        .args(["run", "--group", &lab.0, "--", "sh", "-c", "setsid sleep 50 & echo; sleep 50"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(parent.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    assert!(!groups(&lab.0).is_empty());
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("the group is gone", || groups(&lab.0).is_empty());
}

#[test]
fn born_inside_what_the_command_leaves_running_goes_with_the_group() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::new();
    run(&["--group", &lab.0], &["sh", "-c", "setsid sleep 50 >/dev/null 2>&1 & true"]).assert().success();
    assert!(groups(&lab.0).is_empty());
}

#[test]
fn kill_and_delete_say_who_holds_a_group() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::made(&[]);
    let sleeper = lab.sleeper();
    let held = format!("held by {} (sleep)", sleeper.0.id());
    let told = contains("EBUSY").and(contains(held)).and(contains(format!("stage3-cgroups kill {}", lab.0)));
    lab.verb("delete").args(["--wait", "0.1"]).assert().code(1).stderr(told);
    lab.verb("freeze").assert().success();
    lab.verb("delete").args(["--wait", "0"]).assert().code(1).stderr(contains("frozen"));
    lab.verb("thaw").assert().success();
}

#[test]
fn kill_waits_for_the_group_to_be_empty_and_delete_for_its_holder_to_go() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::made(&[]);
    let mut short = Command::new("sleep").arg("0.5").spawn().unwrap();
    lab.verb("attach").arg(short.id().to_string()).assert().success();
    let reaper = std::thread::spawn(move || short.wait().unwrap());
    lab.verb("delete").args(["--wait", "10"]).assert().success();
    assert!(reaper.join().unwrap().success());
}

#[test]
fn info_a_refused_limit_removes_the_group_again() {
    if !can(&[Controller::Cpuset]) {
        return;
    }
    let lab = Lab::new();
    lab.verb("create").args(["--cpuset-cpus", "4000"]).assert().code(1).stderr(contains("hint:"));
    assert!(groups(&lab.0).is_empty());
}

#[test]
fn info_a_group_deleted_beneath_us_is_an_error_and_no_panic() {
    if !can(&[Controller::Pids]) {
        return;
    }
    let lab = Lab::made(&[]);
    let layout = Layout::read().unwrap();
    let group = Group::open(&layout, Base::fitting(&layout), &lab.0.parse().unwrap()).unwrap();
    lab.verb("delete").assert().success();
    let limits =
        stage3_cgroups::Limits { pids: Some(stage3_cgroups::limits::Limit::At(5)), ..Default::default() };
    let error = group.set(&limits).unwrap_err();
    assert!(
        error.hint().is_some_and(|hint| hint.contains("deleted meanwhile")),
        "{error} {:?}",
        error.hint()
    );
    let error = group.attach(std::process::id() as i32).unwrap_err();
    assert!(error.errno().is_some(), "{error}");
    assert!(group.usage().unwrap().pids.is_none());
    assert_eq!(group.kill(Duration::ZERO).unwrap(), 0);
    assert_eq!(group.delete(Duration::ZERO).unwrap(), 0);
    assert!(!group.is_there());
}

#[test]
fn memory_limit_below_what_is_in_use_says_so_or_pushes_it_out() {
    if !can(&[Controller::Memory]) || version(Controller::Memory) != Some(Version::V1) {
        return;
    }
    let lab = Lab::made(&[]);
    let script = format!("echo $$; exec {BINARY} hog memory --most 60M --pause 0.4");
    let mut hog = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    lab.verb("attach").arg(hog.id().to_string()).assert().success();
    let usage = || -> u64 {
        let path = lab.directory(Controller::Memory).join("memory.usage_in_bytes");
        fs::read_to_string(path).unwrap().trim().parse().unwrap()
    };
    eventually("it has taken 30 MB", || usage() > 30 << 20);
    lab.verb("set")
        .args(["--memory", "5M", "--swap", "0"])
        .assert()
        .code(1)
        .stderr(contains("EBUSY").and(contains("in use")));
    hog.kill().unwrap();
    hog.wait().unwrap();
}

#[test]
fn freezer_and_kill_from_inside_are_refused() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::new();
    for verb in ["freeze", "kill"] {
        let mut command = run(&["--group", &lab.0], &["S3", verb, &lab.0]);
        command.assert().code(1).stderr(contains("we are in").and(contains("outside of the group")));
    }
}

#[test]
fn attach_of_nobody_says_so() {
    if !can(&[Controller::Pids]) {
        return;
    }
    let lab = Lab::made(&[]);
    lab.verb("attach")
        .arg("2147483647")
        .assert()
        .code(1)
        .stderr(contains("ESRCH").and(contains("no such process")));
}

#[test]
fn kill_of_a_deep_tree_is_no_matter_of_depth() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::new();
    let deep = format!("{}{}", lab.0, "/d".repeat(100));
    stage3(&["create", &deep]).assert().success();
    let removed = output(&mut lab.verb("delete"));
    let places = Layout::read().unwrap().useful().filter(|h| !h.only_on_demand()).count();
    assert_eq!(removed, format!("removed directories: {}", 101 * places));
}

/// Milliseconds for making, reading and removing `count` groups.
fn measure(count: usize) -> [u128; 3] {
    let layout = Layout::read().unwrap();
    let base = Base::fitting(&layout);
    let lab = Lab::made(&[]);
    let begun = Instant::now();
    for number in 0..count {
        let name = format!("{}/{number}", lab.0).parse().unwrap();
        Group::create(&layout, base, &name, &[]).unwrap();
    }
    let made = begun.elapsed();
    let group = Group::open(&layout, base, &lab.0.parse().unwrap()).unwrap();
    assert!(group.processes().unwrap().is_empty());
    let read = begun.elapsed();
    let removed = group.delete(Duration::from_secs(1)).unwrap();
    assert_eq!(removed, (count + 1) * group.places().len());
    [made, read - made, begun.elapsed() - read].map(|time| time.as_millis())
}

#[test]
fn kill_and_delete_of_many_groups_grow_linearly() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    measure(50);
    let (few, many) = (measure(100), measure(400));
    for (few, many) in few.iter().zip(many) {
        // Four times as many; a quadratic would be sixteen times as slow.
        assert!(many <= few.max(&20) * 10, "{few} ms for 100, {many} ms for 400");
    }
}

#[test]
#[ignore = "takes ten seconds: cargo test -p stage3-cgroups --test faults -- --ignored --nocapture"]
fn ten_thousand_groups_grow_linearly() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let (few, many) = (measure(1_000), measure(10_000));
    println!("1000: {few:?} ms, 10000: {many:?} ms (create, read, delete)");
    for (few, many) in few.iter().zip(many) {
        assert!(many <= few.max(&20) * 25, "{few} ms for 1000, {many} ms for 10000");
    }
}
