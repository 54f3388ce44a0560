//! What an ordinary user may do in what was given to him, and what he is told where nothing was.
//!
//! Book: "Delegation" (`delegation`).
//! Invariant: everything here is done by a process of another uid, which root only puts where it begins.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;

use ground::{Lab, Ordinary, can, groups, stage3, version};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use stage3_cgroups::{Controller, Layout, Version};
use std::fs;
use std::path::{Path, PathBuf};

/// A group that was given to the user, with one inside it for his shell.
fn given() -> Option<(Ordinary, Lab, String)> {
    let user = Ordinary::new()?;
    if !can(&[Controller::Memory, Controller::Pids, Controller::Freezer]) {
        return None;
    }
    let lab = Lab::made(&["--pids", "30", "--owner", Ordinary::NAME]);
    let leaf = format!("{}/leaf", lab.0);
    user.shell(&format!("S3 create {leaf}")).assert().success();
    Some((user, lab, leaf))
}

#[test]
fn delegation_lets_a_user_run_a_command_with_limits() {
    let Some((user, lab, leaf)) = given() else { return };
    let script = format!("S3 run --group {}/job --pids 8 -- S3 hog pids; echo $?", lab.0);
    let (said, _) = user.shell_in(&leaf, &script);
    assert!(
        said.contains("7 processes\n") && said.contains("fork refused: 1") && said.ends_with("\n1\n"),
        "{said}"
    );
    let hog = "S3 hog memory --most 100M --pause 0";
    let script = format!("S3 run --group {}/job --memory 40M --swap 0 -- {hog}; echo $?", lab.0);
    let (said, _) = user.shell_in(&leaf, &script);
    assert!(said.contains("killed for want of memory: 1") && said.ends_with("\n137\n"), "{said}");
    assert!(groups(&format!("{}/job", lab.0)).is_empty());
}

#[test]
fn delegation_lets_a_user_read_stop_kill_and_remove_groups_of_his_own() {
    let Some((user, lab, leaf)) = given() else { return };
    let script = "set -e
        S3 create LAB/a --pids 9 >/dev/null; S3 create LAB/a/b >/dev/null
        sleep 50 & S3 attach LAB/a/b $!
        S3 stat LAB/a --format json | tr -d ' \\n'; echo
        S3 freeze LAB/a; S3 stat LAB/a | grep frozen; S3 thaw LAB/a
        S3 delete LAB/a --wait 0 || echo held
        S3 kill LAB/a; S3 delete LAB/a"
        .replace("LAB", &lab.0);
    let (said, status) = user.shell_in(&leaf, &script);
    assert_eq!(status, Some(0), "{said}");
    for says in ["\"now\":1,\"peak\"", "{\"limit\":9,", "yes", "held by", "held\n", "killed: 1", "removed"] {
        assert!(said.contains(says), "{says}: {said}");
    }
    assert!(!lab.directory(Controller::Pids).join("a").exists());
}

#[test]
fn delegation_gives_no_limits_of_the_group_itself_and_not_the_group() {
    let Some((user, lab, _)) = given() else { return };
    user.shell(&format!("S3 set {} --pids 1000", lab.0))
        .assert()
        .code(1)
        .stderr(contains("EACCES").and(contains("the delegator's")));
    user.shell(&format!("S3 freeze {}", lab.0))
        .assert()
        .code(1)
        .stderr(contains("freeze the groups inside it"));
    user.shell(&format!("S3 delete {}", lab.0))
        .assert()
        .code(1)
        .stderr(contains("taken back by who gave it").or(contains("EBUSY")));
    user.shell(&format!("S3 create {}-mine", lab.0))
        .assert()
        .code(1)
        .stderr(contains("EACCES").and(contains("--owner")));
    assert_eq!(fs::read_to_string(lab.directory(Controller::Pids).join("pids.max")).unwrap().trim(), "30");
    let directory = lab.directory(Controller::Pids);
    user.shell(&format!("echo 1000 > {}/pids.max", directory.display())).assert().failure();
}

#[test]
fn delegation_kill_by_the_owner_reaches_all_that_are_his_and_nobody_elses() {
    let Some((user, lab, leaf)) = given() else { return };
    let sleeper = {
        let (said, _) = user.shell_in(&leaf, "sleep 50 >/dev/null 2>&1 & echo $!");
        said.trim().parse::<i32>().unwrap()
    };
    user.shell(&format!("S3 kill {}", lab.0)).assert().success().stdout(contains("killed: 1"));
    assert!(!Path::new(&format!("/proc/{sleeper}/cgroup")).exists() || is_zombie(sleeper));
    // And one of root's, which root put there.
    let foreign = std::process::Command::new("sleep").arg("50").spawn().unwrap();
    let mut foreign = ground::Sleeper(foreign);
    stage3(&["attach", &leaf, &foreign.0.id().to_string()]).assert().success();
    let told = user.shell(&format!("S3 kill {} --wait 0.3", lab.0)).output().unwrap();
    let said = String::from_utf8(told.stderr).unwrap();
    assert!(said.contains("EPERM") && said.contains("another user"), "{said}");
    assert!(foreign.0.try_wait().unwrap().is_none());
}

fn is_zombie(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| text.contains(") Z "))
}

