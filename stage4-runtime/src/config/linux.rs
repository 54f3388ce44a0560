//! What only a container on Linux has.
//!
//! namespaces(7), cgroups(7), seccomp(2); config-linux.md. Book: "config.json, field by field" (`config`).
//! Invariant: types only; a namespace that is not listed is the runtime's own.

use super::devices::Device;
use super::is_default;
use super::names::names;
use super::resources::Resources;
use super::seccomp::Seccomp;
use super::unique;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The Linux section (config-linux.md).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Linux {
    /// Users of the new user namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// Groups of the new user namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
    /// Parameters of the kernel, set in the container's namespaces.
    #[serde(deserialize_with = "unique", skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctl: BTreeMap<String, String>,
    /// Limits; without this the group's are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The control group: below the mount point with a leading `/`, else where the runtime likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroups_path: Option<String>,
    /// New namespaces, and those that are joined.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<Namespace>,
    /// Device nodes, beside the default ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Network devices that are moved in, by their name outside.
    #[serde(deserialize_with = "unique", skip_serializing_if = "BTreeMap::is_empty")]
    pub net_devices: BTreeMap<String, NetDevice>,
    /// Which system calls are let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// How mounts travel between the root and the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rootfs_propagation: Option<Propagation>,
    /// What cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masked_paths: Vec<String>,
    /// What cannot be written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub readonly_paths: Vec<String>,
    /// The SELinux label of the mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_label: Option<String>,
    /// Cache and memory bandwidth of Intel's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<IntelRdt>,
    /// What personality(2) is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// Offsets of the new time namespace, by clock.
    #[serde(deserialize_with = "unique", skip_serializing_if = "BTreeMap::is_empty")]
    pub time_offsets: BTreeMap<Clock, TimeOffset>,
    /// What set_mempolicy(2) is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicy>,
}

impl Linux {
    /// The entry of `kind`, if it is listed.
    pub fn namespace(&self, kind: NamespaceKind) -> Option<&Namespace> {
        self.namespaces.iter().find(|namespace| namespace.kind == kind)
    }

    /// Is a namespace of `kind` made for the container?
    pub fn makes(&self, kind: NamespaceKind) -> bool {
        self.namespace(kind).is_some_and(|namespace| namespace.path.is_none())
    }
}

/// One namespace (config-linux.md, Namespaces).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Of which kind.
    #[serde(rename = "type")]
    pub kind: NamespaceKind,
    /// The one to join, an absolute path of the runtime's; `None`: a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

names! {
    /// The eight kinds, as config.json calls them.
    NamespaceKind, "a kind of namespace" {
        /// Process ids.
        Pid = "pid",
        /// Devices, addresses, routes, ports.
        Network = "network",
        /// The list of mounts.
        Mount = "mount",
        /// System V objects and POSIX message queues.
        Ipc = "ipc",
        /// Host name and NIS domain name.
        Uts = "uts",
        /// User and group ids, capabilities.
        User = "user",
        /// The root of the cgroup view.
        Cgroup = "cgroup",
        /// Offsets of the boot and the monotonic clock.
        Time = "time",
    }
}

/// `size` ids from `container_id` on are the ids from `host_id` on (config-linux.md, User namespace mappings).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMapping {
    /// First id inside.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// First id outside.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

/// Added to a clock of the host (config-linux.md, Offset for Time Namespace).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeOffset {
    /// Seconds.
    #[serde(skip_serializing_if = "is_default")]
    pub secs: i64,
    /// Nanoseconds beside them.
    #[serde(skip_serializing_if = "is_default")]
    pub nanosecs: u32,
}

names! {
    /// The clocks that have an offset; time_namespaces(7).
    Clock, "a clock with an offset" {
        /// CLOCK_BOOTTIME.
        Boottime = "boottime",
        /// CLOCK_MONOTONIC.
        Monotonic = "monotonic",
    }
}

