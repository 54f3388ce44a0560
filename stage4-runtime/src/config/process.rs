//! The process in the container.
//!
//! execve(2), setrlimit(2), capset(2); config.md, "Process". Book: "config.json, field by field" (`config`).
//! Invariant: types only; what is `None` or empty was not asked for.

use super::is_default;
use super::names::names;
use super::scheduling::{CpuAffinity, IoPriority, Scheduler};
use serde::{Deserialize, Serialize};

/// What is run, as whom, and with what (config.md, Process).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Is a terminal attached?
    #[serde(default, skip_serializing_if = "is_default")]
    pub terminal: bool,
    /// The terminal's size; ignored without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<ConsoleSize>,
    /// As whom.
    #[serde(default)]
    pub user: User,
    /// The executable and its arguments, at least one, as execvp(3) takes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The working directory, an absolute path.
    pub cwd: String,
    /// The five sets of capabilities; without this, none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Limits of the process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rlimits: Vec<Rlimit>,
    /// May execve(2) give it no more privileges than it has?
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_new_privileges: bool,
    /// The AppArmor profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor_profile: Option<String>,
    /// Written to /proc/PID/oom_score_adj; without this the file is left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i64>,
    /// Policy and parameters for sched_setattr(2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// The SELinux label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux_label: Option<String>,
    /// Class and level for ioprio_set(2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<IoPriority>,
    /// The processors of a process that enters the container later; not of its first one.
    #[serde(rename = "execCPUAffinity", skip_serializing_if = "Option::is_none")]
    pub exec_cpu_affinity: Option<CpuAffinity>,
}

/// In characters (config.md, Process: consoleSize).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    /// Lines.
    pub height: u64,
    /// Columns.
    pub width: u64,
}

/// Ids in the container's user namespace (config.md, POSIX-platform User).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The file creation mask; without this the runtime's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// Supplementary groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_gids: Vec<u32>,
}

/// Names as capabilities(7) has them; one that the kernel does not know is warned of, not refused
/// (config.md, Linux Process: capabilities).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// What may ever be gained.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bounding: Vec<String>,
    /// What counts now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effective: Vec<String>,
    /// What is kept over execve(2) of a file that has it, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inheritable: Vec<String>,
    /// What may be made effective.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permitted: Vec<String>,
    /// What is kept over execve(2).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ambient: Vec<String>,
}

impl Capabilities {
    /// Each set with the name of its field.
    pub fn sets(&self) -> [(&'static str, &[String]); 5] {
        [
            ("bounding", &self.bounding),
            ("effective", &self.effective),
            ("inheritable", &self.inheritable),
            ("permitted", &self.permitted),
            ("ambient", &self.ambient),
        ]
    }
}

/// One limit (config.md, POSIX process: rlimits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Of what.
    #[serde(rename = "type")]
    pub kind: Resource,
    /// What an unprivileged process may raise `soft` to.
    pub hard: u64,
    /// What the kernel enforces.
    pub soft: u64,
}

names! {
    /// What getrlimit(2) limits.
    Resource, "a resource of getrlimit(2)" {
        /// Address space, bytes.
        As = "RLIMIT_AS",
        /// Size of a core file, bytes.
        Core = "RLIMIT_CORE",
        /// Processor time, seconds.
        Cpu = "RLIMIT_CPU",
        /// Data segment, bytes.
        Data = "RLIMIT_DATA",
        /// Size of a file, bytes.
        Fsize = "RLIMIT_FSIZE",
        /// Locks of files; nothing since Linux 2.4.25.
        Locks = "RLIMIT_LOCKS",
        /// Locked memory, bytes.
        Memlock = "RLIMIT_MEMLOCK",
        /// POSIX message queues of the user, bytes.
        Msgqueue = "RLIMIT_MSGQUEUE",
        /// Ceiling of the nice value: 20 less it.
        Nice = "RLIMIT_NICE",
        /// Open files: one more than the highest number.
        Nofile = "RLIMIT_NOFILE",
        /// Processes of the user.
        Nproc = "RLIMIT_NPROC",
        /// Resident set, bytes; nothing since Linux 2.4.30.
        Rss = "RLIMIT_RSS",
        /// Ceiling of the real-time priority.
        Rtprio = "RLIMIT_RTPRIO",
        /// Real-time run without a blocking call, microseconds.
        Rttime = "RLIMIT_RTTIME",
        /// Queued signals of the user.
        Sigpending = "RLIMIT_SIGPENDING",
        /// Stack, bytes.
        Stack = "RLIMIT_STACK",
    }
}
