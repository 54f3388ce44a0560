//! A container's birth: parent and init, each from top to bottom in time.
//!
//! clone3(2), setns(2), pivot_root(2), execve(2). Book: "A container's birth" (`birth`).
//! Invariant: what is made was written down before, so that whoever is killed, `delete --force` finds it; and init,
//! until it is released, ends when its parent does.
//!
//! ```text
// ANCHOR: birth-drawing
//! parent                                    init
//!   write down what will be made
//!   make the group, set its limits
//!   open what init needs of the host
//!   [joined] a joiner goes there first
//!   clone3(all new namespaces at once) ───▶ born, in its group
//!   [user] write the id maps, "go" ───────▶ become root of the user namespace
//!                                           cgroup view, clocks, names, loopback
//!                                           root, mounts, devices
//!   allow devices, move network ◀── "done"
//!   hooks prestart, createRuntime
//!   "go" ─────────────────────────────────▶ hooks createContainer, pivot
//!                                           terminal, parameters, read-only, masks
//!                                           last acts: its user, its rights
//!   write down that it is there ◀── "done"  (created)
//!   "go" ─────────────────────────────────▶ on its own from here on
//! start ─── rings, "go" ──────────────────▶ hooks startContainer
//!   hooks poststart ◀── silence             execve, or why not
// ANCHOR_END: birth-drawing
//! ```

use crate::conversation::{Doorbell, Line, Word, failed};
use crate::plan::Plan;
use crate::plan::agent::AgentPlan;
use crate::plan::hooks::{HookPlan, HooksPlan};
use crate::plan::namespaces::Namespaces;
use crate::rdt::{self, Membership};
use crate::seccomp::agent::Introduction;
use crate::state::{Life, Lock, Place, Record, Status, Traces};
use crate::trace::{Deed, Trace};
use crate::{Error, Failure, Result, cgroup, death, hooks, network_devices};
use nix::errno::Errno;
use nix::unistd::geteuid;
use outside::Outside;
use stage2_namespaces::Kind;
use stage2_namespaces::birth::{Child, Newborn, birth};
use stage2_namespaces::nsfs::Namespace;
use stage3_cgroups::{Group, Layout};
use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};

mod inside;
pub(crate) mod joiner;
mod outside;

/// A container that is to be.
#[derive(Debug)]
pub struct Order<'a> {
    /// What it will be.
    pub plan: &'a Plan,
    /// Its directory of state, which is new.
    pub place: &'a Place,
    /// What it will leave on the host.
    pub traces: Traces,
    /// What is known of it before it is there.
    pub record: Record,
    /// May it do without a group of its own ([`Rootless::applies`](crate::rootless::Rootless::applies))?
    pub rootless: bool,
    /// The control groups of the machine.
    pub layout: &'a Layout,
    /// When it starts.
    pub begin: Begin,
    /// Who gets its terminal.
    pub console: Option<OwnedFd>,
    /// Sockets of systemd's from descriptor 3 on, which its process keeps.
    pub listeners: u16,
    /// Descriptors behind them that it keeps, too (`--preserve-fds`).
    pub preserved: u16,
    /// Where it is noted what was done, and when (`--trace`).
    pub trace: &'a Trace,
    /// Have hooks been told of it? Then those of poststop are, too, however its creation ends.
    pub told: bool,
}

/// When the process is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// When the parent says so: `run`.
    AtOnce,
    /// When somebody rings: `create`, and later `start`.
    WhenRung,
}

/// A container that is created.
#[derive(Debug)]
pub struct Born {
    /// Its first process.
    pub child: Child,
    /// By which it hears of its start, where it begins at once.
    pub line: Line,
    /// What is known of it now.
    pub record: Record,
}

// ANCHOR: birth
/// The parent's side: from the intent to a container that is created.
///
/// # Errors
/// What could not be made or set. What was made until then is still there, and written down.
pub fn create(order: &mut Order<'_>, lock: &Cell<Option<Lock>>) -> Result<Born, Failure> {
    let group = make_group(order).map_err(failed)?;
    let trace = order.trace;
    let outside = trace.time(Deed::Open, || Outside::open(order, group.as_ref())).map_err(failed)?;
    let (line, child) = trace.time(Deed::Bear, || bear(order, outside, group.as_ref(), lock))?;

    match raise(order, group.as_ref(), &child, &line) {
        Ok(()) => Ok(Born { child, line, record: order.record.clone() }),
        Err(failure) => {
            // Silence, for init: it ends, and is waited for. Where it waits for an answer of the agent, who may never
            // have heard of it, it would not hear the silence.
            drop(line);
            order.plan.agent.as_ref().map_or(Ok(()), |_| child.signal(libc::SIGKILL)).map_err(failed)?;
            child.wait().map_err(failed)?;
            Err(failure)
        }
    }
}
// ANCHOR_END: birth

