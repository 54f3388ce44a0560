//! What kind of machine this is, where that matters to containers.
//!
//! uname(2), /proc/sys, /proc/self/mountinfo, /etc/subuid. Book: "How to use this book".
//! Invariant: only looks; a finding without a remedy needs none.

use crate::{language::Word, vm};
use nix::unistd::{User, geteuid};
use observe::{
    need::Need,
    script::Lang,
    workspace::{Programs, installed},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Something found, and the command that mends it where it wants mending.
#[derive(Debug)]
pub(super) struct Finding {
    pub what: Word,
    pub seen: String,
    pub remedy: Option<String>,
}

impl Finding {
    fn good(what: Word, seen: impl Into<String>) -> Finding {
        Finding { what, seen: seen.into(), remedy: None }
    }

    fn mend(what: Word, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { what, seen: seen.into(), remedy: Some(remedy.into()) }
    }

    /// The same as data.
    pub fn data(&self) -> Value {
        json!({ "what": self.what.say(Lang::En), "seen": self.seen, "remedy": self.remedy })
    }
}

/// Everything worth saying, in the order in which the stages meet it.
pub(super) fn examine(programs: &Programs) -> Vec<Finding> {
    let mut findings = vec![kernel(), surroundings(), user(), user_namespaces(programs)];
    findings.extend(subordinate_ids());
    findings.extend([cgroups(), delegation()]);
    findings.extend([virtual_machine(), tools()]);
    findings
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The oldest kernel on which every chapter's calls exist: clone3, pidfds and time namespaces are in 5.6.
const WANTED: (u32, u32) = (5, 6);

fn kernel() -> Finding {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown (no /proc)".into());
    let mut numbers = release.split(['.', '-']).filter_map(|part| part.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= WANTED {
        return Finding::good(Word::Kernel, release);
    }
    let remedy = format!(
        "boot a kernel of {}.{} or newer: later stages need clone3, pidfds and time namespaces",
        WANTED.0, WANTED.1
    );
    Finding::mend(Word::Kernel, release, remedy)
}

/// Docker and its relatives filter system calls; WSL 1 has no Linux kernel at all.
fn surroundings() -> Finding {
    let version = read("/proc/version").unwrap_or_default().to_lowercase();
    let there = |path: &str| Path::new(path).exists();
    if version.contains("microsoft") {
        let second = version.contains("wsl2");
        let remedy = "run `wsl --set-version <distribution> 2` in Windows: WSL 1 has no namespaces";
        return if second {
            Finding::good(Word::RunsIn, "WSL 2")
        } else {
            Finding::mend(Word::RunsIn, "WSL 1", remedy)
        };
    }
    let filtered = read("/proc/self/status").is_some_and(|text| text.contains("Seccomp:\t2"));
    let container = if there("/run/.containerenv") { "podman" } else { "Docker" };
    let named = there("/.dockerenv") || there("/run/.containerenv");
    match (named, filtered) {
        (true, true) => Finding::mend(
            Word::RunsIn,
            format!("a {container} container with a system call filter"),
            "start it with `--security-opt seccomp=unconfined --cap-add SYS_ADMIN`, or use the host itself",
        ),
        (true, false) => Finding::good(
            Word::RunsIn,
            format!("made from a {container} image, without a system call filter"),
        ),
        (false, _) => Finding::good(Word::RunsIn, "a machine of its own"),
    }
}

fn user() -> Finding {
    let uid = geteuid();
    let rootless = observe::need::rootless();
    let seen = match (uid.is_root(), rootless) {
        (true, false) => "root".to_owned(),
        (true, true) => {
            "root, without CAP_SYS_ADMIN: steps are played as an ordinary user plays them".to_owned()
        }
        (false, _) => format!("an ordinary user (uid {uid})"),
    };
    Finding::good(Word::YouAre, seen)
}

fn user_namespaces(programs: &Programs) -> Finding {
    let answer = Need::Userns.check(programs);
    match answer.possible {
        true => Finding::good(Word::Userns, "may be made"),
        false => {
            let remedy = answer.remedy.unwrap_or_else(|| "use root".into());
            Finding::mend(Word::Userns, answer.reason.unwrap_or_default(), remedy)
        }
    }
}

/// An ordinary user maps more than one id with newuidmap(1) and a range in /etc/subuid.
fn subordinate_ids() -> Option<Finding> {
    const WHAT: Word = Word::Subids;
    let uid = geteuid();
    if uid.is_root() {
        return None;
    }
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    let granted = |path: &str| {
        let text = read(path).unwrap_or_default();
        let number = uid.to_string();
        text.lines().any(|line| line.split(':').next().is_some_and(|who| who == name || who == number))
    };
    let missing = ["newuidmap", "newgidmap"].into_iter().find(|tool| !installed(tool));
    if let Some(tool) = missing {
        return Some(Finding::mend(WHAT, format!("{tool} is not installed"), "apt-get install uidmap"));
    }
    if granted("/etc/subuid") && granted("/etc/subgid") {
        return Some(Finding::good(WHAT, format!("granted to {name}")));
    }
    let remedy = format!("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name} (as root)");
    Some(Finding::mend(WHAT, format!("none for {name} in /etc/subuid and /etc/subgid"), remedy))
}

/// Mount points of cgroup file systems: (version 1, version 2).
fn hierarchies() -> (usize, Vec<String>) {
    let text = read("/proc/self/mountinfo").unwrap_or_default();
    let mounts = text.lines().filter_map(|line| {
        let (fields, file_system) = line.split_once(" - ")?;
        Some((fields.split(' ').nth(4)?.to_owned(), file_system.split(' ').next()?.to_owned()))
    });
    let (mut first, mut second) = (0, Vec::new());
    for (point, kind) in mounts {
        match kind.as_str() {
            "cgroup" => first += 1,
            "cgroup2" => second.push(point),
            _ => {}
        }
    }
    (first, second)
}

fn cgroups() -> Finding {
    match hierarchies() {
        (0, second) if second.is_empty() => {
            Finding::mend(Word::Cgroups, "none mounted", "mount -t cgroup2 none /sys/fs/cgroup (as root)")
        }
        (0, _) => Finding::good(Word::Cgroups, "v2"),
        (number, second) if second.is_empty() => {
            Finding::good(Word::Cgroups, format!("v1, {number} hierarchies"))
        }
        (number, _) => Finding::good(Word::Cgroups, format!("hybrid: {number} v1 hierarchies beside v2")),
    }
}

/// Whether we may make groups where we are (cgroups(7), "Delegation").
fn delegation() -> Finding {
    const WHAT: Word = Word::Delegation;
    let own = read("/proc/self/cgroup").unwrap_or_default();
    let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").to_owned();
    let writable = |directory: &str| nix::unistd::access(directory, nix::unistd::AccessFlags::W_OK).is_ok();
    let (first, second) = hierarchies();
    let point = second.first().cloned().unwrap_or_else(|| "/sys/fs/cgroup".into());
    if writable(&format!("{point}{path}")) || (first > 0 && geteuid().is_root()) {
        return Finding::good(WHAT, "groups may be made here");
    }
    let remedy = if Path::new("/run/systemd/system").exists() {
        "run inside `systemd-run --user --scope --property=Delegate=yes bash`"
    } else {
        "as root, make a group and give it away: mkdir /sys/fs/cgroup/yours && chown <user> \
         /sys/fs/cgroup/yours /sys/fs/cgroup/yours/cgroup.{procs,threads,subtree_control} (cgroups(7))"
    };
    Finding::mend(WHAT, "nothing is delegated to you", remedy)
}

/// `cargo xtask vm`, for another kernel and the other layouts of control groups.
fn virtual_machine() -> Finding {
    match vm::missing() {
        None => Finding::good(Word::VirtualMachine, "may be made (cargo xtask vm)"),
        Some((reason, remedy)) => Finding::mend(Word::VirtualMachine, reason, remedy),
    }
}

/// What helps but is not needed.
fn tools() -> Finding {
    let optional = [
        ("podman", "podman"),
        ("dockerd", "docker.io"),
        ("containerd", "containerd"),
        ("runc", "runc"),
        ("crun", "crun"),
        ("strace", "strace"),
        ("asciinema", "asciinema"),
    ];
    let (have, lack): (Vec<_>, Vec<_>) = optional.iter().partition(|(tool, _)| installed(tool));
    let join = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(" ") };
    let there = join(have.iter().map(|(tool, _)| *tool).collect());
    let packages = join(lack.iter().map(|(_, package)| *package).collect());
    match lack.is_empty() {
        true => Finding::good(Word::Tools, there),
        false => Finding::mend(Word::Tools, format!("there: {there}"), format!("apt-get install {packages}")),
    }
}
