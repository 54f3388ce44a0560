//! A container's death: signals, and the end of all that it has left on the host.
//!
//! pidfd_send_signal(2), rmdir(2). Book: "The life cycle" (`delete`).
//! Invariant: what is ended is the container's own, whatever has its number now; and deletion can be begun again,
//! wherever it was broken off.

use crate::config::Config;
use crate::id::ContainerId;
use crate::log::{Level, Log};
use crate::plan::hooks::HooksPlan;
use crate::state::{Home, Life, Place, Record, Status, Traces};
use crate::{Error, Result, cgroup, hooks};
use nix::errno::Errno;
use nix::unistd::Pid;
use stage2_namespaces::birth::Child;
use stage3_cgroups::Group;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long what was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends `signal` to the first process; with `all` to every process of the group.
///
/// # Errors
/// The container has ended.
pub fn kill(place: &Place, record: &Record, signal: i32, all: bool) -> Result<()> {
    let group = match all {
        true => cgroup::open(&cgroup::layout()?, &place.traces()?.groups)?,
        false => None,
    };
    match (&group, record.init) {
        // Whoever forks at this moment is met, too: by cgroup.kill, or while all are stopped.
        (Some(group), _) if signal == libc::SIGKILL => drop(group.kill(PATIENCE)?),
        (Some(group), _) => signal_all(group, signal)?,
        (_, Some(init)) if signal_to(init, signal)? => (),
        _ => return Err(Error::refused("container not running").with_hint("its process has ended")),
    }
    // What is frozen by version 1 does not even die.
    let group = if signal == libc::SIGKILL { cgroup::freezer(&place.traces()?.groups)? } else { None };
    match group {
        Some(group) if cgroup::is_frozen(&group)? => group.thaw(),
        _ => Ok(()),
    }
}

/// False: the process has gone.
fn signal_to(life: Life, signal: i32) -> Result<bool> {
    let Some(held) = hold(life)? else { return Ok(false) };
    match held.signal(signal) {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == Some(Errno::ESRCH) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The process as a descriptor: its start is compared after it was opened, so that it is that one for sure.
fn hold(life: Life) -> Result<Option<Child>> {
    let held = match Child::adopt(Pid::from_raw(life.pid)) {
        Err(error) if error.errno() == Some(Errno::ESRCH) => return Ok(None),
        other => other?,
    };
    Ok(life.goes_on()?.then_some(held))
}

/// Stopped meanwhile, where it can be: nobody forks a child that would hear nothing.
fn signal_all(group: &Group, signal: i32) -> Result<()> {
    const MOMENT: Duration = Duration::from_millis(500);
    let stopped = !cgroup::is_frozen(group)? && group.freeze(MOMENT).is_ok();
    let told = group.processes()?.into_iter().try_for_each(|pid| signal_member(group, pid, signal));
    let thawed = if stopped { group.thaw() } else { Ok(()) };
    told.and(thawed)
}

fn signal_member(group: &Group, pid: i32, signal: i32) -> Result<()> {
    let held = match Child::adopt(Pid::from_raw(pid)) {
        Err(error) if error.errno() == Some(Errno::ESRCH) => return Ok(()),
        other => other?,
    };
    // Listed once more, after its descriptor was opened: then it is the one that was listed.
    match group.processes()?.contains(&pid) {
        true => held.signal(signal).or_else(|error| match error.errno() {
            Some(Errno::ESRCH) => Ok(()),
            _ => Err(error),
        }),
        false => Ok(()),
    }
}

/// Removes a container that has stopped; with `force` it is stopped first, and one that is half made or whose record
/// is damaged is removed as well.
///
/// # Errors
/// It lives; something of it cannot be removed: then `delete` can be called again.
pub fn delete(home: &Home, id: &ContainerId, force: bool, log: &Log) -> Result<()> {
    let (place, _lock) = match home.hold(id) {
        Err(_) if force && !home.has(id) => return Ok(()),
        // It went while we waited, and there is another of that name: what was asked for is done.
        Err(error) if force && error.errno().is_none() => return Ok(()),
        other => other?,
    };
    let record = match place.read() {
        Err(error) if force => {
            log.say(Level::Warning, &error.to_string());
            None
        }
        other => other?,
    };
    if !force {
        require_stopped(&place, record.as_ref(), id)?;
    }
    erase(&place)?;
    if let Some(record) = &record {
        record.rdt.as_ref().map_or(Ok(()), |membership| membership.leave())?;
        run_poststop(&place, record, log);
    }
    home.forget(id, &place)
}

// ANCHOR: death
/// Ends and removes all that is written down; used, too, by a creation that has failed.
///
/// # Errors
/// What is still there, and why.
pub fn erase(place: &Place) -> Result<()> {
    let Traces { groups, init } = place.traces()?;
    // Nobody is in the group of a container that has ended, and then the kernel removes it at once.
    if Group::remove_empty(&groups) {
        return init.map_or(Ok(()), end);
    }
    let group = cgroup::open(&cgroup::layout()?, &groups)?;
    // The group first: it thaws whom it kills, and a frozen process does not end.
    group.as_ref().map_or(Ok(0), |group| group.kill(PATIENCE))?;
    init.map_or(Ok(()), end)?;
    group.as_ref().map_or(Ok(0), |group| group.delete(PATIENCE)).map(drop)
}
// ANCHOR_END: death

fn require_stopped(place: &Place, record: Option<&Record>, id: &ContainerId) -> Result<()> {
    let Some(record) = record else {
        return Err(Error::refused(format!("container {id} is not whole"))
            .with_hint("it is being made, or its maker was killed: `delete --force` removes it"));
    };
    let is_frozen = || {
        let group = cgroup::freezer(&place.traces()?.groups)?;
        group.as_ref().map_or(Ok(false), cgroup::is_frozen)
    };
    match place.status(record, is_frozen)? {
        Status::Stopped => Ok(()),
        status => Err(Error::refused(format!("cannot delete container {id} that is not stopped: {status}"))
            .with_hint("`stage4-runtime kill ID KILL` ends it, `delete --force` does both")),
    }
}

/// Kills the process and waits until it is gone. A pid namespace goes with its first process.
pub fn end(init: Life) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(200);
    while signal_to(init, libc::SIGKILL)? {
        if Instant::now() > deadline {
            return Err(Error::refused(format!("process {} does not end", init.pid)).with_hint(
                "it is frozen, or waits for a device in the kernel: `ps -o stat,wchan -p PID` says",
            ));
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    Ok(())
}

/// The hooks of poststop: the container is gone, whatever they say (runtime.md, Lifecycle).
pub fn tell_of_end(plan: &HooksPlan, record: &Record, log: &Log) {
    let state = record.state(Status::Stopped);
    for hook in &plan.poststop {
        if let Err(error) = hooks::run(hook, &state) {
            log.say(Level::Warning, &error.to_string());
        }
    }
}

fn run_poststop(place: &Place, record: &Record, log: &Log) {
    let run = || {
        let config: Config = crate::config::parse("config.json", &place.config()?)?;
        let plan = HooksPlan::of(&config.hooks).map_err(|fault| Error::refused(fault.to_string()))?;
        tell_of_end(&plan, record, log);
        Ok::<(), Error>(())
    };
    if let Err(error) = run() {
        log.say(Level::Warning, &error.to_string());
    }
}