// ANCHOR: birth-group
/// Written down before it is made, so that it is found and removed whatever happens; but never one of somebody else's.
fn make_group(order: &Order<'_>) -> Result<Option<Group>> {
    cgroup::require_free(order.layout, &order.traces.groups)?;
    order.trace.time(Deed::WriteDown, || order.place.leave_traces(&order.traces))?;
    order.trace.time(Deed::Group, || make_limited_group(order))
}

fn make_limited_group(order: &Order<'_>) -> Result<Option<Group>> {
    let plan = &order.plan.cgroup;
    let group = match cgroup::make(order.layout, plan, order.rootless) {
        Ok(group) => group,
        // Somebody was quicker: what is there is his.
        Err(error) => return order.place.forget_traces().and(Err(advised(error, &order.plan.namespaces))),
    };
    group.as_ref().map_or(Ok(()), |group| cgroup::limit(group, plan))?;
    Ok(group)
}
// ANCHOR_END: birth-group

// ANCHOR: birth-raise
/// From newborn to created; the order is the drawing's.
fn raise(order: &mut Order<'_>, group: Option<&Group>, child: &Child, line: &Line) -> Result<(), Failure> {
    let (plan, trace) = (order.plan, order.trace);
    if let Some(users) = &plan.namespaces.users {
        let given = trace.time(Deed::Maps, || users.give(child));
        given.and_then(|()| line.say(&Word::Go(Vec::new()))).map_err(failed)?;
    }
    let init = Life::of(child.pid.as_raw()).map_err(failed)?;
    order.record.init = Some(init);
    order.place.leave_traces(&Traces { groups: Vec::new(), init: Some(init) }).map_err(failed)?;
    line.wait_for_done(None)?;

    // Later than the other limits: init has made and bound device files until here.
    if let (Some(group), Some(policy)) = (group, &plan.policy) {
        trace.time(Deed::Policy, || group.decide_about_devices(policy)).map_err(failed)?;
    }
    order.record.rdt = equip(plan, trace, init.pid).map_err(failed)?;
    let agent = Introduction::of_init(plan.agent.as_ref(), &order.record, Status::Creating);
    let state = order.record.state(Status::Creating);
    let run = |hooks: &[_]| hooks::run_all(hooks, &state);
    order.told = true;
    trace.time_all(Deed::Prestart, &plan.hooks.prestart, run).map_err(failed)?;
    trace.time_all(Deed::CreateRuntime, &plan.hooks.create_runtime, run).map_err(failed)?;
    line.say(&Word::Go(state)).map_err(failed)?;
    line.wait_for_done(agent.as_ref())?;

    // Released only when it can be found.
    order.place.write(&order.record).map_err(failed)?;
    match order.begin {
        Begin::WhenRung => line.say(&Word::Go(Vec::new())).map_err(failed),
        Begin::AtOnce => Ok(()),
    }
}
// ANCHOR_END: birth-raise

// ANCHOR: life-cycle
/// Of `start`: rings where init waits, and hears how it went.
///
/// # Errors
/// It does not wait; it could not be executed; a hook of poststart failed, and it was ended.
pub fn start(
    place: &Place,
    record: &Record,
    (plan, agent): (&HooksPlan, Option<&AgentPlan>),
) -> Result<(), Failure> {
    let line = ring(place, record).map_err(failed)?;
    line.say(&Word::Go(record.state(Status::Created))).map_err(failed)?;
    line.wait_for_done(None)?;
    let agent = Introduction::of_init(agent, record, Status::Created);
    let started = line.wait_for_silence(agent.as_ref());
    if started.is_err() && agent.is_some() {
        // It may wait for an answer of an agent who has never heard of it.
        record.init.map_or(Ok(()), death::end).map_err(failed)?;
    }
    started?;
    tell_of_start(record, &plan.poststart).or_else(|failure| {
        record.init.map_or(Ok(()), death::end).map_err(failed)?;
        Err(failure)
    })
}
// ANCHOR_END: life-cycle

