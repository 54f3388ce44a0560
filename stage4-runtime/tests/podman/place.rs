//! Where podman is called, and by whom; its image, its storage, and the calls.
//!
//! Invariant: a call ends within a minute, and what the place has made is removed with it.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_stage4-runtime");

/// What is claimed, and whether an ordinary user's podman can show it, too.
pub struct Claim {
    pub name: &'static str,
    pub holds: fn(&Podman),
    pub ordinary: bool,
}

/// Where it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As root, where all is ours.
    Sandbox,
    /// As root, on the machine as it is, with all that podman keeps in a directory of its own.
    Machine,
    /// As an ordinary user, in the sandbox.
    Ordinary,
}

impl Place {
    pub const ALL: [Place; 3] = [Place::Sandbox, Place::Machine, Place::Ordinary];

    pub fn name(self) -> &'static str {
        match self {
            Place::Sandbox => "sandbox",
            Place::Machine => "machine",
            Place::Ordinary => "ordinary",
        }
    }
}

/// A podman with an image `box`.
pub struct Podman {
    pub place: Place,
    directory: tempfile::TempDir,
    /// The groups of the host that go with it.
    groups: Vec<PathBuf>,
}

/// What a call came to.
#[derive(Debug)]
pub struct Outcome {
    pub status: i32,
    pub out: String,
    pub err: String,
}

const APPLETS: [&str; 22] = [
    "sh", "cat", "sleep", "true", "id", "env", "tty", "ls", "kill", "echo", "pwd", "stty", "hostname",
    "touch", "grep", "mount", "ps", "dd", "readlink", "tail", "test", "unshare",
];

const USER: &str = "stage4-podman";

impl Podman {
    pub fn new(place: Place) -> Podman {
        let directory = tempfile::Builder::new().prefix("stage4-podman-").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let podman = Podman {
            place,
            directory,
            groups: groups().into_iter().filter(|group| !group.exists()).collect(),
        };
        fs::copy(BINARY, podman.path("runtime")).unwrap();
        // Locks in files: those in shared memory are one for the whole machine. And limits that every root may set.
        let settings = "[engine]\nlock_type = \"file\"\nevents_logger = \"file\"\n\
            [containers]\ndefault_ulimits = [\"nofile=1000:2000\", \"nproc=1000:2000\"]\n";
        fs::write(podman.path("containers.conf"), settings).unwrap();
        for name in ["home", "run", "tmp"] {
            fs::create_dir(podman.path(name)).unwrap();
        }
        if place == Place::Ordinary {
            podman.make_user();
        }
        podman.make_image();
        podman
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Only in the sandbox: what it writes to /etc ends with it.
    fn make_user(&self) {
        let home = self.path("home");
        let made =
            Command::new("useradd").arg("--no-create-home").arg("--home-dir").arg(&home).arg(USER).status();
        assert!(made.unwrap().success(), "useradd");
        let id = nix::unistd::User::from_name(USER).unwrap().unwrap();
        for name in ["home", "run", "tmp"] {
            chown(self.path(name), Some(id.uid.as_raw()), Some(id.gid.as_raw())).unwrap();
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    fn make_image(&self) {
        let root = self.path("root");
        ["bin", "etc", "tmp", "data"].iter().for_each(|name| fs::create_dir_all(root.join(name)).unwrap());
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
        fs::copy(busybox.unwrap(), root.join("bin/busybox")).unwrap();
        APPLETS.iter().for_each(|name| symlink("busybox", root.join("bin").join(name)).unwrap());
        fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\nguest:x:1000:1000::/:/bin/sh\n").unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nguest:x:1000:\n").unwrap();
        let archive = self.path("box.tar");
        let packed = Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".").status();
        assert!(packed.unwrap().success(), "tar");
        self.ok(&["import", "--quiet", archive.to_str().unwrap(), "box"]);
    }

    /// `podman` and what is said before its verb.
    fn words(&self) -> Vec<String> {
        let mut words = vec!["podman".to_owned(), "--cgroup-manager".into(), "cgroupfs".into()];
        words.extend(["--runtime".into(), self.path("runtime").display().to_string()]);
        if self.place == Place::Machine {
            for (option, name) in [("--root", "storage"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
                words.extend([option.to_owned(), self.path(name).display().to_string()]);
            }
        }
        // An overlay cannot lie on every file system an ordinary user has; copies can.
        words.extend(["--storage-driver".into(), "vfs".into()]);
        words
    }

    /// The beginning of a shell's command line that calls podman.
    pub fn line(&self) -> String {
        self.words().join(" ")
    }

    /// `sh -c SCRIPT` as whom the place is for, with the settings; it ends within a minute.
    pub fn shell(&self, script: &str) -> Outcome {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "60"]);
        if self.place == Place::Ordinary {
            command.args(["setpriv", "--reuid", USER, "--regid", USER, "--init-groups"]);
            command.env("HOME", self.path("home")).env("XDG_RUNTIME_DIR", self.path("run")).env("USER", USER);
            command.env("TMPDIR", self.path("tmp"));
        }
        command.args(["sh", "-c", script]).env("CONTAINERS_CONF", self.path("containers.conf"));
        command.current_dir(self.path("home")).stdin(Stdio::null());
        // By files: a conmon that goes on would hold a pipe open, and its reader with it.
        let [out, err] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
        let status = command.status().unwrap().code().unwrap_or(-1);
        Outcome { status, out: text_of(out), err: text_of(err) }
    }

