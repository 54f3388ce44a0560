//! The eight kinds of namespace: the one table every other module and the book read.
//!
//! clone(2), unshare(2), setns(2), /proc/PID/ns; 2002 to 2020. Book: "The eight kinds" (`kinds`).
//! Invariant: a kind's flag, name and history are written here and nowhere else.

use nix::sched::CloneFlags;
use std::fmt;

/// One kind of namespace, in the order the kernel got them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The list of mounts.
    Mnt,
    /// Host name and NIS domain name.
    Uts,
    /// System V objects and POSIX message queues.
    Ipc,
    /// Process ids.
    Pid,
    /// Devices, addresses, routes, ports.
    Net,
    /// User and group ids, capabilities.
    User,
    /// The root of the cgroup view.
    Cgroup,
    /// Offsets of the boot and the monotonic clock.
    Time,
}

// ANCHOR: kinds
/// What there is to know about a kind.
#[derive(Debug)]
pub struct Facts {
    /// Which kind this is.
    pub kind: Kind,
    /// Its name below `/proc/PID/ns`.
    pub name: &'static str,
    /// Its flag for clone(2), unshare(2) and setns(2), as `<linux/sched.h>` names it.
    pub flag_name: &'static str,
    /// The flag's value.
    pub flag: u64,
    /// The year of the kernel that first had it.
    pub year: u16,
    /// That kernel; for `user`, the one an ordinary user may use it on.
    pub kernel: &'static str,
    /// What it takes out of the sharing.
    pub isolates: &'static str,
    /// The file below `/proc/sys/user` that limits its number.
    pub limit: &'static str,
}

