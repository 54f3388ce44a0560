//! What the tests of the command stand on: a bundle with busybox for a root, a directory of state, and nothing left.
//!
//! Book: "How it is tested".
//! Invariant: a test that cannot observe says SKIP; what a test has made goes with it, and what remains fails it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

use assert_cmd::Command;
use observe::scratch::Scratch;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const BINARY: &str = env!("CARGO_BIN_EXE_stage4-runtime");

/// A bundle of its own for each test.
pub struct Bench {
    directory: Scratch,
    mounts: String,
    used: AtomicU32,
}

const APPLETS: [&str; 16] = [
    "sh", "cat", "sleep", "true", "false", "id", "env", "tty", "ls", "readlink", "kill", "grep", "echo",
    "pwd", "stty", "ps",
];

/// The static one of Debian's busybox-static; a dynamic one would not run in an empty root.
fn busybox() -> Option<PathBuf> {
    let found =
        ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from).into_iter().find(|path| path.is_file())?;
    is_static(&fs::read(&found).ok()?).then_some(found)
}

/// elf(5): no program header asks for an interpreter.
fn is_static(elf: &[u8]) -> bool {
    let number = |at: usize, length: usize| {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(&elf[at..at + length]);
        u64::from_le_bytes(bytes) as usize
    };
    let (first, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    elf.starts_with(b"\x7fELF\x02\x01") && (0..count).all(|header| number(first + header * size, 4) != 3)
}

pub fn skip(reason: &str) {
    observe::skip::skip("stage4", reason);
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

impl Bench {
    /// For root's tests; None: cannot be observed here, and has been said.
    pub fn new() -> Option<Bench> {
        if !is_root() {
            observe::skip::skip_for(
                observe::skip::Runner::Root,
                "stage4",
                "containers with groups are root's",
            );
            return None;
        }
        Self::for_anybody()
    }

    /// For whoever runs the tests.
    pub fn for_anybody() -> Option<Bench> {
        let Some(busybox) = busybox() else {
            skip("there is no static busybox for a root: apt-get install busybox-static");
            return None;
        };
        let directory = Scratch::new("stage4").unwrap();
        fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let root = directory.path().join("rootfs");
        ["bin", "proc", "sys", "dev", "tmp", "etc", "shared"]
            .iter()
            .for_each(|name| fs::create_dir_all(root.join(name)).unwrap());
        fs::copy(busybox, root.join("bin/busybox")).unwrap();
        APPLETS.iter().for_each(|name| symlink("busybox", root.join("bin").join(name)).unwrap());
        fs::create_dir(directory.path().join("shared")).unwrap();
        Some(Bench { directory, mounts: mounts(), used: AtomicU32::new(0) })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// That of its directory, which nobody else has.
    pub fn name(&self) -> &str {
        self.directory.path().file_name().unwrap().to_str().unwrap()
    }

    /// Another name for each container, that nobody else has.
    pub fn id(&self) -> String {
        format!("{}-{}", self.name(), self.used.fetch_add(1, Ordering::Relaxed))
    }

    /// The default configuration without a terminal and without limits, for `sh -c SCRIPT`, and edited.
    pub fn config(&self, script: &str, edit: impl FnOnce(&mut Value)) {
        fs::remove_file(self.path("config.json")).ok();
        self.runtime(&["spec"]).assert().success();
        let mut config = self.read("config.json");
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["sh", "-c", script]);
        if let Some(limits) = config["linux"]["resources"].as_object_mut() {
            limits.retain(|kind, _| kind == "devices");
        }
        edit(&mut config);
        fs::write(self.path("config.json"), config.to_string()).unwrap();
    }

    pub fn read(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    pub fn raw(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(BINARY);
        command.arg("--root").arg(self.path("state")).args(arguments).current_dir(self.directory.path());
        command.stdin(std::process::Stdio::null());
        command
    }

    /// The command in the bundle's directory; it ends within a minute.
    pub fn runtime(&self, arguments: &[&str]) -> Command {
        let mut command = Command::from_std(self.raw(arguments));
        command.timeout(Duration::from_secs(60));
        command
    }

    /// Status, output and errors. By files: a container that goes on would hold a pipe open, and its reader with it.
    pub fn call(&self, arguments: &[&str]) -> (i32, String, String) {
        self.watch(self.raw(arguments))
    }

    /// The same of any command.
    pub fn watch(&self, mut command: std::process::Command) -> (i32, String, String) {
        let [output, errors] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        command.stdin(std::process::Stdio::null());
        command.stdout(output.try_clone().unwrap()).stderr(errors.try_clone().unwrap());
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        (status.code().unwrap_or(-1), text_of(output), text_of(errors))
    }

    /// Its output; it must succeed.
    pub fn output(&self, arguments: &[&str]) -> String {
        let (status, output, errors) = self.call(arguments);
        assert_eq!(status, 0, "{arguments:?}: {errors}");
        output.trim().to_owned()
    }

    pub fn status(&self, id: &str) -> String {
        let state: Value = serde_json::from_str(&self.output(&["state", id])).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    pub fn pid(&self, id: &str) -> i32 {
        let state: Value = serde_json::from_str(&self.output(&["state", id])).unwrap();
        state["pid"].as_i64().unwrap() as i32
    }

    /// A container that does nothing for a while.
    pub fn idle(&self, edit: impl FnOnce(&mut Value)) -> String {
        let id = self.id();
        self.config("sleep 1000", edit);
        self.output(&["run", "--detach", &id]);
        id
    }

    /// Ended, and waited for: its pid namespace takes a moment to go.
    pub fn end(&self, id: &str) {
        self.call(&["kill", id, "KILL"]);
        until("it has stopped", || self.status(id) == "stopped");
        self.output(&["delete", id]);
    }

    /// No state, no group, no process, no mount of this bench.
    pub fn nothing_is_left(&self) {
        let state = fs::read_dir(self.path("state")).map(|all| all.count()).unwrap_or(0);
        assert_eq!(state, 0, "directories of state are left");
        assert_eq!(self.groups(), Vec::<PathBuf>::new(), "groups are left");
        until("its processes have gone", || processes(self.name()).is_empty());
        assert_eq!(mounts(), self.mounts, "mounts are left");
    }

    /// The directories of the groups that its containers have.
    pub fn groups(&self) -> Vec<PathBuf> {
        groups(Path::new("/sys/fs/cgroup"), self.name(), 6)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let ids = self.runtime(&["list", "-q"]).output().map(|output| output.stdout).unwrap_or_default();
        for id in String::from_utf8_lossy(&ids).lines() {
            self.runtime(&["delete", "--force", id]).output().ok();
        }
    }
}

fn text_of(mut file: fs::File) -> String {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

pub fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Within a minute: a machine that is emulated, and busy, is slow.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Mount points only: others may change what is said of them.
fn mounts() -> String {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| point.contains("stage4-test-")).collect::<Vec<_>>().join("\n")
}

fn groups(directory: &Path, name: &str, depth: u32) -> Vec<PathBuf> {
    let Some(deeper) = depth.checked_sub(1) else { return Vec::new() };
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let directories = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories
        .flat_map(|entry| match entry.file_name().to_string_lossy().contains(name) {
            true => vec![entry.path()],
            false => groups(&entry.path(), name, deeper),
        })
        .collect()
}

/// Those whose root or group is of this bench.
fn processes(name: &str) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_ours = |pid: &i32| {
        let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default().contains(name);
        let zombie = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default().contains(") Z ");
        group && !zombie
    };
    pids.filter(is_ours).collect()
}
