//! A machine within the machine for heavy tests and measurements: what a client of a runtime writes, mounts, starts
//! and limits in it ends with the command.
//!
//! unshare(1), mount(8), cgroup_namespaces(7), Linux 4.6, 2016. Book: "How to use this book".
//! Invariant: the command sees one layout, never the hybrid: version 1 with every controller the machine has mounted,
//! or version 2; its groups are `stage4-sandbox-…`, and go when it ends, is interrupted, or its caller is killed.

use crate::{Error, Result, need::Answer, workspace::installed};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const OUTSIDE: &str = include_str!("sandbox/outside.sh");
const ENTER: &str = include_str!("sandbox/enter.sh");
const FURNISH: &str = include_str!("sandbox/furnish.sh");

/// The programs it is made with, and where they come from.
const TOOLS: [(&str, &str); 6] = [
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
    ("timeout", "coreutils"),
    ("find", "findutils"),
    ("ip", "iproute2"),
];

/// A hierarchy of control groups in which the sandbox has a group of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    /// The group that holds the sandbox's.
    parent: PathBuf,
    /// Its type to mount(2).
    kind: &'static str,
    /// Its options to mount(2).
    options: String,
    /// The name of its mount point below `/sys/fs/cgroup`; none where it is mounted there itself.
    name: String,
}

/// What sandboxes on this machine are made of. Each command has a new one:
///
/// - own mount, network (loopback only), pid, uts, ipc and cgroup namespaces; root's ids are the machine's;
/// - `/etc` and `/var` as on the host, but what is written there, or to `/run`, `/dev/shm` and below
///   `/var/lib/{containers,docker,containerd}`, is written to memory; `TMPDIR` and `HOME` lie in `/run`;
/// - `/tmp` and all else is the host's.
#[derive(Clone, Debug)]
pub struct Sandbox {
    hierarchies: Vec<Hierarchy>,
}

/// What timeout(1) ends with when the time is up.
const TIMED_OUT: i32 = 124;

impl Sandbox {
    /// Finds out what it would be made of, and tries one.
    ///
    /// # Errors
    /// When it cannot be made here, and why.
    pub fn here() -> std::result::Result<Sandbox, Answer> {
        if !nix::unistd::geteuid().is_root() {
            return Err(Answer::no("a sandbox has groups in every hierarchy, which only root makes", None));
        }
        if let Some((tool, package)) = TOOLS.iter().find(|(tool, _)| !installed(tool)) {
            let remedy = format!("apt-get install {package}");
            return Err(Answer::no(format!("{tool} is not found in PATH"), Some(&remedy)));
        }
        let sandbox = Sandbox::found().map_err(|error| Answer::no(error.to_string(), None))?;
        let patience = Duration::from_secs(60);
        let tried = sandbox.command("true", patience).stdin(Stdio::null()).output();
        match tried {
            Ok(output) if output.status.success() => Ok(sandbox),
            Ok(output) if output.status.code() == Some(TIMED_OUT) => {
                Err(Answer::no(format!("a sandbox was not made within {} s", patience.as_secs()), None))
            }
            Ok(output) => Err(Answer::no(String::from_utf8_lossy(&output.stderr).trim(), None)),
            Err(error) => Err(Answer::no(format!("setpriv: {error}"), None)),
        }
    }

    fn found() -> Result<Sandbox> {
        let read = |path: &str| {
            let path = Path::new(path);
            fs::read_to_string(path).map_err(Error::path("open", path))
        };
        let hierarchies = hierarchies(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?);
        if hierarchies.is_empty() {
            return Err(Error::Build("no control groups are mounted below /sys/fs/cgroup".into()));
        }
        Ok(Sandbox { hierarchies })
    }

    /// The version of control groups that is seen inside: 1 or 2.
    pub fn version(&self) -> u8 {
        if self.hierarchies.iter().any(|hierarchy| hierarchy.kind == "cgroup2") { 2 } else { 1 }
    }

    /// `program` in a sandbox of its own, not started yet; add its arguments.
    ///
    /// Its exit status is the program's own; 124 if `limit` has passed; 125 if there is no sandbox. It ends with the
    /// thread that starts it. Nothing is left even if it is killed; only whoever kills the shell below it has to call
    /// `cargo xtask clean`.
    pub fn command(&self, program: impl AsRef<OsStr>, limit: Duration) -> Command {
        // Who is killed cannot tell its child, so that the kernel does: prctl(2), PR_SET_PDEATHSIG.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "timeout", "--foreground", "--kill-after=30"]);
        command.arg(format!("{}", limit.as_secs_f64()));
        command.args([
            "setpriv",
            "--pdeathsig",
            "TERM",
            "sh",
            "-c",
            OUTSIDE,
            "stage4-sandbox",
            ENTER,
            FURNISH,
        ]);
        command.arg(self.hierarchies.iter().map(line).collect::<Vec<_>>().join("\n")).arg(program);
        command
    }
}

/// As the scripts read it.
fn line(Hierarchy { parent, kind, options, name }: &Hierarchy) -> String {
    format!("{}\t{kind}\t{options}\t{name}", parent.display())
}

/// From proc_pid_mountinfo(5) and proc_pid_cgroup(5): version 1 if any controller is mounted in it, else version 2.
fn hierarchies(mountinfo: &str, groups: &str) -> Vec<Hierarchy> {
    let mut all: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        if let Some(found) = hierarchy(line, groups).filter(|one| all.iter().all(|known| !same(known, one))) {
            all.push(found);
        }
    }
    let controllers = |one: &Hierarchy| one.kind == "cgroup" && !one.options.contains("name=");
    let kind = if all.iter().any(controllers) { "cgroup" } else { "cgroup2" };
    all.retain(|one| one.kind == kind);
    all
}

fn same(one: &Hierarchy, other: &Hierarchy) -> bool {
    (one.kind, &one.options) == (other.kind, &other.options)
}

/// `36 25 0:31 /ROOT /sys/fs/cgroup/NAME OPTIONS - TYPE SOURCE rw,CONTROLLER…`
fn hierarchy(line: &str, groups: &str) -> Option<Hierarchy> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let (root, point) = (mount.split(' ').nth(3)?, mount.split(' ').nth(4)?);
    let mut filesystem = filesystem.split(' ');
    let (kind, options) = (filesystem.next()?, filesystem.nth(1)?);
    let name = Path::new(point).strip_prefix("/sys/fs/cgroup").ok()?.to_str()?.to_owned();
    if kind == "cgroup2" {
        // At the top: a group that holds processes, as ours does, hands no controller down.
        return Some(Hierarchy {
            parent: point.into(),
            kind: "cgroup2",
            options: "rw".into(),
            name: String::new(),
        });
    }
    let known = |option: &&str| {
        !["rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode"].contains(option)
    };
    let words: Vec<_> =
        options.split(',').filter(known).filter(|word| !word.starts_with("release_agent=")).collect();
    let controllers = words.join(",");
    // Below the group we are in ourselves, so that what limits us limits the sandbox.
    let own = groups.lines().find_map(|line| {
        let (listed, path) = line.split_once(':')?.1.split_once(':')?;
        (listed == controllers).then_some(path)
    })?;
    let own = Path::new(own).strip_prefix(root).ok()?;
    let options = if controllers.starts_with("name=") { format!("none,{controllers}") } else { controllers };
    (kind == "cgroup").then(|| Hierarchy {
        parent: Path::new(point).join(own),
        kind: "cgroup",
        options,
        name,
    })
}

#[cfg(test)]
#[path = "sandbox/tests.rs"]
mod tests;
