//! What others do while we work: owners of delegated trees, racing commands, signals.
//!
//! Book: "What is still missing for a container".
//! Invariant: nobody leads us out of the hierarchy, keeps us for ever, or makes us leave anything.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;

use ground::{BINARY, Lab, Ordinary, can, eventually, groups, output, run, stage3, version};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use stage3_cgroups::directory::Directory;
use stage3_cgroups::{Base, Controller, Group, Layout, Version};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn delegation_an_owner_can_plant_neither_links_nor_pipes() {
    let Some(user) = Ordinary::new() else { return };
    if !can(&[Controller::Pids]) {
        return;
    }
    let lab = Lab::made(&["--owner", Ordinary::NAME]);
    let directory = lab.directory(Controller::Pids);
    let at = directory.display();
    for planted in [format!("ln -s / {at}/link"), format!("mkfifo {at}/pipe"), format!("touch {at}/file")] {
        user.shell(&planted).assert().failure();
    }
    user.shell(&format!("mkdir -p '{at}/a b/ü/{}'", "x".repeat(255))).assert().success();
    lab.verb("delete").assert().success();
    assert!(groups(&lab.0).is_empty());
}

#[test]
fn kill_and_delete_need_one_descriptor_however_deep_an_owner_digs() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    const DEPTH: usize = 1500;
    let lab = Lab::made(&[]);
    let mut here = Directory::open(&lab.directory(Controller::Freezer)).unwrap();
    for _ in 0..DEPTH {
        here = here.make("d").unwrap().0;
    }
    drop(here);
    let script = |verb: &str| format!("ulimit -n 32; ulimit -s 512; exec {BINARY} {verb} {}", lab.0);
    let shell = |verb: &str| assert_cmd::Command::new("sh").args(["-c", &script(verb)]).assert().success();
    shell("stat");
    shell("kill").stdout("killed: 0\n");
    let places = Layout::read().unwrap().useful().filter(|h| !h.only_on_demand()).count();
    shell("delete").stdout(format!("removed directories: {}\n", DEPTH + places));
}

#[test]
fn info_a_name_that_is_a_file_of_the_kernels_is_refused() {
    if !can(&[Controller::Pids]) {
        return;
    }
    let lab = Lab::made(&[]);
    let told = || contains("ENOTDIR").and(contains("a file of the kernel's"));
    stage3(&["create", &format!("{}/pids.max", lab.0)]).assert().code(1).stderr(told());
    stage3(&["stat", &format!("{}/pids.max", lab.0)]).assert().code(1).stderr(told().or(contains("ENOENT")));
    let places = Layout::read().unwrap().useful().filter(|h| !h.only_on_demand()).count();
    assert_eq!(
        output(&mut lab.verb("delete")),
        format!("removed directories: {places}"),
        "nothing was left inside"
    );
}

#[test]
fn info_creating_and_deleting_the_same_name_at_once_leaves_nothing() {
    if !can(&[Controller::Pids]) {
        return;
    }
    let lab = Lab::new();
    let mut threads = Vec::new();
    for number in 0..4 {
        let name = lab.0.clone();
        threads.push(std::thread::spawn(move || {
            for _ in 0..25 {
                let verb =
                    if number % 2 == 0 { &["create", &name, "--pids", "5"][..] } else { &["delete", &name] };
                let done = stage3(verb).output().unwrap();
                let said = String::from_utf8(done.stderr).unwrap();
                let known = ["EEXIST", "ENOENT", "ENODEV", "deleted meanwhile"];
                assert!(
                    done.status.success() || known.iter().any(|word| said.contains(word)),
                    "{verb:?}: {said}"
                );
                assert!(matches!(done.status.code(), Some(0 | 1)), "{verb:?}: {said}");
            }
        }));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    lab.verb("delete").output().unwrap();
    assert!(groups(&lab.0).is_empty());
}

#[test]
fn born_inside_by_one_name_twice_is_refused_and_the_first_lives_on() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::new();
    let mut first = in_front(&["run", "--group", &lab.0, "--", "sh", "-c", "echo; exec sleep 50"]);
    run(&["--group", &lab.0], &["true"]).assert().code(1).stderr(contains("EEXIST"));
    assert!(first.try_wait().unwrap().is_none() && !groups(&lab.0).is_empty());
    stage3(&["kill", &lab.0]).assert().success();
    assert_eq!(first.wait().unwrap().code(), Some(137));
    assert!(groups(&lab.0).is_empty());
}

#[test]
fn info_a_group_made_anew_is_not_the_one_that_was_opened() {
    if !can(&[Controller::Pids]) {
        return;
    }
    let lab = Lab::made(&[]);
    let layout = Layout::read().unwrap();
    let group = Group::open(&layout, Base::fitting(&layout), &lab.0.parse().unwrap()).unwrap();
    lab.verb("delete").assert().success();
    lab.verb("create").assert().success();
    assert!(!group.is_there());
    assert!(group.attach(std::process::id() as i32).is_err());
}

/// The command in a process group of its own, as a shell begins it; it has printed a first line.
fn in_front(arguments: &[&str]) -> Child {
    let mut command = Command::new(BINARY);
    let mut child = command.args(arguments).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    child
}