    /// `podman ARGUMENTS`
    pub fn call(&self, arguments: &[&str]) -> Outcome {
        let quoted = arguments.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''")));
        self.shell(&format!("exec {} {}", self.line(), quoted.collect::<Vec<_>>().join(" ")))
    }

    /// What it says; it must succeed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let outcome = self.call(arguments);
        assert_eq!(outcome.status, 0, "podman {arguments:?}: {outcome:?}");
        outcome.out.trim().to_owned()
    }

    /// `podman run --rm`, without a network: OPTIONS box sh -c SCRIPT.
    pub fn run(&self, options: &[&str], script: &str) -> Outcome {
        self.call(&[&["run", "--rm"][..], self.usual(), options, &["box", "sh", "-c", script]].concat())
    }

    /// What it says; it must succeed.
    #[track_caller]
    pub fn said(&self, options: &[&str], script: &str) -> String {
        let outcome = self.run(options, script);
        assert_eq!(outcome.status, 0, "podman run {options:?} {script:?}: {outcome:?}");
        outcome.out.trim().to_owned()
    }

    /// A container in the background that runs a script.
    #[track_caller]
    pub fn start(&self, name: &str, options: &[&str], script: &str) {
        let all =
            [&["run", "--detach", "--name", name][..], self.usual(), options, &["box", "sh", "-c", script]];
        self.ok(&all.concat());
    }

    /// Groups on the machine are named so that they can be found.
    pub fn usual(&self) -> &'static [&'static str] {
        match self.place {
            Place::Machine => &["--network", "none", "--cgroup-parent", "/stage4-podman"],
            _ => &["--network", "none"],
        }
    }

    #[track_caller]
    pub fn inspect(&self, name: &str, format: &str) -> String {
        self.ok(&["inspect", "--format", format, name])
    }

    /// Every container and pod goes; again, where podman's own clean-up of one that has just ended is in the way.
    pub fn clear(&self) {
        for what in [&["pod", "rm"][..], &["rm"]] {
            let all = [what, &["--all", "--force", "--time", "0"]].concat();
            until("they are gone", || self.call(&all).status == 0);
        }
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if self.place == Place::Machine {
            self.call(&["system", "reset", "--force"]);
            // A conmon ends a moment after its container.
            until("its groups are gone", || self.groups.iter().all(|group| removed(group)));
        }
    }
}

/// What podman makes groups in: on the machine the containers' have a name of ours, but conmon's has not.
fn groups() -> Vec<PathBuf> {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
    let tops =
        hierarchies.filter(|path| path.join("cgroup.procs").is_file()).chain(["/sys/fs/cgroup".into()]);
    tops.flat_map(|top| ["stage4-podman", "libpod_parent"].map(|name| top.join(name))).collect()
}

/// Whether it is not there any more, after every empty group in it has been removed.
fn removed(group: &Path) -> bool {
    let inside = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in inside.filter(|path| path.is_dir()) {
        removed(&path);
    }
    fs::remove_dir(group).is_ok() || !group.exists()
}

fn text_of(mut file: fs::File) -> String {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).unwrap();
    String::from_utf8_lossy(&text).replace("\r\n", "\n")
}

/// Within twenty seconds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