#[test]
fn delegation_in_version_2_needs_the_common_ancestor() {
    let Some((user, lab, leaf)) = given() else { return };
    let script = format!("S3 run --group {}/job -- echo ran", lab.0);
    let mut from_outside = user.shell(&script);
    match Layout::read().unwrap().unified() {
        None => from_outside.assert().success().stdout("ran\n"),
        Some(_) => from_outside.assert().code(1).stderr(contains("EACCES").and(contains("common ancestor"))),
    };
    let (said, status) = user.shell_in(&leaf, &script);
    assert_eq!((said.as_str(), status), ("ran\n", Some(0)));
    // Nor may he take somebody in who is outside.
    let mut outside = user.shell(&format!("sleep 5 & S3 attach {leaf} $!; status=$?; kill $!; exit $status"));
    match Layout::read().unwrap().unified() {
        None => outside.assert().success(),
        Some(_) => outside.assert().code(1).stderr(contains("common ancestor of both")),
    };
}

#[test]
fn delegation_of_nothing_is_told_with_the_remedy_to_another_user() {
    let Some(user) = Ordinary::new() else { return };
    if !can(&[Controller::Pids]) {
        return;
    }
    user.shell("S3 info")
        .assert()
        .success()
        .stderr(contains("nothing is delegated to us").and(contains("--owner")));
    for verb in ["S3 create stage3-mine", "S3 run --pids 5 -- true", "S3 run -- true"] {
        user.shell(verb).assert().code(1).stderr(
            contains("EACCES")
                .and(contains("systemd-run --user --scope -p Delegate=yes"))
                .and(contains("--owner")),
        );
    }
    user.shell("S3 stat stage3-none").assert().code(1).stderr(contains("ENOENT"));
    assert!(groups("stage3-mine").is_empty() && groups("stage3-run-").is_empty());
}

#[test]
fn delegation_a_user_sees_a_group_of_roots_and_cannot_change_it() {
    let Some(user) = Ordinary::new() else { return };
    if !can(&[Controller::Pids, Controller::Freezer]) {
        return;
    }
    let lab = Lab::made(&["--pids", "7"]);
    let sleeper = lab.sleeper();
    user.shell(&format!("S3 stat {} --format json", lab.0))
        .assert()
        .success()
        .stdout(contains("\"limit\": 7"));
    for verb in ["set --pids 9", "freeze", "kill --wait 0.2", "delete --wait 0", "attach", "create"] {
        let (verb, options) = verb.split_once(' ').unwrap_or((verb, ""));
        let more = match verb {
            "attach" => "$$",
            "create" => "",
            _ => options,
        };
        let group = if verb == "create" { format!("{}/in", lab.0) } else { lab.0.clone() };
        let told = user.shell(&format!("S3 {verb} {group} {more}")).output().unwrap();
        let said = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(1), "{verb}: {said}");
        assert!(said.contains("EACCES") || said.contains("EPERM"), "{verb}: {said}");
        assert!(said.contains("hint: "), "{verb}: {said}");
    }
    assert_eq!(sleeper.state(), 'S');
}

/// What systemd makes for `systemd-run --user --scope -p Delegate=yes`: a group of the user's, the command in it.
struct Scope(PathBuf);

impl Scope {
    fn new() -> Self {
        let mount = Layout::read().unwrap().unified().unwrap().mount.clone();
        let path = mount.join(format!("run-stage3-{}.scope", std::process::id()));
        fs::create_dir(&path).unwrap();
        let user = nix::unistd::User::from_name(Ordinary::NAME).unwrap().unwrap();
        let files = fs::read_to_string("/sys/kernel/cgroup/delegate").unwrap();
        let own = |path: &Path| nix::unistd::chown(path, Some(user.uid), Some(user.gid)).unwrap();
        own(&path);
        files.lines().map(|file| path.join(file)).filter(|file| file.exists()).for_each(|file| own(&file));
        Scope(path)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        for inside in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if inside.file_type().unwrap().is_dir() {
                fs::remove_dir(inside.path()).unwrap();
            }
        }
        fs::remove_dir(&self.0).unwrap();
    }
}

#[test]
fn delegation_by_systemd_is_a_scope_whose_shell_steps_aside_once() {
    if version(Controller::Pids) != Some(Version::V2) {
        return; // systemd delegates nothing of version 1: "Delegate=" in systemd.resource-control(5)
    }
    let Some(user) = Ordinary::new() else { return };
    if !can(&[Controller::Pids]) {
        return;
    }
    let scope = Scope::new();
    let script = "S3 run --pids 8 -- true; echo $?
        S3 create stage3-leaf >/dev/null; S3 attach stage3-leaf $$
        S3 run --pids 8 -- S3 hog pids
        S3 run -- cat /proc/self/cgroup";
    let put = |pid: u32| fs::write(scope.0.join("cgroup.procs"), pid.to_string()).unwrap();
    let (said, _) = user.shell_put(script, put);
    // The shell holds the scope itself, and the way out of that is told.
    assert!(said.contains("holds processes itself") && said.contains("no internal processes"), "{said}");
    assert!(said.contains("stage3-cgroups attach stage3-leaf PID"), "{said}");
    assert!(said.contains("7 processes\n") && said.contains("fork refused: 1"), "{said}");
    let name = scope.0.file_name().unwrap().to_string_lossy();
    assert!(said.contains(&format!("/{name}/stage3-run-")), "{said}");
}