fn interrupt(child: &Child) {
    killpg(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
}

#[test]
fn born_inside_ctrl_c_ends_the_command_and_its_group() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::new();
    let script = "sleep 50 & echo; exec sleep 50";
    let mut child = in_front(&["run", "--group", &lab.0, "--", "sh", "-c", script]);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(groups(&lab.0).is_empty());
    // A command that takes the signal for something else goes on, and so do we.
    let script = "trap 'echo heard' INT; echo; while ! sleep 0.2; do :; done; sleep 0.2; exit 3";
    let mut child = in_front(&["run", "--group", &lab.0, "--", "sh", "-c", script]);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(groups(&lab.0).is_empty());
}

#[test]
fn events_watch_ends_on_ctrl_c_and_where_nobody_reads_any_more() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    let lab = Lab::made(&[]);
    let watch = || {
        let mut command = Command::new(BINARY);
        let command = command.args(["stat", &lab.0, "--watch"]).process_group(0).stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        eventually("it listens", || {
            let fds = fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten().flatten();
            fds.filter_map(|fd| fs::read_link(fd.path()).ok())
                .any(|to| to.to_string_lossy().contains("inotify"))
        });
        child
    };
    let mut interrupted = watch();
    interrupt(&interrupted);
    assert_eq!(interrupted.wait().unwrap().signal(), Some(libc::SIGINT));
    let mut unread = watch();
    drop(unread.stdout.take());
    eventually("it ends without its reader", || unread.try_wait().unwrap().is_some());
    assert!(unread.wait().unwrap().success());
    lab.verb("delete").assert().success();
}

#[test]
fn kill_ends_a_fork_bomb() {
    if !can(&[Controller::Freezer, Controller::Pids]) {
        return;
    }
    let lab = Lab::new();
    let bomb = "f() { f | f & }; echo; f; while :; do :; done";
    let mut bomb = Command::new(BINARY)
        .args(["run", "--group", &lab.0, "--pids", "60", "--", "sh", "-c", bomb])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(bomb.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    // `run` sees the end of its command, and may have removed the group before we could say a word.
    lab.verb("kill").output().unwrap();
    assert_eq!(bomb.wait().unwrap().code(), Some(137));
    assert!(groups(&lab.0).is_empty());
}

#[test]
fn cpuset_without_processors_takes_nobody_and_says_so() {
    if !can(&[Controller::Cpuset]) {
        return;
    }
    let lab = Lab::made(&["--cpuset-cpus", "0"]);
    let file = lab.directory(Controller::Cpuset).join("cpuset.cpus");
    fs::write(&file, "\n").unwrap();
    let sleeper = ground::Sleeper(Command::new("sleep").arg("50").spawn().unwrap());
    let mut attach = lab.verb("attach");
    let attached = attach.arg(sleeper.0.id().to_string()).assert();
    match version(Controller::Cpuset) {
        Some(Version::V1) => attached.code(1).stderr(contains("ENOSPC").and(contains("no processors"))),
        // An empty list is that of the group above.
        _ => attached.success(),
    };
}

#[test]
fn cpuset_beyond_the_group_above_is_refused() {
    if !can(&[Controller::Cpuset]) || std::thread::available_parallelism().unwrap().get() < 2 {
        return;
    }
    let lab = Lab::made(&["--cpuset-cpus", "0"]);
    let inside = format!("{}/in", lab.0);
    for list in ["1", "0-1"] {
        stage3(&["create", &inside, "--cpuset-cpus", list])
            .assert()
            .code(1)
            .stderr(contains("cpuset.cpus").and(contains("the group above has")));
        assert!(groups(&inside).is_empty());
    }
    stage3(&["create", &inside, "--cpuset-cpus", "0"]).assert().success();
}

#[test]
fn cpu_quota_beyond_the_group_above_is_refused_or_has_no_effect() {
    if !can(&[Controller::Cpu]) {
        return;
    }
    let lab = Lab::made(&["--cpus", "0.2"]);
    let inside = format!("{}/in", lab.0);
    let mut create = stage3(&["create", &inside, "--cpus", "0.5"]);
    match version(Controller::Cpu) {
        Some(Version::V1) => {
            let told = contains("EINVAL").and(contains("cpu.cfs_quota_us is \"20000\""));
            create.assert().code(1).stderr(told);
            assert!(groups(&inside).is_empty());
        }
        _ => drop(create.assert().success()),
    }
}

#[test]
fn delete_ends_though_an_owner_makes_groups_as_fast_as_he_can() {
    let Some(user) = Ordinary::new() else { return };
    if !can(&[Controller::Pids]) {
        return;
    }
    let lab = Lab::made(&["--owner", Ordinary::NAME]);
    let directory = lab.directory(Controller::Pids);
    let script = format!(
        "i=0; while cd {} 2>/dev/null; do i=$((i+1)); mkdir -p a$i/b/c 2>/dev/null || exit 0; done",
        directory.display()
    );
    let maker =
        std::thread::spawn(move || drop(user.shell(&script).timeout(Duration::from_secs(20)).output()));
    eventually("he has begun", || directory.join("a3").exists());
    let begun = Instant::now();
    let done = lab.verb("delete").args(["--wait", "15"]).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success() || said.contains("made meanwhile"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(40));
    maker.join().unwrap();
}
