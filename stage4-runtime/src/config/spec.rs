//! The config.json that `spec` writes: a shell in a container, to begin with.
//!
//! Reads which kinds of namespaces there are, and which controllers may be given to groups. Book: "A bundle" (`bundle`).
//! Invariant: what is written passes every check, and this machine can bring it about: what callers of runc expect of
//! `spec`, closed as far as it can be closed for a root directory that belongs to anybody.

use super::linux::{IdMapping, Linux, Namespace, NamespaceKind};
use super::mounts::Mount;
use super::process::{Capabilities, Process, Resource, Rlimit, User};
use super::resources::{Cpu, Memory, Pids, Resources};
use super::seccomp::{Action, Condition, Operator, Rule, Seccomp};
use super::{Config, Hooks, Root, VERSION};
use crate::bundle::ROOT;
use crate::config::devices::DeviceRule;
use crate::{Error, Result};
use stage3_cgroups::delegation::{Home, grants};
use stage3_cgroups::{Base, Controller, Layout, Version};
use std::collections::BTreeMap;
use std::path::Path;

/// What can be seen of the host in /proc and /sys, and is nobody's business inside.
const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
];

/// What can be set on the host in /proc.
const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// For the user root of the host.
pub fn default() -> Config {
    Config {
        oci_version: VERSION.to_owned(),
        process: Some(process()),
        root: Some(Root { path: ROOT.to_owned(), readonly: true }),
        hostname: Some("stage4".to_owned()),
        domainname: None,
        mounts: mounts(),
        hooks: Hooks::default(),
        annotations: BTreeMap::new(),
        linux: linux(),
    }
}

/// For an ordinary user: the ids `uid` and `gid` become 0 inside, and nothing is asked for that only root may do.
pub fn rootless(uid: u32, gid: u32) -> Config {
    let mut config = default();
    let Linux { namespaces, resources, uid_mappings, gid_mappings, .. } = &mut config.linux;
    // Without a network of its own the container has the host's: an ordinary user cannot connect another.
    namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
    namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
    *uid_mappings = vec![IdMapping { container_id: 0, host_id: uid, size: 1 }];
    *gid_mappings = vec![IdMapping { container_id: 0, host_id: gid, size: 1 }];
    *resources = None;
    for mount in &mut config.mounts {
        // Group 5 is not mapped, so nothing can belong to it.
        mount.options.retain(|option| option != "gid=5");
        if mount.destination == "/sys" {
            // A new sysfs shows a network namespace, and only who made that one may mount it.
            *mount = entry("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]);
        }
    }
    config
}

/// The namespaces that runc's `spec` does not ask for, since they came later: groups 4.6, clocks 5.6.
const LATER: [(NamespaceKind, &str); 2] =
    [(NamespaceKind::Cgroup, "/proc/self/ns/cgroup"), (NamespaceKind::Time, "/proc/self/ns/time")];

/// Closes what is open in [`default`] and [`rootless`], and what this kernel can close without being told how much, or
/// for whom: groups and clocks of one's own, and calls that no namespace divides.
///
/// # Errors
/// /proc cannot be read.
pub fn closed(mut config: Config) -> Result<Config> {
    for (kind, path) in LATER {
        if is_there(Path::new(path))? {
            config.linux.namespaces.push(Namespace { kind, path: None });
        }
    }
    config.linux.seccomp = Some(filter());
    Ok(config)
}

/// How many ids a container has, and where they may begin: at multiples of it, as systemd-nspawn(1) has it.
const IDS: u32 = 1 << 16;

/// Gives a container users of its own, if its root directory, which has this uid and gid, belongs to the first of them.
///
/// A runtime changes no owners (config-linux.md, User namespace mappings), and root of other users could not even make
/// a mount point in a root directory that belongs to root.
pub fn with_users(mut config: Config, (uid, gid): (u32, u32)) -> Config {
    if uid == gid && uid >= IDS && uid % IDS == 0 && uid.checked_add(IDS).is_some() {
        let linux = &mut config.linux;
        linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
        let map = vec![IdMapping { container_id: 0, host_id: uid, size: IDS }];
        (linux.uid_mappings, linux.gid_mappings) = (map.clone(), map);
    }
    config
}

// ANCHOR: limited
/// Gives a shell what it needs, and no more: 64 MiB of memory and no swap, 128 tasks, half a processor. Which of
/// these cannot be had here is told; a file that asked for it would be refused.
///
/// # Errors
/// It cannot be read whether swap can be limited: that is not the same as that it cannot.
pub fn limited(mut config: Config, layout: &Layout) -> Result<(Config, Vec<&'static str>)> {
    let grants = grants(layout, Base::beside(layout));
    let given = |controller| {
        let home = grants.iter().find(|grant| grant.controller == controller)?.home.as_ref();
        home.filter(|home| home.here.is_some() && home.make && home.handed_down && !home.held)
    };
    let (memory, tasks) = (given(Controller::Memory), given(Controller::Pids));
    let cpu = given(Controller::Cpu).filter(|home| has_quotas(home));
    let swap = memory.map(accounts_for_swap).transpose()?.unwrap_or(false);
    let limits = Resources {
        memory: memory.map(|_| Memory {
            limit: Some(64 << 20),
            swap: swap.then_some(64 << 20),
            ..Memory::default()
        }),
        cpu: cpu.map(|_| Cpu { quota: Some(50_000), period: Some(100_000), ..Cpu::default() }),
        pids: tasks.map(|_| Pids { limit: Some(128) }),
        ..config.linux.resources.take().unwrap_or_default()
    };
    config.linux.resources = Some(limits).filter(|limits| *limits != Resources::default());
    // Where memory is not limited, swap is not either, for the same reason.
    let swap = swap || memory.is_none() || !there_is_swap()?;
    let had =
        [(memory.is_some(), "memory"), (swap, "swap"), (cpu.is_some(), "cpu"), (tasks.is_some(), "pids")];
    Ok((config, had.into_iter().filter_map(|(had, name)| (!had).then_some(name)).collect()))
}
// ANCHOR_END: limited

/// Can swap be limited? Not where it is not accounted for. The topmost group of version 2 has no limits itself.
fn accounts_for_swap(home: &Home) -> Result<bool> {
    if home.version == Version::V1 {
        return is_there(&home.base.join("memory.memsw.limit_in_bytes"));
    }
    let failed = |error| Error::io(format!("getdents64({:?})", home.base), &error);
    // Swap before memory: a group that goes in between is not one in which only memory is accounted for.
    for group in std::fs::read_dir(&home.base).map_err(failed)? {
        let group = group.map_err(failed)?.path();
        let swap = is_there(&group.join("memory.swap.max"))?;
        if swap || is_there(&group.join("memory.max"))? {
            return Ok(swap);
        }
    }
    Ok(is_there(&home.base.join("memory.swap.max"))?
        || (!is_there(&home.base.join("memory.max"))? && is_there(Path::new(SWAPS))?))
}

/// What swaps the kernel has, below a heading; missing where it can have none (proc_swaps(5)).
const SWAPS: &str = "/proc/swaps";

/// Has the machine any swap that could be used up?
fn there_is_swap() -> Result<bool> {
    match std::fs::read_to_string(SWAPS) {
        Ok(text) => Ok(text.lines().count() > 1),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(format!("open({SWAPS})"), &error)),
    }
}

