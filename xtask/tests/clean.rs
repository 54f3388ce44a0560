//! `cargo xtask clean` among scenes that are not as it would like them: mounted over, half gone, lived in.
#![allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]

use assert_cmd::{Command, assert::OutputAssertExt};
use observe::skip::skip;
use predicates::prelude::*;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

/// A ground with one finished scene, and something precious beside it.
struct Ground(TempDir);

impl Ground {
    fn new() -> Ground {
        let ground = Ground(tempfile::tempdir().unwrap());
        fs::create_dir_all(ground.scene().join("work/m")).unwrap();
        fs::write(ground.scene().join(".lock"), "").unwrap();
        fs::create_dir(ground.path("precious")).unwrap();
        fs::write(ground.path("precious/file"), "the host's").unwrap();
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn scene(&self) -> PathBuf {
        self.path("stage1-demo.m")
    }

    /// As if it had been left a minute ago.
    fn age(&self) {
        let minute_ago = SystemTime::now() - Duration::from_secs(60);
        File::open(self.scene()).unwrap().set_modified(minute_ago).unwrap();
    }

    fn command(&self, program: &str) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        command.env("TMPDIR", self.0.path()).env("XTASK", XTASK).current_dir(self.path(""));
        command.stdin(Stdio::null());
        command
    }

    fn clean(&self) -> Command {
        let mut command = self.command(XTASK);
        command.arg("clean");
        let mut command = Command::from_std(command);
        command.timeout(Duration::from_secs(60));
        command
    }

    /// `line` in a mount namespace in which mounting is allowed; none, with a skip, where there is none.
    fn in_own_mounts(&self, test: &str, line: &str) -> Option<std::process::Output> {
        let unshare = ["--user", "--map-root-user", "--mount", "sh", "-c"];
        let tried = self.command("unshare").args(unshare).arg("mount --bind precious precious").output();
        let tried = tried.unwrap();
        if !tried.status.success() {
            skip(test, String::from_utf8_lossy(&tried.stderr).trim());
            return None;
        }
        Some(self.command("unshare").args(unshare).arg(line).output().unwrap())
    }
}

#[test]
fn a_mount_in_a_scene_is_taken_away_and_what_it_shows_stays() {
    let ground = Ground::new();
    let line = "mount --bind precious stage1-demo.m/work/m && exec $XTASK clean";
    let Some(output) = ground.in_own_mounts("a_mount_in_a_scene", line) else { return };
    output.assert().success().stdout(predicate::str::contains("removed mount"));
    assert!(ground.path("precious/file").exists() && !ground.scene().exists());
}

#[test]
fn a_mount_with_a_name_that_is_no_text_hides_no_other() {
    let ground = Ground::new();
    let line = "bad=$(printf 'x\\377') && mkdir $bad && mount --bind $bad $bad &&
                mount --bind precious stage1-demo.m/work/m && $XTASK clean && rmdir stage1-demo.m 2>&1";
    let Some(output) = ground.in_own_mounts("a_mount_with_a_name", line) else { return };
    assert!(ground.path("precious/file").exists(), "{output:?}");
    assert!(!ground.scene().exists(), "{output:?}");
}

#[test]
fn a_mount_that_stays_keeps_its_scene() {
    let ground = Ground::new();
    // What came with the namespace is locked in it: umount2(2) answers EINVAL (mount_namespaces(7)).
    let line = "mount --bind precious stage1-demo.m/work/m &&
                exec unshare --user --map-root-user --mount $XTASK clean";
    let Some(output) = ground.in_own_mounts("a_mount_that_stays", line) else { return };
    assert!(ground.path("precious/file").exists() && ground.scene().join(".lock").exists(), "{output:?}");
    output.assert().code(1).stderr(predicate::str::contains("something is still mounted at"));
}

