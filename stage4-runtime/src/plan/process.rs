//! The process as the kernel will be told it: strings with their NULs, numbers, masks.
//!
//! No kernel calls; config.md, "Process". Book: "The process" (`process`).
//! Invariant: pure; after this nothing of a process is looked up by name any more, but its file and its home.

pub mod capabilities;
pub mod list;
pub mod scheduling;
pub(super) mod show;

use crate::config::Linux;
use crate::config::fault::{At, Fault};
use crate::config::linux::{Domain, MemoryFlag, MemoryMode, MemoryPolicy, Personality};
use crate::config::process::{ConsoleSize, Process, Resource, Rlimit, User};
use capabilities::{Grantable, Sets};
use list::Numbers;
use scheduling::Scheduling;
use serde::Serialize;
use std::ffi::CString;

/// What is run, as whom, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessPlan {
    /// argv.
    #[serde(serialize_with = "show::list")]
    pub arguments: Vec<CString>,
    /// envp; of a variable that was there twice, the last.
    #[serde(serialize_with = "show::list")]
    pub environment: Vec<CString>,
    /// The files to try, in this order, inside the root.
    #[serde(serialize_with = "show::list")]
    pub candidates: Vec<CString>,
    /// The working directory.
    #[serde(serialize_with = "show::one")]
    pub directory: CString,
    /// As whom.
    pub user: UserPlan,
    /// What it may.
    pub capabilities: Sets,
    /// Its limits.
    pub rlimits: Vec<Rlimit>,
    /// execve(2) gives it nothing that it has not: then the filter of system calls can come last of all.
    pub no_new_privileges: bool,
    /// How soon it is killed where memory runs out.
    pub oom_score_adj: Option<i32>,
    /// When and where it runs.
    pub scheduling: Scheduling,
    /// What personality(2) is told.
    pub personality: Option<u32>,
    /// What set_mempolicy(2) is told.
    pub memory_policy: Option<MemoryPlan>,
    /// The AppArmor profile that execve(2) enters.
    #[serde(serialize_with = "show::optional")]
    pub apparmor: Option<CString>,
    /// The SELinux label that execve(2) enters.
    #[serde(serialize_with = "show::optional")]
    pub selinux: Option<CString>,
    /// A terminal of its own.
    pub terminal: Option<TerminalPlan>,
}

/// Ids in the container's user namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserPlan {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The supplementary groups, all of them.
    pub groups: Vec<u32>,
    /// The file creation mask.
    pub umask: u32,
}

/// The terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TerminalPlan {
    /// Lines and columns; without, the kernel's 0 and 0.
    pub size: Option<(u16, u16)>,
}

/// What set_mempolicy(2) is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryPlan {
    /// MPOL_* with its MPOL_F_*.
    pub mode: i32,
    /// The nodes.
    pub nodes: Numbers,
}

/// Where nobody says anything else, as other runtimes have it: theirs is what images are made for.
const UMASK: u32 = 0o022;

impl ProcessPlan {
    /// From a process that has been checked; `at` is where it is, and `linux` the container's section.
    ///
    /// Names of capabilities that cannot be given are added to `warnings`, as the specification demands.
    ///
    /// # Errors
    /// A string with a NUL; a list of numbers that is none.
    pub fn of(
        process: &Process,
        linux: &Linux,
        at: At<'_>,
        grantable: Grantable,
        warnings: &mut Vec<Fault>,
    ) -> Result<Self, Fault> {
        let environment = last_of_each(&process.env);
        let name = process.args.first().map_or("", String::as_str);
        let text = |text: &Option<String>, at: At<'_>| {
            text.as_deref().filter(|text| !text.is_empty()).map(|text| c_string(text, at)).transpose()
        };
        Ok(ProcessPlan {
            arguments: c_strings(process.args.iter().map(String::as_str), at.key("args"))?,
            candidates: c_strings(candidates(name, &environment).iter().map(String::as_str), at.key("env"))?,
            environment: c_strings(environment.into_iter(), at.key("env"))?,
            directory: c_string(&process.cwd, at.key("cwd"))?,
            user: UserPlan::of(&process.user),
            capabilities: Sets::of(process, at.key("capabilities"), grantable, warnings),
            rlimits: process.rlimits.clone(),
            no_new_privileges: process.no_new_privileges,
            oom_score_adj: process
                .oom_score_adj
                .map(|score| narrow(score, at.key("oomScoreAdj")))
                .transpose()?,
            scheduling: Scheduling::of(process, at)?,
            personality: linux.personality.as_ref().map(persona).transpose()?,
            memory_policy: linux.memory_policy.as_ref().map(MemoryPlan::of).transpose()?,
            apparmor: text(&process.apparmor_profile, at.key("apparmorProfile"))?,
            selinux: text(&process.selinux_label, at.key("selinuxLabel"))?,
            terminal: process.terminal.then(|| TerminalPlan::of(process.console_size)),
        })
    }

    /// Does nobody say where the user is at home?
    pub fn is_homeless(&self) -> bool {
        let said = |variable: &CString| {
            variable.to_bytes().strip_prefix(b"HOME=").is_some_and(|home| !home.is_empty())
        };
        !self.environment.iter().any(said)
    }
}

