//! What a step needs of the machine: tried out, and, where it is missing, why and what mends it.
//!
//! The probe tries the calls themselves. Book: "How to use this book".
//! Invariant: doctor, demo and tests ask this one list, so that the prediction equals what happens.

mod container;
mod groups;

use crate::{
    play::without_notes,
    scene,
    workspace::{self, Programs},
};
use serde::{Deserialize, Serialize};
use std::{fmt, process::Command};

/// Something a step cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// chroot(2): by CAP_SYS_CHROOT, or by borrowing a user namespace.
    Chroot,
    /// A mount namespace of our own: by CAP_SYS_ADMIN, or by borrowing a user namespace.
    Mounts,
    /// An unprivileged user namespace.
    Userns,
    /// To become another user: by CAP_SETUID and CAP_SETGID over all ids, or in a borrowed namespace.
    Users,
    /// All eight kinds of namespace: by CAP_SYS_ADMIN, or in a borrowed user namespace.
    Namespaces,
    /// For ordinary users: newuidmap(1) and a range of ids in /etc/subuid.
    Subids,
    /// The kernel's veth devices.
    Veth,
    /// The kernel's bridges.
    Bridge,
    /// A host's `bash`, to be copied into a root.
    Bash,
    /// A place where programs can be put and executed.
    Ground,
    /// The administrator's rights over this machine, not over a user namespace.
    Root,
    /// A control group of our own: by being root, or by delegation.
    Groups,
    /// One with a limit of memory.
    CgroupMemory,
    /// One with a limit of swap.
    CgroupSwap,
    /// One with a quota of processor time.
    CgroupCpu,
    /// One with processors of its own.
    CgroupCpuset,
    /// One with a limit of tasks.
    CgroupPids,
    /// One with rates of the disk that scenes lie on.
    CgroupIo,
    /// One with a list of devices.
    CgroupDevices,
    /// One that can be stopped as a whole.
    CgroupFreezer,
    /// The kernel's pressure stall information.
    Pressure,
    /// A container as `stage4-runtime spec` describes it: by being root, or rootless.
    Container,
    /// An overlay on the file system that scenes lie on: by being root, or in a user namespace.
    Overlay,
    /// podman(1), and what it starts containers with.
    Podman,
}

/// Whether this machine has what is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// It can be done here.
    pub possible: bool,
    /// Why it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The command that mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Answer {
    /// It can be done.
    pub fn yes() -> Answer {
        Answer { possible: true, reason: None, remedy: None }
    }

    /// It cannot, and why.
    pub fn no(reason: impl Into<String>, remedy: Option<&str>) -> Answer {
        Answer { possible: false, reason: Some(reason.into()), remedy: remedy.map(str::to_owned) }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.reason.as_deref().unwrap_or("possible here"))?;
        self.remedy.iter().try_for_each(|remedy| write!(out, "; {remedy}"))
    }
}

