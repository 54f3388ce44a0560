//! The table of controllers: what can be limited, and since when.
//!
//! cgroups(7), Linux 2.6.24 (2008) to 5.13. Book: "The file system as interface" (`info`).
//! Invariant: pure; one row per controller, and nothing else here knows their names.

use crate::layout::Version;

/// Something the kernel can limit or account for a group of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// Memory, and what is swapped out of it.
    Memory,
    /// Time on processors.
    Cpu,
    /// Accounting of that time; part of `cpu` in version 2.
    Cpuacct,
    /// Which processors, and which memory nodes.
    Cpuset,
    /// How many tasks.
    Pids,
    /// Block devices: `blkio` in version 1.
    Io,
    /// Huge pages.
    Hugetlb,
    /// Which device files may be opened; a BPF program in version 2.
    Devices,
    /// Stopping all at once; no controller in version 2, but a file of every group.
    Freezer,
    /// Handles of RDMA hardware.
    Rdma,
    /// Scalar resources of the hardware, such as keys for encrypted memory.
    Misc,
}

/// A row of the table.
#[derive(Debug)]
pub struct Facts {
    /// The controller.
    pub controller: Controller,
    /// Its name in version 1.
    pub v1: &'static str,
    /// Its name in `cgroup.controllers`; none where version 2 does it by other means.
    pub v2: Option<&'static str>,
    /// The first kernel that had it in version 1, and in version 2.
    pub kernels: (&'static str, &'static str),
    /// What it is for.
    pub purpose: &'static str,
}

use Controller::*;

// ANCHOR: info
/// cgroups(7), "Cgroups version 1 controllers" and "Cgroups version 2 controllers".
#[rustfmt::skip]
pub const TABLE: [Facts; 11] = [
    row(Memory,  "memory",  Some("memory"),  ("2.6.25", "4.5"),  "memory and swap"),
    row(Cpu,     "cpu",     Some("cpu"),     ("2.6.24", "4.15"), "time on processors"),
    row(Cpuacct, "cpuacct", None,            ("2.6.24", "4.15"), "accounting of that time"),
    row(Cpuset,  "cpuset",  Some("cpuset"),  ("2.6.24", "5.0"),  "which processors and memory nodes"),
    row(Pids,    "pids",    Some("pids"),    ("4.3",    "4.5"),  "how many tasks"),
    row(Io,      "blkio",   Some("io"),      ("2.6.33", "4.5"),  "block devices"),
    row(Hugetlb, "hugetlb", Some("hugetlb"), ("3.6",    "5.6"),  "huge pages"),
    row(Devices, "devices", None,            ("2.6.26", "4.15"), "which devices may be opened"),
    row(Freezer, "freezer", None,            ("2.6.28", "5.2"),  "stop all, and go on"),
    row(Rdma,    "rdma",    Some("rdma"),    ("4.11",   "4.11"), "RDMA handles"),
    row(Misc,    "misc",    Some("misc"),    ("5.13",   "5.13"), "scalar hardware resources"),
];
// ANCHOR_END: info

const fn row(
    controller: Controller,
    v1: &'static str,
    v2: Option<&'static str>,
    kernels: (&'static str, &'static str),
    purpose: &'static str,
) -> Facts {
    Facts { controller, v1, v2, kernels, purpose }
}

impl Controller {
    /// Its row.
    pub fn facts(self) -> &'static Facts {
        // The table is in the order of the enumeration; a test says so.
        &TABLE[self as usize]
    }

    /// Its name where it is managed by `version`.
    pub fn name(self, version: Version) -> &'static str {
        match version {
            Version::V1 => self.facts().v1,
            Version::V2 => self.facts().v2.unwrap_or(self.facts().v1),
        }
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Controller> {
        TABLE.iter().map(|facts| facts.controller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_has_a_row_for_every_controller_in_its_place() {
        for (index, facts) in TABLE.iter().enumerate() {
            assert_eq!(facts.controller as usize, index);
        }
        assert_eq!((Io.name(Version::V1), Io.name(Version::V2)), ("blkio", "io"));
        assert_eq!(Devices.name(Version::V2), "devices");
    }
}
