//! init's side of a birth: from newborn to the program of the container.
//!
//! unshare(2), mount_setattr(2), pivot_root(2), execve(2). Book: "A container's birth" (`birth`).
//! Invariant: until it is released it ends when its parent does; and what goes wrong is told, to the parent before the
//! start and to whoever starts it afterwards.

use super::Order;
use super::outside::Outside;
use crate::console::Console;
use crate::conversation::{Doorbell, Line, Word, failed};
use crate::last_acts::{Means, OwnFiles, Who, make_ready};
use crate::root::RootMount;
use crate::seccomp::messenger;
use crate::sys::descriptors::close_all_but;
use crate::trace::Deed;
use crate::{Error, Failure, Result, devices, hooks, identity, masks, mounts, surroundings, sysctl};
use stage1_chroot::descriptors::FIRST;
use stage2_namespaces::birth::Newborn;
use stage2_namespaces::mount::PrivateMounts;
use std::cell::RefCell;
use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// Lives; what it returns is the exit status of a life that went wrong.
pub fn live(
    order: &Order<'_>,
    outside: Outside,
    newborn: &Newborn,
    line: &Line,
    doorbell: Option<&Doorbell>,
) -> u8 {
    // Who is told: the parent, and after the release whoever has rung.
    let listener = RefCell::new(None);
    let Err(failure) = grow_up(order, outside, newborn, line, doorbell, &listener);
    let status = failure.status;
    // If nobody can be told there is nobody.
    listener.borrow().as_ref().unwrap_or(line).say(&Word::Failed(failure)).map_or(1, |()| status)
}

// ANCHOR: birth-init
/// From newborn to executed; the order is the drawing's.
fn grow_up(
    order: &Order<'_>,
    mut outside: Outside,
    newborn: &Newborn,
    line: &Line,
    doorbell: Option<&Doorbell>,
    listener: &RefCell<Option<Line>>,
) -> Result<Infallible, Failure> {
    let (plan, trace) = (order.plan, order.trace);
    let doors = outside.doors.as_mut();
    doors.map_or(Ok(()), |doors| trace.time(Deed::Enter, || doors.enter())).map_err(failed)?;
    become_root(order, line).map_err(failed)?;
    trace.time(Deed::Surroundings, || surroundings::arrange(plan, newborn)).map_err(failed)?;
    let files = own_files(order, &outside).map_err(failed)?;
    let (root, terminal) = furnish(order, &mut outside, newborn, line).map_err(failed)?;

    let mut filter = || {
        let listener = listener.borrow();
        let who = listener.as_ref().unwrap_or(line);
        plan.filter.as_ref().map_or(Ok(()), |program| messenger::install(program, who))
    };
    let mut means = Means {
        who: Who::Init,
        keyring: order.record.keyring.then_some(plan.id.as_str()),
        own_users: plan.namespaces.has_users(),
        root: root.as_fd(),
        proc: outside.proc.as_fd(),
        files,
        terminal,
        listeners: order.listeners,
        preserved: order.preserved,
        filter: &mut filter,
    };
    let ready = trace.time(Deed::LastActs, || make_ready(&plan.process, &mut means))?;
    drop((root, outside));
    close_what_is_not_ours(order, line, doorbell).map_err(failed)?;

    let state = wait_for_start(line, doorbell, listener).map_err(failed)?;
    let start = &plan.hooks.start_container;
    trace.time_all(Deed::StartContainer, start, |hooks| hooks::run_all(hooks, &state)).map_err(failed)?;
    trace.time(Deed::Execute, || ready.go(&mut filter))
}
// ANCHOR_END: birth-init

