//! A visit: one more process in a container that runs (`exec`).
//!
//! setns(2), clone3(2), execve(2). Book: "Another process" (`exec`).
//! Invariant: what the visitor needs of the host is open before it goes in, and nothing of the host's is open when it
//! is the container's; the namespaces are those of the first process, and of no other that has got its number.
//!
//! ```text
//! parent                                    visitor
//!   open the first process, its namespaces,
//!     the doors of its group, the host's /proc
//!   [pid] a joiner goes there first
//!   clone3() ────────────────────────────▶ born
//!   "go" ────────────────────────────────▶
//!                                          into the group, the class of the processor's cache
//!                                          its own files of the host's /proc
//!                                          the other namespaces
//!                                          [user] root of the user namespace
//!                                          the container's root, a terminal of its /dev/pts
//!   silence, or why not ◀───────────────── last acts, execve
//!   pass signals on
//!   wait for the status ◀───────────────── exit
//! ```

use crate::attendance::attend_until;
use crate::birth::joiner::{self, join_all};
use crate::console::Console;
use crate::conversation::{Line, Word, failed};
use crate::last_acts::{Means, OwnFiles, Who, leave};
use crate::plan::agent::AgentPlan;
use crate::plan::process::ProcessPlan;
use crate::procfs::Procfs;
use crate::rdt::Membership;
use crate::seccomp::agent::Introduction;
use crate::seccomp::{Program, messenger};
use crate::state::Record;
use crate::{Error, Failure, Result, identity, schedule};
use nix::fcntl::{OFlag, open};
use nix::sys::prctl::set_dumpable;
use nix::sys::stat::Mode;
use outside::{Inside, require_there};
use stage2_namespaces::Kinds;
use stage2_namespaces::birth::{Child, birth};
use stage2_namespaces::signals::Signals;
use stage3_cgroups::group::Doors;
use std::cell::Cell;
use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};

pub mod outside;

/// A visit that is to be.
#[derive(Debug)]
pub struct Visit<'a> {
    /// The container: its keyring, and what its agent is told.
    pub record: &'a Record,
    /// What is run, as whom, and with what.
    pub process: &'a ProcessPlan,
    /// Which system calls are let through.
    pub filter: Option<&'a Program>,
    /// Who answers for those that the filter asks about.
    pub agent: Option<&'a AgentPlan>,
    /// Where it goes.
    pub inside: Inside,
    /// Who gets its terminal.
    pub console: Option<OwnedFd>,
    /// Sockets of systemd's from descriptor 3 on, which it keeps.
    pub listeners: u16,
    /// Descriptors behind them that it keeps, too (`--preserve-fds`).
    pub preserved: u16,
}

/// The parent's side: returns when the visitor has been executed, with the signals that are meant for it.
///
/// They are held, for as long as this process lives, from before the visitor goes in: whoever is killed by one would
/// leave behind a process that goes on, and is nobody's.
///
/// # Errors
/// What could not be joined or set; why it was not executed.
pub fn visit(mut visit: Visit<'_>) -> Result<(Child, Signals), Failure> {
    let proc = Procfs::open().map_err(failed)?;
    let (ours, its) = Line::pair().map_err(failed)?;
    // After the birth there are two of each of these, one in each process; each takes its own.
    let (ours, its) = (Cell::new(Some(ours)), Cell::new(Some(its)));
    let first = std::mem::take(&mut visit.inside.first);
    let (agent, record, process) = (visit.agent, visit.record, visit.process);
    let before = || OwnFiles::score_of_its_child(proc.as_fd(), process);
    let live = |_| {
        drop(ours.take());
        its.take().map_or(1, |line| live(visit, &proc, &line))
    };
    let born = match first.is_empty() {
        true => birth(Kinds::NONE, None, live).map_err(failed),
        false => joiner::bear(first, Kinds::NONE, before, live),
    };
    // A pid namespace that has lost its first process bears nobody, and the kernel calls that ENOMEM.
    let child =
        born.or_else(|failure| record.init.map_or(Ok(()), require_there).map_err(failed).and(Err(failure)))?;
    drop(its.take());
    let agent = Introduction::of_visitor(agent, record, child.pid.as_raw());
    let begin = |line: Line| {
        let signals = Signals::hold().map_err(failed)?;
        signals.keep_held();
        line.say(&Word::Go(Vec::new())).map_err(failed)?;
        // It may be a while: who is in a paused container has to wait.
        let ready = || attend_until(line.as_fd(), &child, &signals);
        line.wait_for_silence_while(agent.as_ref(), &ready).map(|()| signals)
    };
    let line = ours.take().ok_or_else(|| failed(Error::refused("the visitor took what was its parent's")));
    match line.and_then(begin) {
        Ok(signals) => Ok((child, signals)),
        Err(failure) => {
            // It may wait for an answer of an agent who has never heard of it, or be executed and nobody's.
            child.signal(libc::SIGKILL).ok();
            child.wait().map_err(failed).and(Err(failure))
        }
    }
}