impl UserPlan {
    fn of(user: &User) -> Self {
        UserPlan {
            uid: user.uid,
            gid: user.gid,
            groups: user.additional_gids.clone(),
            umask: user.umask.unwrap_or(UMASK),
        }
    }
}

impl TerminalPlan {
    fn of(size: Option<ConsoleSize>) -> Self {
        let cell = |length: u64| u16::try_from(length).unwrap_or(u16::MAX);
        TerminalPlan { size: size.map(|size| (cell(size.height), cell(size.width))) }
    }
}

impl MemoryPlan {
    /// include/uapi/linux/mempolicy.h
    fn of(policy: &MemoryPolicy) -> Result<Self, Fault> {
        let mode = match policy.mode {
            MemoryMode::Default => 0,
            MemoryMode::Preferred => 1,
            MemoryMode::Bind => 2,
            MemoryMode::Interleave => 3,
            MemoryMode::Local => 4,
            MemoryMode::PreferredMany => 5,
            MemoryMode::WeightedInterleave => 6,
        };
        let flag = |flag: &MemoryFlag| match flag {
            MemoryFlag::StaticNodes => 1 << 15,
            MemoryFlag::RelativeNodes => 1 << 14,
            MemoryFlag::NumaBalancing => 1 << 13,
        };
        let (linux, nodes) = (At::Top.key("linux"), policy.nodes.as_deref().unwrap_or_default());
        Ok(MemoryPlan {
            mode: policy.flags.iter().map(flag).fold(mode, |mode, flag| mode | flag),
            nodes: Numbers::parse(nodes, list::NODES, linux.key("memoryPolicy").key("nodes"))?,
        })
    }
}

/// personality(2): PER_LINUX, PER_LINUX32.
fn persona(personality: &Personality) -> Result<u32, Fault> {
    match (personality.domain, personality.flags.first()) {
        (_, Some(flag)) => Err(Fault::new(
            "linux.personality.flags[0]",
            format!("{flag:?} is no flag: none are defined"),
            "config-linux.md, Personality",
        )),
        (Domain::Linux, None) => Ok(0),
        (Domain::Linux32, None) => Ok(8),
    }
}

/// In the order of their first appearance; what reads a variable that is there twice may find either.
fn last_of_each(variables: &[String]) -> Vec<&str> {
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let mut places = std::collections::HashMap::new();
    let mut kept: Vec<&str> = Vec::with_capacity(variables.len());
    for variable in variables.iter().map(String::as_str) {
        match places.entry(name(variable)) {
            std::collections::hash_map::Entry::Occupied(place) => kept[*place.get()] = variable,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(variable);
            }
        }
    }
    kept
}

/// As execvp(3): in `PATH`, and without one where a shell would look.
fn candidates(name: &str, environment: &[&str]) -> Vec<String> {
    let path = environment.iter().find_map(|variable| variable.strip_prefix("PATH="));
    let found =
        stage1_chroot::exec::candidates(name.as_ref(), path.unwrap_or(stage1_chroot::exec::PATH).as_ref());
    // Both are texts, and so is what they are joined to.
    found.into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

fn c_strings<'a>(texts: impl Iterator<Item = &'a str>, at: At<'_>) -> Result<Vec<CString>, Fault> {
    texts.enumerate().map(|(number, text)| c_string(text, at.index(number))).collect()
}

fn c_string(text: &str, at: At<'_>) -> Result<CString, Fault> {
    CString::new(text).map_err(|_| {
        Fault::new(at.to_string(), format!("{text:?}: a zero byte ends a string for the kernel"), "execve(2)")
    })
}

fn narrow(score: i64, at: At<'_>) -> Result<i32, Fault> {
    i32::try_from(score)
        .ok()
        .filter(|score| (-1000..=1000).contains(score))
        .ok_or_else(|| Fault::new(at.to_string(), format!("{score} is not from -1000 to 1000"), "proc(5)"))
}

/// getrlimit(2): the kernel's number of a limit, as nix names it.
pub fn resource(resource: Resource) -> nix::sys::resource::Resource {
    use nix::sys::resource::Resource as Kernel;
    match resource {
        Resource::As => Kernel::RLIMIT_AS,
        Resource::Core => Kernel::RLIMIT_CORE,
        Resource::Cpu => Kernel::RLIMIT_CPU,
        Resource::Data => Kernel::RLIMIT_DATA,
        Resource::Fsize => Kernel::RLIMIT_FSIZE,
        Resource::Locks => Kernel::RLIMIT_LOCKS,
        Resource::Memlock => Kernel::RLIMIT_MEMLOCK,
        Resource::Msgqueue => Kernel::RLIMIT_MSGQUEUE,
        Resource::Nice => Kernel::RLIMIT_NICE,
        Resource::Nofile => Kernel::RLIMIT_NOFILE,
        Resource::Nproc => Kernel::RLIMIT_NPROC,
        Resource::Rss => Kernel::RLIMIT_RSS,
        Resource::Rtprio => Kernel::RLIMIT_RTPRIO,
        Resource::Rttime => Kernel::RLIMIT_RTTIME,
        Resource::Sigpending => Kernel::RLIMIT_SIGPENDING,
        Resource::Stack => Kernel::RLIMIT_STACK,
    }
}

#[cfg(test)]
mod tests;
