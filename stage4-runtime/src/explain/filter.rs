//! Told: what a filter of system calls refuses, in a line.
//!
//! No kernel calls; seccomp(2). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the program that the kernel gets is asked, not the profile it was compiled from.

use crate::seccomp::interpret::{Call, interpret};
use crate::seccomp::syscalls::Syscall;
use crate::seccomp::{Arch, Program, Verdict};
use std::collections::BTreeMap;

/// What calls are for, by some that stand for all of their kind.
const GROUPS: [(&str, &[&str]); 14] = [
    ("mounts", &["mount", "umount2", "pivot_root", "move_mount", "fsopen", "open_tree", "mount_setattr"]),
    ("namespaces", &["unshare", "setns"]),
    ("kernel modules", &["init_module", "finit_module", "delete_module"]),
    ("another kernel", &["kexec_load", "kexec_file_load", "reboot"]),
    ("clocks", &["settimeofday", "clock_settime", "clock_adjtime", "adjtimex"]),
    ("swap", &["swapon", "swapoff"]),
    ("keys", &["keyctl", "add_key", "request_key"]),
    ("tracing", &["ptrace", "process_vm_readv", "process_vm_writev"]),
    ("bpf and perf", &["bpf", "perf_event_open"]),
    ("memory of nodes", &["mbind", "migrate_pages", "move_pages", "set_mempolicy"]),
    ("ports", &["iopl", "ioperm"]),
    ("names", &["sethostname", "setdomainname"]),
    ("page faults", &["userfaultfd"]),
    ("files by handle", &["open_by_handle_at"]),
];

const ALLOW: u32 = 0x7fff_0000;
const LOG: u32 = 0x7ffc_0000;

/// `refuses 58 of 373 calls (fail with EPERM): mounts, keys, …, and 12 others`
pub(super) fn refusals(program: &Program, arch: Arch) -> String {
    let verdict = |call: Syscall| {
        let number = call.number(arch)?;
        let asked = Call { number, arch: arch.audit(), ..Call::default() };
        Some((call.name(), interpret(&program.instructions, &asked)?))
    };
    let all: BTreeMap<&str, Verdict> = Syscall::all().filter_map(verdict).collect();
    let refused = |verdict: &Verdict| !matches!(verdict.action(), ALLOW | LOG);
    let count = all.values().filter(|verdict| refused(verdict)).count();
    if count == 0 {
        return format!("refuses none of {} calls, asked with arguments of 0", all.len());
    }
    let mut named = 0;
    let is_refused = |name: &&&str| all.get(**name).is_some_and(refused);
    let groups: Vec<&str> = GROUPS
        .iter()
        .filter_map(|(group, names)| {
            let members = names.iter().filter(is_refused).count();
            named += members;
            (members > 0).then_some(*group)
        })
        .collect();
    let mut ways: BTreeMap<String, usize> = BTreeMap::new();
    all.values()
        .filter(|verdict| refused(verdict))
        .for_each(|one| *ways.entry(one.to_string()).or_default() += 1);
    let ways: Vec<String> = ways.into_keys().collect();
    let others = count - named;
    let rest = if others > 0 { format!(", and {others} others") } else { String::new() };
    let groups = if groups.is_empty() { "none of the usual groups".to_owned() } else { groups.join(", ") };
    format!("refuses {count} of {} calls ({}): {groups}{rest}", all.len(), ways.join("; "))
}
