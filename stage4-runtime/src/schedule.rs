//! When, where and how long the process may go on: processors, policy, disk, and the end where memory runs out.
//!
//! sched_setattr(2) 2014, sched_setaffinity(2) 2002, ioprio_set(2) 2005, oom_score_adj 2.6.36 2010.
//! Book: "Processor and disk" (`schedule`).
//! Invariant: what was set is asked for again, but for affinity: that the kernel cuts down to the cpuset (cpuset(7)).

use crate::plan::process::list::Numbers;
use crate::plan::process::scheduling::PolicyPlan;
use crate::sys::schedule::{self as raw, Attributes};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::uio::{pread, pwrite};
use std::os::fd::AsFd;

/// No clamp: the greatest utilisation. config.json can name the flags and has no field for their values.
const WHOLE: u32 = 1024;

/// SCHED_FLAG_RESET_ON_FORK, SCHED_FLAG_RECLAIM, SCHED_FLAG_DL_OVERRUN: those that the kernel remembers.
const REMEMBERED: u64 = 0x07;

/// SCHED_DEADLINE
const DEADLINE: u32 = 6;

/// Sets policy and parameters of this thread.
///
/// # Errors
/// EPERM: without CAP_SYS_NICE of the host; EBUSY: not enough time left for a deadline.
pub fn set_policy(plan: &PolicyPlan) -> Result<()> {
    let asked = Attributes {
        size: raw::SIZE,
        policy: plan.policy,
        flags: plan.flags,
        nice: plan.nice,
        priority: plan.priority,
        runtime: plan.runtime,
        deadline: plan.deadline,
        period: plan.period,
        least: 0,
        greatest: WHOLE,
    };
    let call = format!("sched_setattr(0, {asked:?})");
    raw::set_attributes(&asked).map_err(|errno| Error::call(&call, errno).with_hint(why_not(errno)))?;
    let now = raw::attributes().map_err(|errno| Error::call("sched_getattr(0)", errno))?;
    match is(plan, &now) {
        true => Ok(()),
        false => {
            Err(Error::refused(format!("{call}: the kernel has {now:?}")).with_hint("process.scheduler"))
        }
    }
}

fn why_not(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM => {
            "process.scheduler: needs CAP_SYS_NICE of the host; a deadline also wants every processor allowed"
        }
        Errno::EBUSY => "process.scheduler: less time is left than the deadline wants",
        Errno::EINVAL => "process.scheduler: a value or flag that the policy, or this kernel, does not take",
        _ => "process.scheduler",
    }
}

/// Does the kernel have what was asked? Each policy has its own parameters; the others are not told.
fn is(plan: &PolicyPlan, now: &Attributes) -> bool {
    let keeps = |flag| plan.flags & flag != 0;
    let parameters = match plan.policy {
        _ if keeps(PolicyPlan::KEEP_PARAMETERS) => true,
        1 | 2 => plan.priority == now.priority,
        DEADLINE => (plan.runtime, plan.deadline) == (now.runtime, now.deadline),
        0 | 3 => plan.nice == now.nice,
        _ => true,
    };
    let remembered =
        keeps(PolicyPlan::KEEP_PARAMETERS) || (plan.flags ^ now.flags) & REMEMBERED & now_told(plan) == 0;
    (keeps(PolicyPlan::KEEP_POLICY) || plan.policy == now.policy) && parameters && remembered
}

/// sched_getattr(2) tells of the flags of deadlines only where there is one.
fn now_told(plan: &PolicyPlan) -> u64 {
    if plan.policy == DEADLINE { REMEMBERED } else { 0x01 }
}

/// Sets class and level of this thread's requests to disks.
pub fn set_io_priority(value: u16) -> Result<()> {
    let call = format!("ioprio_set(IOPRIO_WHO_PROCESS, 0, {value:#x})");
    raw::set_io_priority(value).map_err(|errno| {
        let error = Error::call(&call, errno);
        match errno {
            Errno::EPERM => {
                error.with_hint("process.ioPriority: IOPRIO_CLASS_RT needs CAP_SYS_NICE of the host")
            }
            _ => error.with_hint("process.ioPriority"),
        }
    })?;
    match raw::io_priority() {
        Ok(now) if now == value => Ok(()),
        Ok(now) => {
            Err(Error::refused(format!("{call}: the kernel has {now:#x}")).with_hint("process.ioPriority"))
        }
        Err(errno) => Err(Error::call("ioprio_get(IOPRIO_WHO_PROCESS, 0)", errno)),
    }
}

/// Allows this thread the processors of `list`; those of them that its cpuset has not stay forbidden.
pub fn run_on(list: &Numbers, property: &str) -> Result<()> {
    raw::set_affinity(&list.0).map_err(|errno| {
        Error::call(format!("sched_setaffinity(0, {:x?})", list.0), errno).with_hint(format!(
            "process.execCPUAffinity.{property}: none of these is there and in the cpuset"
        ))
    })
}

/// Writes how soon the process is ended where memory runs out; `file` is its oom_score_adj.
///
/// # Errors
/// EACCES: it is less than at the beginning, and that only CAP_SYS_RESOURCE of the host may.
pub fn set_oom_score(file: impl AsFd, score: i32) -> Result<()> {
    let call = format!("write(\"/proc/self/oom_score_adj\", \"{score}\")");
    if oom_score(&file)? == score {
        return Ok(());
    }
    pwrite(&file, score.to_string().as_bytes(), 0).map_err(|errno| {
        let error = Error::call(&call, errno);
        match errno {
            Errno::EACCES => error.with_hint(
                "process.oomScoreAdj: to go below the value that the runtime was started with needs \
                 CAP_SYS_RESOURCE of the host; an ordinary user has a value that is not lower",
            ),
            _ => error.with_hint("process.oomScoreAdj"),
        }
    })?;
    match oom_score(&file)? {
        now if now == score => Ok(()),
        now => Err(Error::refused(format!("{call}: the kernel has {now}")).with_hint("process.oomScoreAdj")),
    }
}

fn oom_score(file: &impl AsFd) -> Result<i32> {
    let mut text = [0; 16];
    let length = pread(file, &mut text, 0)
        .map_err(|errno| Error::call("read(\"/proc/self/oom_score_adj\")", errno))?;
    let text = String::from_utf8_lossy(&text[..length]);
    text.trim().parse().map_err(|_| Error::refused(format!("/proc/self/oom_score_adj holds {text:?}")))
}