fn is_there(path: &Path) -> Result<bool> {
    match std::fs::exists(path) {
        // What is no directory has nothing in it.
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(false),
        found => found.map_err(|error| Error::io(format!("stat({path:?})"), &error)),
    }
}

/// Not every kernel with the controller has them (CONFIG_CFS_BANDWIDTH).
fn has_quotas(home: &Home) -> bool {
    home.version == Version::V2 || home.base.join("cpu.cfs_quota_us").exists()
}

// ANCHOR: filter
/// Refuses what programs in a container have no use for, and reaches the kernel of all of them.
fn filter() -> Seccomp {
    /// CLONE_NEWUSER: whoever is root in one more user namespace meets code that only root met before.
    const NEW_USER: u64 = libc::CLONE_NEWUSER as u64;
    /// AF_NETLINK. Behind it come families for hardware, ciphers (AF_ALG) and hypervisors (AF_VSOCK).
    const LAST_FAMILY: u64 = libc::AF_NETLINK as u64;
    let refused = |names: &[&str], errno: i32, args: &[Condition]| Rule {
        names: names.iter().map(|&name| name.to_owned()).collect(),
        action: Action::Errno,
        errno_ret: Some(errno.unsigned_abs()),
        args: args.to_vec(),
    };
    let new_user = Condition { index: 0, value: NEW_USER, value_two: NEW_USER, op: Operator::MaskedEqual };
    let rare = Condition { index: 0, value: LAST_FAMILY, value_two: 0, op: Operator::Greater };
    Seccomp {
        default_action: Action::Allow,
        default_errno_ret: None,
        architectures: Vec::new(),
        flags: Vec::new(),
        listener_path: None,
        listener_metadata: None,
        syscalls: vec![
            // The keys of a user are shared by all containers in which somebody has his number.
            refused(&["add_key", "keyctl", "request_key"], libc::EPERM, &[]),
            // Much code for few programs, and often the way to root.
            refused(&["bpf", "io_uring_setup", "perf_event_open", "userfaultfd"], libc::EPERM, &[]),
            refused(&["clone", "unshare"], libc::EPERM, &[new_user]),
            // Its flags are in memory, where no filter looks. Told that there is none, a program uses clone(2).
            refused(&["clone3"], libc::ENOSYS, &[]),
            refused(&["socket"], libc::EPERM, &[rare]),
        ],
    }
}
// ANCHOR_END: filter

fn process() -> Process {
    let kept = || ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"].map(str::to_owned).to_vec();
    Process {
        terminal: true,
        user: User::default(),
        args: vec!["sh".to_owned()],
        env: vec![
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            "TERM=xterm".to_owned(),
        ],
        cwd: "/".to_owned(),
        capabilities: Some(Capabilities {
            bounding: kept(),
            effective: kept(),
            // CVE-2022-24769: what is inheritable comes back with a file that has it.
            inheritable: Vec::new(),
            permitted: kept(),
            // Nothing is ambient that is not inheritable as well.
            ambient: Vec::new(),
        }),
        rlimits: vec![Rlimit { kind: Resource::Nofile, hard: 1024, soft: 1024 }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn entry(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: Some(kind.to_owned()),
        source: Some(source.to_owned()),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

fn mounts() -> Vec<Mount> {
    let small = "size=65536k";
    vec![
        entry("/proc", "proc", "proc", &[]),
        entry("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", small]),
        entry(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        entry("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", small]),
        entry("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        entry("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        entry("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ]
}

fn linux() -> Linux {
    use NamespaceKind::{Ipc, Mount, Network, Pid, Uts};
    let everything =
        DeviceRule { allow: false, kind: None, major: None, minor: None, access: Some("rwm".to_owned()) };
    Linux {
        resources: Some(Resources { devices: vec![everything], ..Resources::default() }),
        namespaces: [Pid, Network, Ipc, Uts, Mount].map(|kind| Namespace { kind, path: None }).to_vec(),
        masked_paths: MASKED.map(str::to_owned).to_vec(),
        readonly_paths: READONLY.map(str::to_owned).to_vec(),
        ..Linux::default()
    }
}
