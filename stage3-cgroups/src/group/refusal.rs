//! Why the kernel refused, and what the reader can do.
//!
//! The errors of cgroups(7) and Documentation/admin-guide/cgroup-v2.rst. Book: "Delegation" (`delegation`).
//! Invariant: only reads; the error itself stays the one the kernel gave.

use super::Place;
use super::end::{collect_own, holders_text, names};
use crate::Error;
use crate::controller::Controller;
use crate::delegation::DELEGATE;
use crate::directory::Directory;
use crate::layout::{Base, Hierarchy, Version};
use crate::limits::Setting;
use crate::name::GroupName;
use nix::errno::Errno;
use std::collections::BTreeSet;

/// Is it that we may not, and not that it cannot be?
pub(super) fn is_permission(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::EACCES | Errno::EPERM | Errno::EROFS))
}

/// Is it that there is no such group, or none any more?
pub(super) fn is_absence(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::ENOENT | Errno::ENODEV))
}

/// Not a single hierarchy let us in.
pub(super) fn nothing_delegated(left_out: Vec<(Hierarchy, Error)>) -> Error {
    let error = left_out.into_iter().next().map(|(_, error)| error);
    error.unwrap_or_else(|| Error::refused("no control groups are mounted here")).with_hint(DELEGATE)
}

/// A hierarchy that was needed did not let us in.
pub(super) fn of_making(error: Error, hierarchy: &Hierarchy, base: Base) -> Error {
    match error.errno() {
        _ if error.hint().is_some() => error,
        Some(Errno::EACCES | Errno::EPERM) => error.with_hint(DELEGATE),
        Some(Errno::EROFS) => error.with_hint("the hierarchy is mounted read-only, as in most containers"),
        Some(Errno::EAGAIN) => {
            error.with_hint("cgroup.max.depth or cgroup.max.descendants of a group above is reached")
        }
        Some(Errno::ENOENT) if base == Base::Here => {
            error.with_hint(format!("our own group is gone from {}", hierarchy.mount.display()))
        }
        _ => error,
    }
}

pub(super) fn exists(group: &Directory) -> Error {
    Error::call(format!("mkdir({:?})", group.path()), Errno::EEXIST)
        .with_hint("it is there: `set` changes its limits, `delete` removes it")
}

/// It is somebody's, who would be limited, frozen and ended with it.
pub(super) fn occupied(group: &Directory) -> Error {
    Error::refused(format!("{} has processes in it already", group.path().display()))
        .with_hint("a container has a group of its own: end what is in it, or name another one")
}

pub(super) fn of_opening(error: Error, name: &GroupName) -> Error {
    match error.errno() {
        Some(Errno::ENOENT) => {
            error.with_hint(format!("there is no group {name}: `stage3-cgroups create {name}`"))
        }
        _ => error,
    }
}

/// A controller that is not in cgroup.controllers.
pub(super) fn not_handed_down(name: &str, directory: &Directory, available: &str) -> Error {
    let path = directory.path().display();
    Error::refused(format!("{path} has no controller {name}; it has: {}", available.trim())).with_hint(format!(
        "the group above must hand it down: echo +{name} > cgroup.subtree_control there (systemd: Delegate={name})"
    ))
}

/// A controller that could not be handed down.
pub(super) fn of_enabling(error: Error, directory: &Directory) -> Error {
    match error.errno() {
        Some(Errno::EBUSY) => error.with_hint(no_internal_processes(directory)),
        Some(Errno::EOPNOTSUPP) => error.with_hint(threaded(directory)),
        Some(Errno::EACCES) => error.with_hint(DELEGATE),
        _ => error,
    }
}

/// A controller that is not handed down, because it would make the groups inside useless.
pub(super) fn internal_processes(name: &str, directory: &Directory) -> Error {
    let path = directory.path().display();
    Error::refused(format!("{path} holds processes itself, and so can hand {name} down to nobody"))
        .with_hint(no_internal_processes(directory))
}

