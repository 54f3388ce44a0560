//! The config.json that `spec` writes: a shell in a container, to begin with.
//!
//! No kernel calls. Book: "A bundle" (`bundle`).
//! Invariant: what is written passes every check, and means what callers of runc expect of `spec`.

use super::linux::{IdMapping, Linux, Namespace, NamespaceKind};
use super::mounts::Mount;
use super::process::{Capabilities, Process, Resource, Rlimit, User};
use super::resources::Resources;
use super::{Config, Hooks, Root, VERSION};
use crate::config::devices::DeviceRule;
use std::collections::BTreeMap;

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
        root: Some(Root { path: "rootfs".to_owned(), readonly: true }),
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

/// The same where version 2 is alone: only in a namespace of its own does a container see its own control group, and not
/// the machine's. Of version 1 its own are shown in any case, as all runtimes do it.
pub fn with_own_groups(mut config: Config) -> Config {
    config.linux.namespaces.push(Namespace { kind: NamespaceKind::Cgroup, path: None });
    config
}

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
