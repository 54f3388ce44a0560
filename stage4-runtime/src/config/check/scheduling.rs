//! What is asked of scheduling: which parameter belongs to which policy.
//!
//! No kernel calls; sched(7), sched_setattr(2), ioprio_set(2). Book: `config`.
//! Invariant: pure; a parameter that its policy does not have is refused, since it could not be applied.

use super::{Findings, text};
use crate::config::fault::At;
use crate::config::process::Process;
use crate::config::scheduling::{Policy, Scheduler};

const CALL: &str = "sched_setattr(2)";

/// The largest CONFIG_NR_CPUS that any architecture has (x86).
pub(super) const PROCESSORS: u32 = 8192;

pub(super) fn check(process: &Process, at: At<'_>, found: &mut Findings) {
    if let Some(scheduler) = &process.scheduler {
        policy(scheduler, at.key("scheduler"), found);
    }
    match process.io_priority {
        Some(io) if !(0..=7).contains(&io.priority) => {
            let (at, what) = (at.key("ioPriority"), format!("{} is not from 0 to 7", io.priority));
            found.refuse(&at.key("priority"), what, "config.md, Linux Process");
        }
        _ => {}
    }
    if let Some(affinity) = &process.exec_cpu_affinity {
        let at = at.key("execCPUAffinity");
        for (name, list) in [("initial", &affinity.initial), ("final", &affinity.last)] {
            let list = list.as_deref().unwrap_or_default();
            text::list(list, PROCESSORS, &at.key(name), "config.md, Linux Process", found);
        }
    }
}

fn policy(scheduler: &Scheduler, at: At<'_>, found: &mut Findings) {
    let Scheduler { policy, nice, priority, .. } = *scheduler;
    match policy {
        Policy::Iso => found.refuse(&at.key("policy"), "SCHED_ISO is reserved; no kernel has it", "sched(7)"),
        Policy::Other | Policy::Batch if !(-20..=19).contains(&nice) => {
            found.refuse(&at.key("nice"), format!("{nice} is not from -20 to 19"), CALL);
        }
        Policy::Fifo | Policy::RoundRobin if !(1..=99).contains(&priority) => {
            found.refuse(
                &at.key("priority"),
                format!("{priority} is not from 1 to 99, as {policy} wants it"),
                CALL,
            );
        }
        Policy::Deadline => deadline(scheduler, at, found),
        _ => {}
    }
    foreign(scheduler, at, found);
}

/// Parameters of another policy's.
fn foreign(scheduler: &Scheduler, at: At<'_>, found: &mut Findings) {
    use Policy::{Batch, Deadline, Fifo, Other, RoundRobin};
    let given: [(&str, bool, &[Policy]); 5] = [
        ("nice", scheduler.nice != 0, &[Other, Batch]),
        ("priority", scheduler.priority != 0, &[Fifo, RoundRobin]),
        ("runtime", scheduler.runtime != 0, &[Deadline]),
        ("deadline", scheduler.deadline != 0, &[Deadline]),
        ("period", scheduler.period != 0, &[Deadline]),
    ];
    for (name, _, owners) in
        given.iter().filter(|(_, given, owners)| *given && !owners.contains(&scheduler.policy))
    {
        let owners: Vec<&str> = owners.iter().map(|owner| owner.name()).collect();
        let what = format!("belongs to {}, not to {}", owners.join(" and "), scheduler.policy);
        found.refuse(&at.key(name), what, CALL);
    }
}

/// kernel/sched/deadline.c, __checkparam_dl(): runtime <= deadline <= period, none too small or too large.
fn deadline(scheduler: &Scheduler, at: At<'_>, found: &mut Findings) {
    const LEAST: u64 = 1 << 10;
    const END: u64 = 1 << 63;
    let Scheduler { runtime, deadline, period, .. } = *scheduler;
    if runtime < LEAST {
        found.refuse(&at.key("runtime"), format!("{runtime} ns are less than the least, {LEAST}"), CALL);
    }
    if deadline < runtime || deadline == 0 {
        found.refuse(&at.key("deadline"), format!("{deadline} ns are less than the runtime, or none"), CALL);
    }
    if period != 0 && period < deadline {
        found.refuse(&at.key("period"), format!("{period} ns are less than the deadline"), CALL);
    }
    for (name, time) in [("deadline", deadline), ("period", period)] {
        if time >= END {
            found.refuse(&at.key(name), format!("{time} ns are more than the kernel counts"), CALL);
        }
    }
}
