//! What a limit does to those inside, and what it does not do to those outside.
//!
//! Book: chapter 3.
//! Invariant: nothing is judged by a clock on the wall; the kernel's own counters say what happened.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;

use ground::{BINARY, Lab, Sleeper, can, eventually, has, output, run, stage3, version};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;
use stage3_cgroups::{Controller, Version};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A row of `stat`.
fn stat(lab: &Lab, what: &str) -> Value {
    let json = output(lab.verb("stat").args(["--format", "json"]));
    let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
    rows.into_iter().find(|row| row["what"] == what).unwrap()
}

#[test]
fn memory_limit_ends_the_hog_and_nobody_else() {
    if !can(&[Controller::Memory]) {
        return;
    }
    let mut bystander = Command::new("sleep").arg("30").spawn().unwrap();
    let words = ["S3", "hog", "memory", "--most", "200M", "--pause", "0"];
    let out = run(&["--memory", "50M", "--swap", "0"], &words).output().unwrap();
    let (seen, said) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    assert_eq!(out.status.code(), Some(137), "{seen}{said}");
    assert_eq!(seen.lines().next(), Some("10 MB"));
    assert!(seen.lines().count() < 5, "{seen}");
    assert!(said.contains("killed for want of memory: 1"), "{said}");
    assert!(bystander.try_wait().unwrap().is_none(), "whoever is outside lives on");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn memory_limit_that_is_enough_changes_nothing() {
    if !can(&[Controller::Memory]) {
        return;
    }
    let words = ["S3", "hog", "memory", "--most", "30M", "--pause", "0"];
    run(&["--memory", "100M", "--swap", "0"], &words)
        .assert()
        .success()
        .stdout("10 MB\n20 MB\n30 MB\n")
        .stderr("");
}

#[test]
fn swap_of_none_is_written_as_each_version_has_it() {
    if !can(&[Controller::Memory]) {
        return;
    }
    let lab = Lab::made(&["--memory", "64M", "--swap", "16M"]);
    let read = |file: &str| fs::read_to_string(lab.directory(Controller::Memory).join(file)).unwrap();
    match version(Controller::Memory) {
        Some(Version::V1) => {
            assert_eq!(read("memory.memsw.limit_in_bytes").trim(), (80u64 << 20).to_string())
        }
        _ => assert_eq!(read("memory.swap.max").trim(), (16u64 << 20).to_string()),
    }
    // Smaller, then larger: in version 1 the order of the two writes matters.
    lab.verb("set").args(["--memory", "32M", "--swap", "0"]).assert().success();
    lab.verb("set").args(["--memory", "128M", "--swap", "0"]).assert().success();
    assert_eq!(stat(&lab, "memory")["limit"], 128 << 20);
}

#[test]
fn oom_group_kills_all_or_is_refused_where_it_cannot_be() {
    if !can(&[Controller::Memory]) {
        return;
    }
    let script = format!("sleep 40 & {BINARY} hog memory --pause 0; kill -0 $! && echo alive");
    let mut command = run(&["--memory", "50M", "--swap", "0", "--oom-group"], &["sh", "-c", &script]);
    match version(Controller::Memory) {
        Some(Version::V1) => {
            command.assert().code(1).stderr(contains("memory.oom.group cannot be expressed in version 1"));
        }
        _ => {
            command.assert().code(137).stdout(contains("alive").not());
        }
    }
}

#[test]
fn cpu_quota_throttles_and_is_counted() {
    if !can(&[Controller::Cpu, Controller::Cpuacct]) {
        return;
    }
    let lab = Lab::made(&["--cpus", "0.2"]);
    let mut hog = Command::new(BINARY);
    let mut hog = hog.args(["hog", "cpu", "--seconds", "1.5"]).stdout(Stdio::null()).spawn().unwrap();
    lab.verb("attach").arg(hog.id().to_string()).assert().success();
    assert!(hog.wait().unwrap().success());
    let time = stat(&lab, "cpu time");
    let (used, throttled) = (time["now"].as_u64().unwrap(), time["met"].as_u64().unwrap());
    assert!(throttled >= 3, "{time}");
    assert!(used < 700_000, "of 1.5 seconds a fifth is allowed: {time}");
    assert_eq!(time["limit"], "20000 of 100000");
}

#[test]
fn cpu_weight_is_written_with_the_kernels_own_conversion() {
    if !can(&[Controller::Cpu]) {
        return;
    }
    let lab = Lab::made(&["--cpu-weight", "50"]);
    let (file, value) = match version(Controller::Cpu) {
        Some(Version::V1) => ("cpu.shares", "512"),
        _ => ("cpu.weight", "50"),
    };
    assert_eq!(fs::read_to_string(lab.directory(Controller::Cpu).join(file)).unwrap().trim(), value);
}

#[test]
fn cpuset_leaves_one_processor_to_be_seen() {
    if !can(&[Controller::Cpuset]) {
        return;
    }
    assert_eq!(output(&mut run(&["--cpuset-cpus", "0"], &["nproc"])), "1");
    run(&["--cpuset-cpus", "4000"], &["true"]).assert().code(1).stderr(contains("cpuset.cpus"));
}

#[test]
fn pids_limit_refuses_the_fork_and_counts_it() {
    if !can(&[Controller::Pids]) {
        return;
    }
    let mut command = run(&["--pids", "10"], &["S3", "hog", "pids"]);
    command
        .assert()
        .code(1)
        .stdout("9 processes\n")
        .stderr(contains("EAGAIN").and(contains("fork refused: 1")));
}

#[test]
fn freezer_stops_everybody_and_lets_them_go_on() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::made(&[]);
    let directory = tempfile::tempdir().unwrap();
    let said = directory.path().join("said");
    let script = "trap 'echo heard' USR1; echo ready; while :; do :; done";
    let talker = Command::new("sh").args(["-c", script]).stdout(fs::File::create(&said).unwrap()).spawn();
    let talker = Sleeper(talker.unwrap());
    let pid = Pid::from_raw(talker.0.id() as i32);
    eventually("it listens", || fs::read_to_string(&said).unwrap() == "ready\n");
    lab.verb("attach").arg(pid.to_string()).assert().success();
    lab.verb("freeze").assert().success();
    assert_eq!(stat(&lab, "frozen")["now"], true);
    // A frozen process does nothing, not even what a signal asks of it: it would say so.
    nix::sys::signal::kill(pid, Signal::SIGUSR1).unwrap();
    let before = cpu_time(&talker);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!((fs::read_to_string(&said).unwrap().as_str(), cpu_time(&talker)), ("ready\n", before));
    lab.verb("thaw").assert().success();
    assert_eq!(stat(&lab, "frozen")["now"], false);
    eventually("it goes on", || fs::read_to_string(&said).unwrap() == "ready\nheard\n");
}