#[test]
fn whoever_stands_in_a_scene_is_not_killed_for_it() {
    let ground = Ground::new();
    let mut bystander = ground.command("sleep").arg("60").current_dir(ground.scene()).spawn().unwrap();
    let typed = ground.command("sh").args(["-c", "cd stage1-demo.m/work && $XTASK clean; exit $?"]).output();
    let alive = bystander.try_wait().unwrap().is_none();
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    typed.unwrap().assert().success().stdout(predicate::str::contains("removed directory"));
    assert!(alive && !ground.scene().exists());
}

#[test]
fn what_a_scene_started_is_ended_wherever_it_went() {
    let ground = Ground::new();
    let mut left = ground.command("sleep").arg("60").env("STAGES_SCENE", ground.scene()).spawn().unwrap();
    ground.clean().assert().success().stdout(predicate::str::contains("removed process"));
    assert!(!left.wait().unwrap().success());
}

#[test]
fn a_lock_that_is_a_pipe_does_not_hold_anybody_up() {
    let ground = Ground::new();
    fs::remove_file(ground.scene().join(".lock")).unwrap();
    assert!(ground.command("mkfifo").arg(ground.scene().join(".lock")).status().unwrap().success());
    ground.clean().assert().success();
    assert!(ground.scene().exists(), "it is not old");
    ground.age();
    ground.clean().assert().success();
    assert!(!ground.scene().exists());
}

#[test]
fn a_scene_whose_removal_was_cut_short_is_found_again() {
    let ground = Ground::new();
    fs::remove_file(ground.scene().join(".lock")).unwrap();
    ground.clean().assert().success();
    assert!(ground.scene().exists(), "it is not old");
    ground.age();
    ground.clean().assert().success().stdout(predicate::str::contains("removed directory"));
    assert!(!ground.scene().exists());
}

#[test]
fn a_full_output_is_an_error_and_no_panic() {
    let ground = Ground::new();
    for verb in ["clean --dry-run", "completions bash", "demo --list"] {
        let line = format!("$XTASK {verb} >/dev/full");
        let output = ground.command("sh").args(["-c", &line]).output().unwrap();
        output.assert().code(1).stderr(predicate::str::contains("No space left"));
    }
}

#[test]
fn a_directory_of_a_test_is_left_alone_until_the_test_has_gone() {
    let ground = Ground::new();
    let left = ground.path("stage4-test-killed");
    let name = ground.0.path().file_name().unwrap().to_string_lossy().replace('.', "");
    let held = ground.path(&format!("stage4-test-{name}"));
    [&held, &left].iter().for_each(|directory| fs::create_dir(directory).unwrap());
    let lock = File::open(&held).unwrap();
    lock.try_lock().unwrap();
    let minute_ago = SystemTime::now() - Duration::from_secs(60);
    [&held, &left].iter().for_each(|path| File::open(path).unwrap().set_modified(minute_ago).unwrap());
    // Only root can have made groups here, and looks for them.
    let hierarchies = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].iter().map(Path::new);
    let groups = hierarchies.map(|mount| mount.join(format!("stage4-test-{name}-0")));
    let group = groups.into_iter().find(|group| fs::create_dir(group).is_ok());
    let cleaned = ground.clean().output().unwrap();
    let spared = group.is_none_or(|group| fs::remove_dir(group).is_ok());
    let told = predicate::str::contains(format!("removed directory {}", left.display()));
    cleaned.assert().success().stdout(told);
    assert!(held.exists() && !left.exists() && spared);
}

#[test]
fn a_container_of_a_test_that_was_killed_is_found() {
    let ground = Ground::new();
    let left = ground.path("stage4-test-killed");
    fs::create_dir_all(left.join("state/one")).unwrap();
    let minute_ago = SystemTime::now() - Duration::from_secs(60);
    File::open(&left).unwrap().set_modified(minute_ago).unwrap();
    let told = predicate::str::contains(format!("would remove container {}/state/one\n", left.display()));
    let mut clean = ground.clean();
    clean.arg("--dry-run").assert().success().stdout(told);
    assert!(left.exists());
}