// ANCHOR: birth-furnish
/// Everything that can be seen: from the host's mounts to the container's alone.
fn furnish(
    order: &Order<'_>,
    outside: &mut Outside,
    newborn: &Newborn,
    line: &Line,
) -> Result<(RootMount, Option<OwnedFd>)> {
    let (plan, trace, sources) = (order.plan, order.trace, &mut outside.sources);
    let proof = newborn.private_mounts(plan.root.incoming())?;
    let root = trace.time(Deed::Root, || RootMount::attach(&proof, &plan.root, sources))?;
    let unsealed = trace.time(Deed::Mounts, || mounts::mount_all(&proof, &root, &plan.mounts, sources))?;
    trace.time(Deed::Devices, || devices::make(&proof, &root, &plan.devices, sources))?;
    line.say(&Word::Done)?;

    // In the container's namespaces, but by the runtime's paths: the root is still the host's.
    let state = line.wait_for_go()?;
    let hooks = &plan.hooks.create_container;
    trace.time_all(Deed::CreateContainer, hooks, |hooks| hooks::run_all(hooks, &state))?;
    trace.time(Deed::Pivot, || root.enter(&proof, &plan.root))?;
    let terminal = open_terminal(order, &proof, &root)?;
    trace.time_all(Deed::Sysctl, &plan.parameters, |all| sysctl::write_all(&outside.proc, all))?;
    // From the inside outwards: what is read-only cannot be changed any more, and what is masked not be found.
    trace.time(Deed::ReadOnly, || root.finish(&plan.root).and_then(|()| unsealed.seal()))?;
    trace.time(Deed::Masks, || {
        masks::make_readonly(&proof, &root, &plan.masks)?;
        masks::cover(&proof, &root, &plan.masks, &mut outside.sources)
    })?;
    Ok((root, terminal))
}
// ANCHOR_END: birth-furnish

/// In a new user namespace we are nobody until the parent has mapped our ids; in one that was joined, too, we become
/// its root, if it has one.
fn become_root(order: &Order<'_>, line: &Line) -> Result<()> {
    let namespaces = &order.plan.namespaces;
    match &namespaces.users {
        Some(users) => {
            line.wait_for_go().and_then(|_| order.trace.time(Deed::BecomeRoot, || users.become_root()))
        }
        None if namespaces.has_users() => identity::become_root_if_there_is_one(),
        None => Ok(()),
    }
}

fn own_files(order: &Order<'_>, outside: &Outside) -> Result<OwnFiles> {
    match order.plan.namespaces.has_users() {
        true => OwnFiles::open_while_alone(outside.proc.as_fd(), &order.plan.process),
        false => OwnFiles::open(outside.proc.as_fd(), &order.plan.process),
    }
}

/// The terminal, bound to /dev/console and its other end sent to whoever asked for it.
fn open_terminal(order: &Order<'_>, proof: &PrivateMounts, root: &RootMount) -> Result<Option<OwnedFd>> {
    let (Some(plan), Some(socket)) = (order.plan.process.terminal, &order.console) else { return Ok(None) };
    order.trace.time(Deed::Terminal, || {
        let console = Console::open(root.as_fd(), plan)?;
        console.bind(proof, root.as_fd())?;
        console.send(socket.as_fd()).map(Some)
    })
}

// ANCHOR: leaked-descriptor-closed
/// What was the parent's and was inherited: its log, its directories of state. Nobody in this process returns to them.
///
/// It may wait for days, and would hold all of it open; and `/proc/PID/fd` would lead there (CVE-2024-21626).
fn close_what_is_not_ours(order: &Order<'_>, line: &Line, doorbell: Option<&Doorbell>) -> Result<()> {
    let kept: Vec<_> =
        [Some(line.as_raw_fd()), doorbell.map(Doorbell::as_raw_fd)].into_iter().flatten().collect();
    let first = FIRST + RawFd::from(order.listeners.saturating_add(order.preserved));
    close_all_but(first, &kept).map_err(|errno| Error::call("close_range(2)", errno))
}
// ANCHOR_END: leaked-descriptor-closed

/// Created: told to the parent, and released by it. What is returned is the state at the start.
fn wait_for_start(
    line: &Line,
    doorbell: Option<&Doorbell>,
    listener: &RefCell<Option<Line>>,
) -> Result<Vec<u8>> {
    line.say(&Word::Done)?;
    let state = line.wait_for_go()?;
    let Some(doorbell) = doorbell else { return Ok(state) };
    let (caller, state) = doorbell.wait()?;
    *listener.borrow_mut() = Some(caller);
    Ok(state)
}