fn no_internal_processes(directory: &Directory) -> String {
    let mut pids = BTreeSet::new();
    let held = match collect_own(directory, &mut pids) {
        Ok(()) => holders_text(&names(&pids)),
        Err(error) => format!("some ({error})"),
    };
    format!(
        "no internal processes: a group that hands controllers down may hold no process itself, and {} holds {held}; \
         move them into a group inside it: stage3-cgroups create stage3-leaf, stage3-cgroups attach stage3-leaf PID",
        directory.path().display()
    )
}

fn threaded(directory: &Directory) -> String {
    let kind = directory.read_if_there("cgroup.type").ok().flatten().unwrap_or_default();
    format!(
        "cgroup.type of {} is \"{}\": in a threaded group only cpu, cpuset, pids and perf_event act; in a \"domain invalid\" \
         one nobody can be, until `threaded` is written into its cgroup.type, or the group above holds no process itself",
        directory.path().display(),
        kind.trim()
    )
}

/// For who has no directory at hand to read cgroup.type from.
pub(crate) const INVALID: &str = "cgroup.type of the group is \"domain invalid\": it is in a threaded tree, or in a \
group that holds processes itself";

/// A group that cannot be found again.
pub(super) fn of_losing(error: Error) -> Error {
    match error.errno() {
        Some(Errno::ENOENT | Errno::ENODEV) => error.with_hint("the group was deleted meanwhile"),
        _ => error,
    }
}

/// A process that could not go in by itself.
pub(super) fn of_entering(error: Error) -> Error {
    let hint = match error.errno() {
        Some(Errno::ENODEV | Errno::ENOENT) => "the group was deleted meanwhile",
        Some(Errno::ENOSPC) => "its cpuset has no processors or no memory nodes (version 1)",
        Some(Errno::EBUSY) => {
            "the group hands controllers down, so it may hold no process: use one inside it"
        }
        Some(Errno::EACCES | Errno::EPERM) => {
            "it belongs to another user, or is outside of what was delegated to us"
        }
        Some(Errno::EOPNOTSUPP) => INVALID,
        _ => return error,
    };
    error.with_hint(hint)
}

/// A process that could not be put in.
pub(super) fn of_attaching(error: Error, place: &Place) -> Error {
    let v2 = place.hierarchy.version == Version::V2;
    match error.errno() {
        Some(Errno::ESRCH) => error.with_hint("there is no such process in this pid namespace; has it ended?"),
        Some(Errno::EACCES) if v2 => error.with_hint(
            "needs the right to write cgroup.procs here and in the common ancestor of both groups (delegation containment)",
        ),
        Some(Errno::EACCES | Errno::EPERM) => {
            error.with_hint("needs the right to write here, and the process must be of the same user")
        }
        Some(Errno::EBUSY) => error.with_hint("the group hands controllers down, so it may hold no process: use one inside it"),
        Some(Errno::EOPNOTSUPP) => error.with_hint(threaded(&place.directory)),
        Some(Errno::ENOSPC) => error.with_hint("its cpuset has no processors or no memory nodes"),
        Some(Errno::EINVAL) => error.with_hint("kernel threads, and real-time tasks without a budget, cannot be moved"),
        Some(Errno::ENODEV) => error.with_hint("the group was deleted meanwhile"),
        _ => error,
    }
}

/// A group that could not be killed by one write.
pub(super) fn of_killing(error: Error, place: &Place) -> Error {
    match error.errno() {
        Some(Errno::EOPNOTSUPP) => error.with_hint(format!(
            "only whole processes are killed, and here are threads of processes of the group above: kill that one; {}",
            threaded(&place.directory)
        )),
        _ => error,
    }
}

