//! What all tests stand on: the command, loud skips, and groups that go with their test.
//!
//! No kernel calls of its own. Book: "How it is tested".
//! Invariant: a test that cannot observe says SKIP, and fails where STAGES_NO_SKIP=1.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

use assert_cmd::Command;
pub use observe::skip::Runner;
use stage3_cgroups::{Base, Controller, Layout, Version};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const BINARY: &str = env!("CARGO_BIN_EXE_stage3-cgroups");

/// The command with nothing but these arguments; it ends within a minute.
pub fn stage3(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).timeout(Duration::from_secs(60));
    command
}

/// `run` with these options; the words `S3` become the command itself.
pub fn run(options: &[&str], words: &[&str]) -> Command {
    let mut command = stage3(&["run"]);
    let words = words.iter().map(|word| if *word == "S3" { BINARY } else { word });
    command.args(options).arg("--").args(words);
    command
}

/// What it printed; it must have succeeded.
pub fn output(command: &mut Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap().trim().to_owned()
}

pub fn stderr(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stderr).unwrap()
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says why a claim is not tested here.
pub fn skip(reason: &str) {
    observe::skip::skip("stage3", reason);
}

/// Says that a claim is about the other kind of user.
pub fn skip_for(runner: Runner, reason: &str) {
    observe::skip::skip_for(runner, "stage3", reason);
}

/// Says that a claim is about another layout: `v1`, `hybrid` or `v2`.
pub fn skip_under(layout: &str, reason: &str) {
    observe::skip::skip_under(layout, "stage3", reason);
}

/// Can we limit by these? If not, says so.
pub fn can(controllers: &[Controller]) -> bool {
    let layout = Layout::read().unwrap();
    let base = Base::fitting(&layout);
    step_aside(&layout, base);
    let grants = stage3_cgroups::delegation::grants(&layout, base);
    let lacks = grants.iter().find(|grant| {
        let usable = grant.home.as_ref().is_some_and(|home| home.make && home.handed_down);
        controllers.contains(&grant.controller) && !usable
    });
    if let Some(grant) = lacks {
        let why = format!("{} cannot be used here: see `stage3-cgroups info`", grant.controller.facts().v1);
        match is_root() {
            true => skip(&why),
            false => skip_for(Runner::Root, &why),
        }
    }
    lacks.is_none()
}

/// What `info` advises to who was given a group and sits in it: we, and the shell that began us, go into one inside.
pub fn step_aside(layout: &Layout, base: Base) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    let homes =
        || stage3_cgroups::delegation::grants(layout, base).into_iter().filter_map(|grant| grant.home);
    let Some(held) = homes().find(|home| home.make && home.held) else { return };
    ONCE.call_once(|| {
        let name = format!("stage3-leaf-{}", std::process::id());
        output(&mut stage3(&["create", &name]));
        let pids = fs::read_to_string(held.base.join("cgroup.procs")).unwrap();
        // Who ends meanwhile need not move; whoever will not shows in what the tests say.
        pids.lines().for_each(|pid| drop(stage3(&["attach", &name, pid]).output().unwrap()));
    });
}

/// Which version a controller has here.
pub fn version(controller: Controller) -> Option<Version> {
    Layout::read().unwrap().version(controller)
}

/// Is `program` there? If not, says so.
pub fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let found =
        path.split(':').chain(["/usr/sbin", "/sbin"]).any(|dir| Path::new(dir).join(program).is_file());
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// A name of a group that no other test uses; what has it is killed and removed at the end.
pub struct Lab(pub String);

impl Lab {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Lab(format!("stage3-test-{}-{number:03}", std::process::id()))
    }

    /// The same, made with these limits.
    pub fn made(limits: &[&str]) -> Self {
        let lab = Lab::new();
        lab.verb("create").args(limits).assert().success();
        lab
    }

    /// `stage3-cgroups VERB GROUP`
    pub fn verb(&self, verb: &str) -> Command {
        stage3(&[verb, &self.0])
    }

    /// The group's directory where `controller` lives.
    pub fn directory(&self, controller: Controller) -> PathBuf {
        let layout = Layout::read().unwrap();
        let hierarchy = layout.home(controller).unwrap();
        let base = hierarchy.base(Base::fitting(&layout)).unwrap();
        base.iter().fold(hierarchy.mount.clone(), |path, part| path.join(part)).join(&self.0)
    }

    /// A process that sleeps in it.
    pub fn sleeper(&self) -> Sleeper {
        let child = std::process::Command::new("sleep").arg("50").stdout(Stdio::null()).spawn().unwrap();
        let sleeper = Sleeper(child);
        self.verb("attach").arg(sleeper.0.id().to_string()).assert().success();
        sleeper
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.verb("kill").output().unwrap();
        self.verb("delete").output().unwrap();
    }
}

/// A process of ours, ended and reaped at the end.
pub struct Sleeper(pub Child);

impl Sleeper {
    /// The letter of its state.
    pub fn state(&self) -> char {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().unwrap();
    }
}

/// An ordinary user, with a copy of the command where everybody may execute it.
pub struct Ordinary {
    place: tempfile::TempDir,
}

impl Ordinary {
    pub const NAME: &str = "nobody";

    /// Only root can be somebody else; if we are not, says so.
    pub fn new() -> Option<Self> {
        if !is_root() {
            skip_for(Runner::Root, "only root can try what an ordinary user may, and give groups away");
            return None;
        }
        let place = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // By another process: a child that another test forks meanwhile would hold our descriptor, and nobody can execute
        // a file that is open for writing (ETXTBSY).
        let copied = std::process::Command::new("cp").arg(BINARY).arg(place.path().join("S3")).status();
        assert!(copied.unwrap().success());
        Some(Ordinary { place })
    }

    /// A shell of the user's, in which `S3` is the command.
    pub fn shell(&self, script: &str) -> Command {
        Command::from_std(self.plain(script))
    }

    fn plain(&self, script: &str) -> std::process::Command {
        let user = nix::unistd::User::from_name(Self::NAME).unwrap().unwrap();
        let mut command = std::process::Command::new("sh");
        let path = format!("{}:{}", self.place.path().display(), std::env::var("PATH").unwrap());
        command.args(["-c", script]).env("PATH", path).current_dir("/");
        // Without a user's groups, too: std gives them up where it may.
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        command
    }

    /// The same, put by root into `group`; what it said, and its status.
    pub fn shell_in(&self, group: &str, script: &str) -> (String, Option<i32>) {
        self.shell_put(script, |pid| drop(stage3(&["attach", group, &pid.to_string()]).assert().success()))
    }

    /// The same, put somewhere by `put` before it begins.
    pub fn shell_put(&self, script: &str, put: impl FnOnce(u32)) -> (String, Option<i32>) {
        let mut command = self.plain(&format!("read go; exec 2>&1; {script}"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        put(child.id());
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let output = child.wait_with_output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    }
}

/// The groups whose names begin so, in every hierarchy.
pub fn groups(prefix: &str) -> Vec<PathBuf> {
    let layout = Layout::read().unwrap();
    let mut found = Vec::new();
    for hierarchy in &layout.hierarchies {
        find(&hierarchy.mount, prefix, 4, &mut found);
    }
    found
}

fn find(directory: &Path, prefix: &str, depth: u32, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
                found.push(entry.path());
            } else if depth > 0 {
                find(&entry.path(), prefix, depth - 1, found);
            }
        }
    }
}

/// Waits until `done`, or not more than a minute.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
