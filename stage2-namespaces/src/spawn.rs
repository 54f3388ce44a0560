//! A command in new namespaces: the parent's side and the child's side, from birth to exit status.
//!
//! clone3(2), prctl(PR_SET_PDEATHSIG). Book: "The demo application" (`spawn`).
//! Invariant: a child whose parent is gone, at whatever moment, ends; with its own init, so does all below it. Without
//! one the wish to die binds this child alone, and only while it keeps its ids: prctl(2), PR_SET_PDEATHSIG.
//!
//! ```text
//! parent                                child
//!   hold signals
//!   clone3(all kinds at once) ────────▶ born; in a user namespace still nobody
//!   write uid_map, gid_map  ┐
//!   "go" ───────────────────┴─────────▶ set the clocks, become root inside
//!                                       die with the parent, from here on
//!                                       host name, mounts, /proc, pivot_root
//!                                       [pid] stay as init; the command is a child of it
//!   silence, or an error ◀───────────── execve closes the last copy of this end
//!   pass signals on
//!   wait for the status ◀────────────── exit
//! ```

use crate::birth::{Child, Newborn, Way, birth, exit_status};
use crate::conversation::{ChildEnd, ParentEnd, pair};
use crate::init;
use crate::kind::Kind;
use crate::mount::{Incoming, PrivateMounts, Propagation};
use crate::pivot::pivot;
use crate::request::{Mounts, PidOne, Request};
use crate::signals::{News, Signals, pass_on};
use crate::sys::birth::waitpid;
use crate::users::Users;
use crate::{Error, Failure, Result, Rootfs, failed};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::stat::fstat;
use nix::unistd::Pid;
use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd};

/// A child in its namespaces. Signals sent to us are held back for it until [`Running::wait`] passes them on.
#[derive(Debug)]
#[must_use = "wait for it, or it remains as a zombie"]
pub struct Running {
    child: Child,
    line: Option<ParentEnd>,
    signals: Signals,
}

/// Runs `work` in the new namespaces of `request`. What `work` returns is the exit status; usually it executes a
/// command, and returns only where that fails.
///
/// # Errors
/// What the request cannot have; what the kernel refuses. What goes wrong in the child is told by [`Running::wait`].
pub fn spawn(request: &Request, work: impl FnOnce() -> Result<u8, Failure>) -> Result<Running> {
    spawn_into(request, None, work)
}

/// The same; with `cgroup` (a directory of a version 2 hierarchy) everything begins inside that group.
///
/// # Errors
/// As of [`spawn`]; what [`birth`] says of the group.
pub fn spawn_into(
    request: &Request,
    cgroup: Option<BorrowedFd<'_>>,
    work: impl FnOnce() -> Result<u8, Failure>,
) -> Result<Running> {
    request.check()?;
    let (line, child_end) = pair()?;
    // After the birth there are two of each of these, one in each process; each takes its own.
    let (line, signals) = (Cell::new(Some(line)), Cell::new(Some(Signals::hold()?)));
    let child = birth(request.born_with(), cgroup, |newborn| {
        drop(line.take());
        match signals.take() {
            Some(signals) => become_child(request, &newborn, child_end, signals, work),
            None => 1,
        }
    })?;
    match (line.take(), signals.take()) {
        (Some(line), Some(signals)) => Running { child, line: Some(line), signals }.introduce(request),
        _ => Err(Error::refused("the child took what was the parent's")),
    }
}

// ANCHOR: pid
/// The child's side. An error is told to the parent; the status says only that there was one.
fn become_child(
    request: &Request,
    newborn: &Newborn,
    mut line: ChildEnd,
    signals: Signals,
    work: impl FnOnce() -> Result<u8, Failure>,
) -> u8 {
    let result = furnish(request, newborn, &mut line).map_err(failed).and_then(|()| match request.pid {
        Some(PidOne::Init) => live_as_init(&line, signals, work),
        _ => {
            signals.release();
            work()
        }
    });
    result.unwrap_or_else(|failure| line.tell(&failure))
}

fn live_as_init(
    line: &ChildEnd,
    signals: Signals,
    work: impl FnOnce() -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    let mut line = line.again().map_err(failed)?;
    let command = move |_: Newborn| work().unwrap_or_else(|failure| line.tell(&failure));
    init::live(signals, command).map(|never| match never {}).map_err(failed)
}
// ANCHOR_END: pid

// ANCHOR: all
/// From newborn to furnished; the order is the drawing's.
fn furnish(request: &Request, newborn: &Newborn, line: &mut ChildEnd) -> Result<()> {
    if waits_for_maps(request) {
        line.wait()?;
    }
    // Before the ids change: a process that changed them may not open its own /proc files any more.
    match request.time {
        Some(offsets) if !newborn.has(Kind::Time) => offsets.enter()?,
        _ => (),
    }
    request.user.as_ref().map_or(Ok(()), |users| users.become_root())?;
    die_with_parent(line)?;
    if let Some(hostname) = request.uts.as_ref().and_then(|uts| uts.hostname.as_ref()) {
        hostname.set()?;
    }
    request.mnt.as_ref().map_or(Ok(()), |mounts| arrange(mounts, newborn))
}
// ANCHOR_END: all

/// A namespace whose ids nobody maps is ready as it is.
fn waits_for_maps(request: &Request) -> bool {
    request.user.as_ref().is_some_and(|users| *users != Users::Unmapped)
}