/// The visitor's side; what it returns is the exit status of a visit that went wrong.
fn live(visit: Visit<'_>, proc: &Procfs, line: &Line) -> u8 {
    let Err(failure) = go_in(visit, proc, line);
    let status = failure.status;
    line.say(&Word::Failed(failure)).map_or(1, |()| status)
}

// ANCHOR: exec
fn go_in(mut visit: Visit<'_>, proc: &Procfs, line: &Line) -> Result<Infallible, Failure> {
    // Not before somebody waits for us: of a parent who has failed meanwhile, only silence comes.
    line.wait_for_go().map_err(failed)?;
    let files = arrive(&mut visit, proc).map_err(failed)?;
    join_all(&visit.inside.then).map_err(failed)?;
    if visit.inside.users {
        identity::become_root_if_there_is_one().map_err(failed)?;
    }
    let root = root_here().map_err(failed)?;
    let terminal = open_terminal(&visit, &root).map_err(failed)?;
    let mut filter = || visit.filter.map_or(Ok(()), |program| messenger::install(program, line));
    let means = Means {
        who: Who::Visitor,
        keyring: visit.inside.keyring.then_some(visit.record.id.as_str()),
        own_users: visit.inside.users,
        root: root.as_fd(),
        proc: proc.as_fd(),
        files,
        terminal,
        listeners: visit.listeners,
        preserved: visit.preserved,
        filter: &mut filter,
    };
    leave(visit.process, means, || Ok(()))
}
// ANCHOR_END: exec

/// Still in the host's mounts, and as whoever has called us.
fn arrive(visit: &mut Visit<'_>, proc: &Procfs) -> Result<OwnFiles> {
    // Before the group, whose processors may be others (config.md, execCPUAffinity).
    let initial = visit.process.scheduling.initial.as_ref();
    initial.map_or(Ok(()), |list| schedule::run_on(list, "initial"))?;
    visit.inside.doors.as_mut().map_or(Ok(()), Doors::enter)?;
    visit.record.rdt.as_ref().map_or(Ok(()), Membership::join_as_visitor)?;
    let files = match visit.inside.stranger {
        true => OwnFiles::open_born_inside(proc.as_fd(), visit.process)?,
        false => OwnFiles::open(proc.as_fd(), visit.process)?,
    };
    // From the next step on the container could look into us, who have the host's files open (CVE-2016-9962).
    set_dumpable(false).map_err(|errno| Error::call("prctl(PR_SET_DUMPABLE, 0)", errno))?;
    Ok(files)
}

/// setns(2) has led us to the root of the container's mount namespace, past whatever it may have mounted since.
fn root_here() -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open("/", flags, Mode::empty()).map_err(|errno| Error::call("open(\"/\", O_PATH)", errno))
}

/// /dev/console stays what it is: this terminal is one process's alone.
fn open_terminal(visit: &Visit<'_>, root: &OwnedFd) -> Result<Option<OwnedFd>> {
    match (visit.process.terminal, &visit.console) {
        (Some(plan), Some(socket)) => Console::open(root.as_fd(), plan)?.send(socket.as_fd()).map(Some),
        _ => Ok(None),
    }
}