/// Clock ticks that a process had, in user and in kernel mode: proc_pid_stat(5).
fn cpu_time(process: &Sleeper) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.0.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn freezer_lets_a_deadly_signal_through_in_version_2_and_keeps_it_in_version_1() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::made(&[]);
    let sleeper = lab.sleeper();
    lab.verb("freeze").assert().success();
    nix::sys::signal::kill(Pid::from_raw(sleeper.0.id() as i32), Signal::SIGTERM).unwrap();
    match version(Controller::Freezer) {
        // It sleeps uninterruptibly.
        Some(Version::V1) => {
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(sleeper.state(), 'D');
        }
        // cgroup-v2.rst, "cgroup.freeze": "a frozen cgroup can be killed by a fatal signal".
        _ => eventually("it is taken", || sleeper.state() == 'Z'),
    }
    lab.verb("thaw").assert().success();
    eventually("the signal is taken", || sleeper.state() == 'Z');
}

#[test]
fn kill_reaches_all_below_even_frozen_ones() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::made(&[]);
    let inside = format!("{}/a", lab.0);
    stage3(&["create", &inside]).assert().success();
    let below: Vec<_> = (0..3).map(|_| Command::new("sleep").arg("50").spawn().unwrap()).collect();
    for child in &below {
        stage3(&["attach", &inside, &child.id().to_string()]).assert().success();
    }
    lab.verb("freeze").assert().success();
    assert_eq!(output(&mut lab.verb("kill")), "killed: 3");
    for mut child in below {
        assert!(!child.wait().unwrap().success());
    }
    lab.verb("delete").assert().success();
    assert!(ground::groups(&lab.0).is_empty());
}