/// After the ids have changed, for that clears the wish (prctl(2)).
fn die_with_parent(line: &ChildEnd) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).map_err(|errno| Error::call("prctl(PR_SET_PDEATHSIG, SIGKILL)", errno))?;
    // The parent may have died before the wish was made.
    match line.is_orphan() {
        true => Err(Error::refused("the parent has gone")),
        false => Ok(()),
    }
}

fn arrange(mounts: &Mounts, newborn: &Newborn) -> Result<()> {
    let incoming = match mounts.propagation {
        Propagation::Slave => Incoming::Welcome,
        // The copies must stay peers of the host's mounts: there is no proof to be had, and none is needed.
        Propagation::Shared if mounts.root.is_none() => return Propagation::Shared.apply(),
        _ => Incoming::Refused,
    };
    let proof = newborn.private_mounts(incoming)?;
    match &mounts.root {
        Some(rootfs) => change_root(&proof, rootfs, mounts.proc)?,
        None if mounts.proc => proof.remount_proc()?,
        None => (),
    }
    match mounts.propagation {
        Propagation::Private | Propagation::Slave => Ok(()),
        after @ (Propagation::Shared | Propagation::Unbindable) => after.apply(),
    }
}

/// A descriptor opened before the birth leads into the parent's mount namespace: open it again in ours. By the same
/// path; so it is the same directory only if nobody has exchanged it meanwhile.
fn change_root(proof: &PrivateMounts, outside: &Rootfs, proc: bool) -> Result<()> {
    let rootfs = Rootfs::open(outside.path())?;
    if identity(outside)? != identity(&rootfs)? {
        return Err(Error::refused(format!("{:?} is another directory than at the start", outside.path()))
            .with_hint("somebody has exchanged it, or mounted something there; begin again"));
    }
    // Before the pivot: in a user namespace a new proc is allowed only while an old one can be seen.
    if proc {
        proof.mount_proc(rootfs.as_fd())?;
    }
    pivot(proof, &rootfs)
}

fn identity(rootfs: &Rootfs) -> Result<(u64, u64)> {
    let stat = fstat(rootfs.as_fd()).map_err(|errno| Error::call("fstat(rootfs)", errno))?;
    Ok((stat.st_dev, stat.st_ino))
}

impl Running {
    /// The parent's part of the birth; on any error the child, left alone, ends.
    fn introduce(mut self, request: &Request) -> Result<Self> {
        let Some(users) = request.user.as_ref().filter(|_| waits_for_maps(request)) else { return Ok(self) };
        let mapped = self.child.number_in_proc().and_then(|child| users.write_maps(child));
        let told = mapped.and_then(|()| self.line.as_mut().map_or(Ok(()), ParentEnd::go));
        match told {
            Ok(()) => Ok(self),
            Err(error) => {
                self.line = None;
                self.child.wait()?;
                Err(error)
            }
        }
    }

    /// The child's id here.
    pub fn pid(&self) -> Pid {
        self.child.pid
    }

    /// Which call made it.
    pub fn way(&self) -> Way {
        self.child.way
    }

    /// The child as a descriptor.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.child.pidfd.as_fd()
    }

    /// Returns when the child has executed its command.
    ///
    /// # Errors
    /// What went wrong before that.
    pub fn started(&mut self) -> Result<(), Failure> {
        self.line.take().map_or(Ok(()), |mut line| line.hear())
    }

    /// Passes signals on, until the child has ended; its status, or 128 + n where signal n killed it.
    ///
    /// # Errors
    /// What went wrong in the child before its command ran.
    pub fn wait(self) -> Result<u8, Failure> {
        wait_all(vec![self]).map(|statuses| statuses[0])
    }

    /// Its status, once it has ended. What it told before comes first: the status of a failure is none of its own.
    fn ended(&mut self) -> Result<Option<u8>, Failure> {
        let ended = waitpid(self.child.pid, libc::WNOHANG)
            .map_err(|errno| failed(Error::call(format!("waitpid({}, WNOHANG)", self.child.pid), errno)))?;
        match ended.and_then(|(_, word)| exit_status(word)) {
            Some(status) => self.started().map(|()| Some(status)),
            None => Ok(None),
        }
    }
}

/// Waits for all of `children`, and passes signals on to all; their statuses in the same order.
///
/// # Errors
/// What went wrong in a child before its command ran; the others are left to end with us.
pub fn wait_all(mut children: Vec<Running>) -> Result<Vec<u8>, Failure> {
    let mut statuses = vec![None; children.len()];
    loop {
        // Before waiting: one SIGCHLD stands for all that ended since the last.
        for (child, status) in children.iter_mut().zip(&mut statuses).filter(|(_, status)| status.is_none()) {
            *status = child.ended()?;
        }
        if let Some(all) = statuses.iter().copied().collect() {
            return Ok(all);
        }
        // Nobody left to wait for means that all have a status; so there is a first.
        let Some(News::PassOn(signal)) =
            children.first().map(|first| first.signals.next()).transpose().map_err(failed)?
        else {
            continue;
        };
        for (child, _) in children.iter().zip(&statuses).filter(|(_, status)| status.is_none()) {
            pass_on(child.child.pid, signal);
        }
    }
}