/// A group that could not be stopped or let go.
pub(super) fn of_freezing(error: Error) -> Error {
    match error.errno() {
        Some(Errno::EACCES | Errno::EPERM) => error.with_hint(
            "the file belongs to who gave the group away: freeze the groups inside it, which are yours",
        ),
        Some(Errno::ENOENT | Errno::ENODEV) => error.with_hint("the group was deleted meanwhile"),
        _ => error,
    }
}

/// A group that could not be removed.
pub(super) fn of_removing(error: Error) -> Error {
    match error.errno() {
        Some(Errno::EACCES | Errno::EPERM) => error.with_hint(
            "who may write the group above removes this one: a delegated group is taken back by who gave it, those inside \
             it are its owner's to remove",
        ),
        Some(Errno::EROFS) => error.with_hint("the hierarchy is mounted read-only, as in most containers"),
        _ => error,
    }
}

/// A limit that was refused.
pub(super) fn of_setting(error: Error, setting: &Setting, place: &Place) -> Error {
    let hint = match error.errno() {
        Some(Errno::ENOENT) => no_file(setting, place),
        Some(Errno::ENODEV) if setting.controller == Controller::Io => {
            "no such block device, or a partition: name the whole disk, as `lsblk` shows it".to_owned()
        }
        Some(Errno::ENODEV) => "the group was deleted meanwhile".to_owned(),
        Some(Errno::EBUSY) => "more is in use than that, and it cannot be pushed out".to_owned(),
        Some(Errno::EACCES) if setting.controller == Controller::Cpuset => beyond_parent(setting, place),
        Some(Errno::EACCES | Errno::EPERM) => {
            "the limits of a delegated group are the delegator's: make a group inside it, and limit that"
                .to_owned()
        }
        Some(Errno::EINVAL) if beyond_sum(setting, place) => {
            "more than memory and swap together, memory.memsw.limit_in_bytes of this group: raise that as well"
                .to_owned()
        }
        Some(Errno::EINVAL | Errno::ERANGE | Errno::ENOSPC) => beyond_parent(setting, place),
        _ => return error,
    };
    error.with_hint(hint)
}

/// Is it the memory of version 1, and more than the sum that the group has of it and swap?
fn beyond_sum(setting: &Setting, place: &Place) -> bool {
    let read = |file| place.directory.read_if_there(file).ok().flatten()?.trim().parse::<u64>().ok();
    setting.file == "memory.limit_in_bytes"
        && setting.value.parse().is_ok_and(|asked: u64| {
            read("memory.memsw.limit_in_bytes").is_some_and(|together| together < asked)
        })
}

/// The value may be one that the group above does not have to give.
fn beyond_parent(setting: &Setting, place: &Place) -> String {
    let above = place.directory.path().parent().map(|path| path.join(&setting.file));
    let allowed = above.and_then(|path| Some((std::fs::read_to_string(&path).ok()?, path)));
    match allowed {
        Some((text, path)) => {
            format!("out of range, or more than the group above has: {} is {:?}", path.display(), text.trim())
        }
        None => "out of the kernel's range".to_owned(),
    }
}

fn no_file(setting: &Setting, place: &Place) -> String {
    let missing = match setting.file.as_str() {
        "memory.memsw.limit_in_bytes" | "memory.swap.max" => {
            "swap is not accounted here: boot with swapaccount=1"
        }
        "blkio.bfq.weight" | "io.weight" => {
            "weights of disks need a scheduler or cost model that has them (BFQ, iocost)"
        }
        file if file.starts_with("hugetlb.") => {
            "this machine has no huge pages of that size: ls /sys/kernel/mm/hugepages"
        }
        "cpu.max.burst" | "cpu.cfs_burst_us" => "bursts are there since Linux 5.14",
        "cpuset.cpus" | "cpuset.mems" => "the controller cpuset is not handed down to this group",
        _ => "this kernel has no such file",
    };
    match place.directory.is_there() {
        true => missing.to_owned(),
        false => "the group was deleted meanwhile".to_owned(),
    }
}