#[test]
fn born_inside_means_in_every_hierarchy_before_the_first_instruction() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::new();
    let seen = output(&mut run(&["--group", &lab.0], &["cat", "/proc/self/cgroup"]));
    let ours = |line: &&str| line.ends_with(&format!("/{}", lab.0));
    let layout = stage3_cgroups::Layout::read().unwrap();
    assert_eq!(
        seen.lines().filter(ours).count(),
        layout.useful().filter(|h| !h.only_on_demand()).count(),
        "{seen}"
    );
}

#[test]
fn born_inside_by_one_call_where_there_is_version_2() {
    if !can(&[Controller::Freezer]) || version(Controller::Cpuacct).is_none() || !has("strace") {
        return;
    }
    if stage3_cgroups::Layout::read().unwrap().unified().is_none() {
        return ground::skip("there is no hierarchy of version 2: mount -t cgroup2 none DIR");
    }
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut traced = assert_cmd::Command::new("strace");
    traced.args(["-f", "-qq", "-e", "trace=clone3,execve,openat", "-o"]).arg(trace.path());
    traced.args([BINARY, "run", "--", "true"]).assert().success();
    let text = fs::read_to_string(trace.path()).unwrap();
    // strace before 5.6 does not know the name of the flag, but its number.
    let into = text.lines().any(|line| {
        line.contains("clone3(") && (line.contains("CLONE_INTO_CGROUP") || line.contains("0x200000000"))
    });
    assert!(into, "{text}");
}

#[test]
fn born_inside_a_namespace_the_group_is_the_root() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    if !ground::is_root() {
        return ground::skip_for(ground::Runner::Root, "a cgroup namespace needs CAP_SYS_ADMIN");
    }
    let seen = output(&mut run(&["--view", "own"], &["cat", "/proc/self/cgroup"]));
    assert!(seen.lines().all(|line| line.ends_with(":/")), "{seen}");
    let seen = output(&mut run(&[], &["cat", "/proc/self/cgroup"]));
    assert!(seen.contains("/stage3-run-"), "{seen}");
}

#[test]
fn events_are_told_when_they_happen() {
    if !can(&[Controller::Pids, Controller::Freezer]) {
        return;
    }
    let lab = Lab::made(&["--pids", "5"]);
    let watch =
        Command::new(BINARY).args(["stat", &lab.0, "--watch", "--for", "20"]).stdout(Stdio::piped()).spawn();
    let mut watch = watch.unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = move || lines.next().unwrap().unwrap();
    // It listens as soon as it has a queue; a change before would not be one.
    eventually("the watcher has its queue", || {
        let fds = fs::read_dir(format!("/proc/{}/fd", watch.id())).into_iter().flatten().flatten();
        fds.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|to| to.to_string_lossy().contains("inotify"))
    });
    std::thread::sleep(std::time::Duration::from_millis(100));
    let sleeper = lab.sleeper();
    assert!(next().ends_with("populated"));
    lab.verb("freeze").assert().success();
    assert!(next().ends_with("frozen"));
    lab.verb("thaw").assert().success();
    assert!(next().ends_with("thawed"));
    drop(sleeper);
    assert!(next().ends_with("empty"));
    lab.verb("delete").assert().success();
    assert!(watch.wait().unwrap().success(), "it ends with the group");
}

#[test]
fn plot_draws_the_kill_and_writes_its_numbers() {
    if !can(&[Controller::Memory]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (picture, table) = (directory.path().join("memory.svg"), directory.path().join("memory.tsv"));
    let words = ["S3", "hog", "memory", "--pause", "0.05"];
    run(&["--memory", "40M", "--swap", "0", "--plot", picture.to_str().unwrap()], &words).assert().code(137);
    let drawn = fs::read_to_string(&picture).unwrap();
    assert!(drawn.contains("limit 40") && drawn.contains("killed for want of memory: 1"), "{drawn}");
    let again = output(&mut stage3(&["plot", table.to_str().unwrap(), "--style", "svg"]));
    assert_eq!(again.trim(), drawn.trim(), "the same from its numbers");
    let words = output(&mut stage3(&["plot", table.to_str().unwrap(), "--style", "words"]));
    assert!(words.starts_with("memory: at most 4") || words.starts_with("memory: at most 3"), "{words}");
}