const fn facts(
    (kind, name): (Kind, &'static str),
    (flag_name, flag): (&'static str, u64),
    (year, kernel): (u16, &'static str),
    limit: &'static str,
    isolates: &'static str,
) -> Facts {
    Facts { kind, name, flag_name, flag, year, kernel, isolates, limit }
}

/// The table. `CLONE_NEWNS` has no kind in its name: in 2002 nobody expected a second one.
#[rustfmt::skip]
pub static KINDS: [Facts; 8] = [
    facts((Kind::Mnt, "mnt"), ("CLONE_NEWNS", 0x0002_0000), (2002, "2.4.19"),
        "max_mnt_namespaces", "the list of mounts"),
    facts((Kind::Uts, "uts"), ("CLONE_NEWUTS", 0x0400_0000), (2006, "2.6.19"),
        "max_uts_namespaces", "host name and NIS domain name"),
    facts((Kind::Ipc, "ipc"), ("CLONE_NEWIPC", 0x0800_0000), (2006, "2.6.19"),
        "max_ipc_namespaces", "System V ipc, POSIX queues"),
    facts((Kind::Pid, "pid"), ("CLONE_NEWPID", 0x2000_0000), (2008, "2.6.24"),
        "max_pid_namespaces", "process ids"),
    facts((Kind::Net, "net"), ("CLONE_NEWNET", 0x4000_0000), (2009, "2.6.29"),
        "max_net_namespaces", "devices, addresses, routes"),
    facts((Kind::User, "user"), ("CLONE_NEWUSER", 0x1000_0000), (2013, "3.8"),
        "max_user_namespaces", "users, groups, capabilities"),
    facts((Kind::Cgroup, "cgroup"), ("CLONE_NEWCGROUP", 0x0200_0000), (2016, "4.6"),
        "max_cgroup_namespaces", "the root of the cgroup view"),
    facts((Kind::Time, "time"), ("CLONE_NEWTIME", 0x0000_0080), (2020, "5.6"),
        "max_time_namespaces", "offsets of two clocks"),
];
// ANCHOR_END: kinds

impl Kind {
    /// All eight, oldest first.
    pub const ALL: [Kind; 8] =
        [Kind::Mnt, Kind::Uts, Kind::Ipc, Kind::Pid, Kind::Net, Kind::User, Kind::Cgroup, Kind::Time];

    /// The row of [`KINDS`] that tells about this kind.
    pub fn facts(self) -> &'static Facts {
        &KINDS[self as usize]
    }

    /// The name below `/proc/PID/ns`.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The kind called `name` below `/proc/PID/ns`.
    pub fn named(name: &str) -> Option<Kind> {
        KINDS.iter().find(|facts| facts.name == name).map(|facts| facts.kind)
    }

    /// The kind whose clone flag is `flag`, as the ioctl NS_GET_NSTYPE answers.
    pub fn flagged(flag: u64) -> Option<Kind> {
        KINDS.iter().find(|facts| facts.flag == flag).map(|facts| facts.kind)
    }

    /// Does the running kernel have this kind? `/proc/self/ns` says so.
    pub fn known_here(self) -> bool {
        let link = std::fs::symlink_metadata(format!("/proc/self/ns/{}", self.name()));
        // Another error does not say that it lacks it: whoever believed so would leave a process in ours.
        link.map_or_else(|error| error.kind() != std::io::ErrorKind::NotFound, |_| true)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of kinds; what clone(2) takes as flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u64);

impl Kinds {
    /// No kind at all.
    pub const NONE: Kinds = Kinds(0);

    /// All eight.
    pub fn all() -> Kinds {
        Kind::ALL.into_iter().collect()
    }

    /// Is `kind` among them?
    pub fn has(self, kind: Kind) -> bool {
        self.0 & kind.facts().flag != 0
    }

    /// The same set with `kind`, where `wanted`.
    #[must_use]
    pub fn with(self, kind: Kind, wanted: bool) -> Kinds {
        Kinds(if wanted { self.0 | kind.facts().flag } else { self.0 })
    }

    /// The same set without `kind`.
    #[must_use]
    pub fn without(self, kind: Kind) -> Kinds {
        Kinds(self.0 & !kind.facts().flag)
    }

    /// Its members, oldest first.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }

    /// Is it empty?
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags for clone3(2), which has room for all of them.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The flags for unshare(2) and setns(2). nix has no name for CLONE_NEWTIME, so bits are kept as they are.
    pub fn flags(self) -> CloneFlags {
        // All eight fit into 31 bits; a test says so.
        CloneFlags::from_bits_retain(self.0 as i32)
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Kinds::NONE, |set, kind| set.with(kind, true))
    }
}

/// As strace prints it: `CLONE_NEWNS|CLONE_NEWPID`, or `0`.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("0");
        }
        let names: Vec<&str> = self.iter().map(|kind| kind.facts().flag_name).collect();
        f.write_str(&names.join("|"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_table_is_in_the_order_of_the_enum() {
        for (kind, facts) in Kind::ALL.iter().zip(&KINDS) {
            assert_eq!(*kind, facts.kind);
            assert_eq!(kind.facts().name, facts.name);
        }
        assert!(KINDS.is_sorted_by_key(|facts| facts.year), "history goes forward");
    }

    #[test]
    fn kinds_flags_are_the_kernels() {
        let libc = [
            (Kind::Mnt, libc::CLONE_NEWNS),
            (Kind::Uts, libc::CLONE_NEWUTS),
            (Kind::Ipc, libc::CLONE_NEWIPC),
            (Kind::Pid, libc::CLONE_NEWPID),
            (Kind::Net, libc::CLONE_NEWNET),
            (Kind::User, libc::CLONE_NEWUSER),
            (Kind::Cgroup, libc::CLONE_NEWCGROUP),
            (Kind::Time, libc::CLONE_NEWTIME),
        ];
        for (kind, flag) in libc {
            assert_eq!(kind.facts().flag, flag as u64, "{kind}");
            assert_eq!(Kind::flagged(flag as u64), Some(kind));
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert!(i32::try_from(Kinds::all().bits()).is_ok());
    }

    #[test]
    fn kinds_sets_print_as_strace_does() {
        let set: Kinds = [Kind::Pid, Kind::Mnt].into_iter().collect();
        assert_eq!(set.to_string(), "CLONE_NEWNS|CLONE_NEWPID");
        assert_eq!(set.without(Kind::Mnt).without(Kind::Pid).to_string(), "0");
        assert_eq!(set.iter().collect::<Vec<_>>(), [Kind::Mnt, Kind::Pid]);
    }
}