/// Reaches who waits for it.
fn ring(place: &Place, record: &Record) -> Result<Line> {
    let status = || place.status(record, || Ok(false));
    match status()? {
        Status::Created => {
            let line = Doorbell::ring(place.as_fd(), &place.path)?;
            // Somebody has killed it since.
            line.map_or_else(|| Err(not_waiting(&record.id, status()?)), Ok)
        }
        other => Err(not_waiting(&record.id, other)),
    }
}

/// Of `run`: the same for a container that begins at once.
///
/// # Errors
/// It could not be executed; a hook of poststart failed, and the caller has to end it.
pub fn release(born: &Born, plan: &Plan, trace: &Trace) -> Result<(), Failure> {
    born.line.say(&Word::Go(born.record.state(Status::Created))).map_err(failed)?;
    let agent = Introduction::of_init(plan.agent.as_ref(), &born.record, Status::Created);
    born.line.wait_for_silence(agent.as_ref())?;
    trace.ended(Deed::Execute);
    trace.time_all(Deed::Poststart, &plan.hooks.poststart, |hooks| tell_of_start(&born.record, hooks))
}

/// One that fails ends the container (runtime.md, Lifecycle, step 9; until version 1.3.0 it only warned).
fn tell_of_start(record: &Record, poststart: &[HookPlan]) -> Result<(), Failure> {
    hooks::run_all(poststart, &record.state(Status::Running)).map_err(failed)
}

/// In the words that callers of runc know.
fn not_waiting(id: &str, status: Status) -> Error {
    match status {
        Status::Stopped => Error::refused("cannot start a container that has stopped")
            .with_hint(format!("its process has ended; `stage4-runtime delete {id}` and create it again")),
        status => Error::refused(format!(
            "cannot start container {id}: container is not in created state, but {status}"
        ))
        .with_hint("only `create` leaves a container that can be started, and only once"),
    }
}

/// What only the parent can give to init: links of the host's network, a class of the processor's cache.
fn equip(plan: &Plan, trace: &Trace, init: i32) -> Result<Option<Membership>> {
    let linux = &plan.linux;
    if linux.net_devices.is_empty() && linux.intel_rdt.is_none() {
        return Ok(None);
    }
    trace.time(Deed::Equip, || {
        if !linux.net_devices.is_empty() {
            network_devices::hand_over(linux, &Namespace::of(init, Kind::Net)?)?;
        }
        linux.intel_rdt.as_ref().map(|asked| rdt::join(asked, plan.id.as_str(), init)).transpose()
    })
}

/// An ordinary user whose container has no users of its own may do none of this: that is told, and not what would
/// help with the one call that failed first.
fn advised(error: Error, plan: &Namespaces) -> Error {
    let own = plan.born.has(Kind::User) || plan.joined.iter().any(|joined| joined.kind == Kind::User);
    match error.errno() {
        Some(Errno::EPERM | Errno::EACCES) if !own && !geteuid().is_root() => error.with_hint(
            "be root; an ordinary user's container has users of its own, as `stage4-runtime spec --rootless` writes it",
        ),
        _ => error,
    }
}

/// Gives birth, directly or by a joiner. After the birth there are two of everything; each side takes its own.
fn bear(
    order: &Order<'_>,
    outside: Outside,
    group: Option<&Group>,
    lock: &Cell<Option<Lock>>,
) -> Result<(Line, Child), Failure> {
    let (ours, its) = Line::pair().map_err(failed)?;
    let doorbell = match order.begin {
        Begin::WhenRung => Some(Doorbell::hang(order.place).map_err(failed)?),
        Begin::AtOnce => None,
    };
    let joined = outside::namespaces(order).map_err(failed)?;
    let (ours, outside) = (Cell::new(Some(ours)), Cell::new(Some(outside)));
    let life = |newborn: Newborn| {
        // What is the parent's: its end of the line, whose silence is news, and its lock, which would outlive it.
        drop((ours.take(), lock.take()));
        outside.take().map_or(1, |outside| inside::live(order, outside, &newborn, &its, doorbell.as_ref()))
    };
    let born = order.plan.namespaces.born;
    let child = match joined.is_empty() {
        true => birth(born, group.and_then(Group::cradle), life)
            .map_err(|e| failed(advised(e, &order.plan.namespaces)))?,
        false => joiner::bear(joined, born, || Ok(()), life)?,
    };
    match ours.take() {
        Some(ours) => Ok((ours, child)),
        None => Err(failed(Error::refused("init took what was its parent's"))),
    }
}
