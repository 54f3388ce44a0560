//! What is asked of the process.
//!
//! No kernel calls; config.md, "Process"; capabilities(7), getrlimit(2). Book: `config`.
//! Invariant: pure; a capability that cannot be given is a warning, as the specification has it, all else is not.

use super::{Findings, scheduling, text};
use crate::config::fault::At;
use crate::config::process::{Capabilities, ConsoleSize, Process, Rlimit, User};

const RULE: &str = "config.md, Process";
const LINUX: &str = "config.md, Linux Process";

/// capabilities(7), by their numbers in include/uapi/linux/capability.h.
pub const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

pub(super) fn check(process: &Process, at: At<'_>, found: &mut Findings) {
    text::absolute(&process.cwd, &at.key("cwd"), RULE, found);
    match process.args.first().map(String::as_str) {
        None => found.refuse(&at.key("args"), "is empty or missing; the executable is its first entry", RULE),
        Some("") => found.refuse(&at.key("args").index(0), "\"\" is no executable", RULE),
        Some(_) => text::arguments(&process.args, at.key("args"), found),
    }
    text::environment(&process.env, at.key("env"), found);
    user(&process.user, at.key("user"), found);
    rlimits(&process.rlimits, at.key("rlimits"), found);
    if let Some(size) = &process.console_size {
        console_size(size, process.terminal, at.key("consoleSize"), found);
    }
    if let Some(capabilities) = &process.capabilities {
        sets(capabilities, at.key("capabilities"), found);
    }
    protection(process, at, found);
    scheduling::check(process, at, found);
}

fn protection(process: &Process, at: At<'_>, found: &mut Findings) {
    if let Some(profile) = &process.apparmor_profile {
        text::line(profile, &at.key("apparmorProfile"), LINUX, found);
    }
    if let Some(label) = &process.selinux_label {
        text::line(label, &at.key("selinuxLabel"), LINUX, found);
    }
    match process.oom_score_adj {
        Some(score) if !(-1000..=1000).contains(&score) => {
            found.refuse(&at.key("oomScoreAdj"), format!("{score} is not from -1000 to 1000"), "proc(5)");
        }
        _ => {}
    }
}

fn user(user: &User, at: At<'_>, found: &mut Findings) {
    /// include/uapi/linux/limits.h, NGROUPS_MAX.
    const MOST: usize = 65_536;
    text::id(user.uid, &at.key("uid"), found);
    text::id(user.gid, &at.key("gid"), found);
    let (groups, gids) = (at.key("additionalGids"), &user.additional_gids);
    for (number, gid) in gids.iter().enumerate() {
        text::id(*gid, &groups.index(number), found);
    }
    if gids.len() > MOST {
        found.refuse(&groups, format!("{} groups are more than {MOST}", gids.len()), "setgroups(2)");
    }
    match user.umask {
        Some(umask) if umask > 0o777 => {
            let what = format!("{umask} is no file creation mask: it is decimal, at most 511 (0777)");
            found.refuse(&at.key("umask"), what, "umask(2)");
        }
        _ => {}
    }
}

fn rlimits(limits: &[Rlimit], at: At<'_>, found: &mut Findings) {
    for (number, limit) in limits.iter().enumerate() {
        let at = at.index(number);
        if limits[..number].iter().any(|other| other.kind == limit.kind) {
            found.refuse(
                &at.key("type"),
                format!("\"{}\" is there twice", limit.kind),
                "config.md, POSIX process",
            );
        }
        if limit.soft > limit.hard {
            let what = format!("{} is more than the hard limit, {}", limit.soft, limit.hard);
            found.refuse(&at.key("soft"), what, "setrlimit(2)");
        }
    }
}

fn console_size(size: &ConsoleSize, terminal: bool, at: At<'_>, found: &mut Findings) {
    if !terminal {
        return found.warn(&at, "is ignored without a terminal", RULE);
    }
    for (name, length) in [("height", size.height), ("width", size.width)] {
        if length > u64::from(u16::MAX) {
            found.refuse(&at.key(name), format!("{length} is more than 65535"), "ioctl_tty(2)");
        }
    }
}

fn sets(capabilities: &Capabilities, at: At<'_>, found: &mut Findings) {
    for (set, names) in capabilities.sets() {
        let at = at.key(set);
        for (number, name) in names.iter().enumerate() {
            if !CAPABILITIES.contains(&name.as_str()) {
                let what = format!("{name:?} is no capability that is known here, and not given");
                found.warn(&at.index(number), what, LINUX);
            } else if set == "effective" && !capabilities.permitted.contains(name) {
                let what = format!("{name:?} is not among the permitted ones, and not given");
                found.warn(&at.index(number), what, "capset(2)");
            }
        }
    }
}