impl Need {
    /// The name used in `demo.toml` and by `probe can`.
    pub fn name(self) -> &'static str {
        match self {
            Need::Chroot => "chroot",
            Need::Mounts => "mounts",
            Need::Userns => "userns",
            Need::Users => "users",
            Need::Namespaces => "namespaces",
            Need::Subids => "subids",
            Need::Veth => "veth",
            Need::Bridge => "bridge",
            Need::Bash => "bash",
            Need::Ground => "ground",
            Need::Root => "root",
            Need::Groups => "groups",
            Need::CgroupMemory => "cgroup-memory",
            Need::CgroupSwap => "cgroup-swap",
            Need::CgroupCpu => "cgroup-cpu",
            Need::CgroupCpuset => "cgroup-cpuset",
            Need::CgroupPids => "cgroup-pids",
            Need::CgroupIo => "cgroup-io",
            Need::CgroupDevices => "cgroup-devices",
            Need::CgroupFreezer => "cgroup-freezer",
            Need::Pressure => "pressure",
            Need::Container => "container",
            Need::Overlay => "overlay",
            Need::Podman => "podman",
        }
    }

    /// Whether it is a control group, with a limit or without.
    pub fn is_of_groups(self) -> bool {
        self == Need::Groups || self.name().starts_with("cgroup-")
    }

    /// Tries it out.
    pub fn check(self, programs: &Programs) -> Answer {
        match self {
            Need::Bash => tool("bash", "apt-get install bash"),
            Need::Ground => {
                scene::ground().map_or_else(|e| Answer::no(e.to_string(), None), |_| Answer::yes())
            }
            Need::Subids if rootless() => ask_stage2(programs, "run --user --map-subids -- true"),
            // Root maps what it likes, unless it is root in a user namespace only.
            Need::Subids => {
                let maps = "--uid-map 0:100000:65536 --gid-map 0:100000:65536";
                ask_stage2(programs, &format!("run --user {maps} -- true"))
            }
            Need::Veth => {
                ask_stage2(programs, "run --user --map-root --net -- stage2-namespaces net veth a b")
            }
            Need::Bridge => {
                ask_stage2(programs, "run --user --map-root --net -- stage2-namespaces net bridge a")
            }
            Need::Root => groups::root(),
            Need::Pressure => groups::pressure(),
            Need::Container => container::default(programs),
            Need::Overlay => container::overlay(programs),
            Need::Podman => {
                both(tool("podman", "apt-get install podman"), || tool("conmon", "apt-get install conmon"))
            }
            Need::CgroupFreezer => groups::freezer(programs),
            Need::CgroupIo => groups::throttled_disk(programs),
            Need::CgroupDevices => groups::limited(programs, &["--device", "c 1:3 rwm"]),
            Need::Groups => groups::limited(programs, &[]),
            Need::CgroupMemory => groups::limited(programs, &["--memory", "500M"]),
            Need::CgroupSwap => groups::limited(programs, &["--memory", "500M", "--swap", "0"]),
            Need::CgroupCpu => groups::limited(programs, &["--cpus", "1"]),
            Need::CgroupCpuset => groups::limited(programs, &["--cpuset-cpus", "0"]),
            Need::CgroupPids => groups::limited(programs, &["--pids", "100"]),
            Need::Chroot | Need::Mounts | Need::Userns | Need::Users | Need::Namespaces => {
                self.ask_probe(programs)
            }
        }
    }

    fn ask_probe(self, programs: &Programs) -> Answer {
        let Some(probe) = programs.find("probe") else { return Answer::no("the probe is not built", None) };
        match Command::new(probe).args(["can", self.name()]).output() {
            Ok(output) => serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|error| Answer::no(format!("probe can {}: {error}", self.name()), None)),
            Err(error) => Answer::no(format!("probe can {}: {error}", self.name()), None),
        }
    }
}

/// Does with a stage's own command what the step will do, in namespaces or groups that end with it.
fn ask(programs: &Programs, stage: &str, arguments: &[&str]) -> Answer {
    let Some(command) = programs.find(stage) else {
        return Answer::no(format!("{stage} is not built"), None);
    };
    answered(Command::new(command).args(arguments).env("PATH", programs.path()))
}

/// What a command's success, or its words, say of the machine.
fn answered(command: &mut Command) -> Answer {
    let ran = command.output();
    let told = match &ran {
        Ok(output) if output.status.success() => return Answer::yes(),
        Ok(output) => without_notes(&String::from_utf8_lossy(&output.stderr)).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let (reason, remedy) = told.split_once("\nhint: ").unwrap_or((&told, ""));
    Answer::no(reason, Some(remedy).filter(|remedy| !remedy.is_empty()))
}

fn ask_stage2(programs: &Programs, arguments: &str) -> Answer {
    ask(programs, "stage2-namespaces", &arguments.split(' ').collect::<Vec<_>>())
}

/// The first need that this machine does not meet; none means the step is possible.
pub fn missing(needs: &[Need], programs: &Programs) -> Option<(Need, Answer)> {
    let answers = needs.iter().map(|need| (*need, need.check(programs)));
    answers.into_iter().find(|(_, answer)| !answer.possible)
}

/// Whether steps are played as an ordinary user plays them: CAP_SYS_ADMIN is not in effect.
pub fn rootless() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << CAP_SYS_ADMIN) == 0
}

fn both(one: Answer, other: impl FnOnce() -> Answer) -> Answer {
    if one.possible { other() } else { one }
}

fn tool(name: &str, remedy: &str) -> Answer {
    if workspace::installed(name) {
        return Answer::yes();
    }
    Answer::no(format!("{name} is not found in PATH"), Some(remedy))
}