/// A network device that is moved in (config-linux.md, Network Devices).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NetDevice {
    /// Its name inside; `None`: as outside; with `%d` the kernel finds a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

names! {
    /// mount_namespaces(7); the recursive ones are what engines write beside the specification's four.
    Propagation, "a mount propagation" {
        /// A peer group of its own.
        Shared = "shared",
        /// Receives, and does not send.
        Slave = "slave",
        /// Neither.
        Private = "private",
        /// Private, and cannot be bound.
        Unbindable = "unbindable",
        /// `shared`, with every mount below.
        RShared = "rshared",
        /// `slave`, with every mount below.
        RSlave = "rslave",
        /// `private`, with every mount below.
        RPrivate = "rprivate",
        /// `unbindable`, with every mount below.
        RUnbindable = "runbindable",
    }
}

/// The execution domain (config-linux.md, Personality).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personality {
    /// Which one.
    pub domain: Domain,
    /// None are defined yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

names! {
    /// personality(2).
    Domain, "an execution domain" {
        /// The machine's own.
        Linux = "LINUX",
        /// uname(2) tells of a 32-bit machine.
        Linux32 = "LINUX32",
    }
}

/// Groups of resctrl (config-linux.md, IntelRdt).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IntelRdt {
    /// The class of service: a directory, or `/` for the default class; `None`: the container's id.
    #[serde(rename = "closID", skip_serializing_if = "Option::is_none")]
    pub clos_id: Option<String>,
    /// The line for the L3 cache, written first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_cache_schema: Option<String>,
    /// The line for the memory bandwidth, written second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bw_schema: Option<String>,
    /// Lines for anything, written last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemata: Vec<String>,
    /// Make a monitoring group for the container.
    #[serde(skip_serializing_if = "is_default")]
    pub enable_monitoring: bool,
    /// Of versions 1.1 and 1.2; replaced by `enableMonitoring`.
    #[serde(rename = "enableCMT", skip_serializing_if = "Option::is_none")]
    pub enable_cmt: Option<bool>,
    /// Of versions 1.1 and 1.2; replaced by `enableMonitoring`.
    #[serde(rename = "enableMBM", skip_serializing_if = "Option::is_none")]
    pub enable_mbm: Option<bool>,
}

/// From which nodes memory is taken (config-linux.md, Memory policy).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPolicy {
    /// How the nodes are used.
    pub mode: MemoryMode,
    /// The nodes, as `0-3,7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// Flags of set_mempolicy(2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<MemoryFlag>,
}

impl MemoryPolicy {
    /// Is `flag` among the flags?
    pub fn has(&self, flag: MemoryFlag) -> bool {
        self.flags.contains(&flag)
    }
}

names! {
    /// set_mempolicy(2).
    MemoryMode, "a memory policy" {
        /// As if nothing was said.
        Default = "MPOL_DEFAULT",
        /// From these and no others.
        Bind = "MPOL_BIND",
        /// From each in turn.
        Interleave = "MPOL_INTERLEAVE",
        /// From each in turn, by its weight (Linux 6.9).
        WeightedInterleave = "MPOL_WEIGHTED_INTERLEAVE",
        /// From the first of these, then from others.
        Preferred = "MPOL_PREFERRED",
        /// From these, then from others (Linux 5.15).
        PreferredMany = "MPOL_PREFERRED_MANY",
        /// From where the processor is.
        Local = "MPOL_LOCAL",
    }
}

names! {
    /// set_mempolicy(2).
    MemoryFlag, "a flag of a memory policy" {
        /// Pages may move to where they are used.
        NumaBalancing = "MPOL_F_NUMA_BALANCING",
        /// Nodes are counted from the first allowed one.
        RelativeNodes = "MPOL_F_RELATIVE_NODES",
        /// Nodes stay the same when the allowed ones change.
        StaticNodes = "MPOL_F_STATIC_NODES",
    }
}
