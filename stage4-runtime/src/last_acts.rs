//! The last acts of a process before it is the container's: init's and every visitor's, in one order.
//!
//! execve(2) and what survives it. Book: "The last acts" (`last-acts`).
//! Invariant: what needs privilege comes before it goes, what takes privilege away is asked for again, and nothing of
//! the host's is open afterwards.

mod directory;
mod own_files;

pub use own_files::OwnFiles;

use crate::plan::process::ProcessPlan;
use crate::sys::signals;
use crate::{Error, Failure, Result, capabilities, console, exec, identity, keyring, lsm, memory_policy};
use crate::{personality, rlimits, schedule};
use directory::Directory;
use nix::sys::prctl::{get_no_new_privs, set_dumpable, set_no_new_privs, set_pdeathsig};
use own_files::setgroups_here;
use stage1_chroot::descriptors::close_others_on_exec;
use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};

/// Who leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The container's first process.
    Init,
    /// One that came later, by `exec`.
    Visitor,
}

/// What the acts are done with; all of it is opened by whoever calls, for here it may be too late.
pub struct Means<'a> {
    /// Who leaves.
    pub who: Who,
    /// The container's id, for its keyring; none: the caller's keyring is left to it (`--no-new-keyring`).
    pub keyring: Option<&'a str>,
    /// Is its user namespace not the host's?
    pub own_users: bool,
    /// The container's root.
    pub root: BorrowedFd<'a>,
    /// A procfs that this process is in; nothing of the container's can be mounted over it.
    pub proc: BorrowedFd<'a>,
    /// Files of that.
    pub files: OwnFiles,
    /// The terminal, where one was planned ([`console::Console::send`]).
    pub terminal: Option<OwnedFd>,
    /// Sockets of systemd's from descriptor 3 on ([`exec::listeners`]).
    pub listeners: u16,
    /// Descriptors behind them that are kept (`--preserve-fds`).
    pub preserved: u16,
    /// Installs the filter of system calls, where there is one.
    pub filter: &'a mut dyn FnMut() -> Result<()>,
}

/// Becomes the planned process. `until_started` is called when all is done but its execution: a container that is
/// created waits there; a visitor has nothing to wait for.
///
/// # Errors
/// It returns only if something failed: then with the exit status that engines expect.
pub fn leave(
    plan: &ProcessPlan,
    mut means: Means<'_>,
    until_started: impl FnOnce() -> Result<()>,
) -> Result<Infallible, Failure> {
    let ready = make_ready(plan, &mut means)?;
    until_started().map_err(failed)?;
    ready.go(means.filter)
}

/// A process that needs nothing of the host's any more.
#[derive(Debug)]
pub struct Ready<'a> {
    plan: &'a ProcessPlan,
    program: &'a CStr,
    environment: Vec<CString>,
}

/// All acts but the very last; afterwards what `means` borrows can be closed.
///
/// # Errors
/// What the kernel refuses; 126 or 127 where there is no program to be executed.
pub fn make_ready<'a>(plan: &'a ProcessPlan, means: &mut Means<'_>) -> Result<Ready<'a>, Failure> {
    let environment = prepare(plan, means).map_err(failed)?;
    let program = let_go(plan, means)?;
    Ok(Ready { plan, program, environment })
}

impl Ready<'_> {
    /// Is executed; `filter` is that of [`Means`].
    ///
    /// # Errors
    /// Why it was not.
    pub fn go(self, filter: &mut dyn FnMut() -> Result<()>) -> Result<Infallible, Failure> {
        signals::reset().map_err(|errno| {
            failed(Error::call("sigaction(SIG_DFL), sigprocmask(SIG_SETMASK, [])", errno))
        })?;
        // Last of all, where it can be: the profile need not allow anything but what the program does, and execve(2).
        if self.plan.no_new_privileges {
            filter().map_err(failed)?;
        }
        Err(exec::replace(self.program, &self.plan.arguments, &self.environment))
    }
}

/// What needs privilege or descriptors, and takes none away. Returned is the whole environment.
fn prepare(plan: &ProcessPlan, means: &mut Means<'_>) -> Result<Vec<CString>> {
    // Before anything else: nobody in the container may look into a process that has the host's descriptors open
    // (CVE-2016-9962). execve(2) makes the program dumpable again.
    set_dumpable(false).map_err(|errno| Error::call("prctl(PR_SET_DUMPABLE, 0)", errno))?;
    let environment = exec::environment(plan, means.root, means.listeners)?;
    means.keyring.map_or(Ok(()), |id| keyring::join(id, means.own_users))?;
    console::lead_session(means.terminal.take())?;
    plan.personality.map_or(Ok(()), personality::set)?;
    plan.memory_policy.as_ref().map_or(Ok(()), memory_policy::set)?;
    if let (Some(file), Some(score)) = (means.files.oom_score_adj.take(), plan.oom_score_adj) {
        schedule::set_oom_score(file, score)?;
    }
    place(plan, means.who)?;
    if let (Some(file), Some(profile)) = (means.files.apparmor.take(), &plan.apparmor) {
        lsm::enter_profile(file, profile)?;
    }
    if let (Some(file), Some(label)) = (means.files.selinux.take(), &plan.selinux) {
        lsm::enter_label(file, label)?;
    }
    Ok(environment)
}

/// Processors before policy: a process with a deadline may not change them any more (sched_setaffinity(2)).
fn place(plan: &ProcessPlan, who: Who) -> Result<()> {
    let scheduling = &plan.scheduling;
    if let (Who::Visitor, Some(list)) = (who, &scheduling.last) {
        schedule::run_on(list, "final")?;
    }
    scheduling.policy.as_ref().map_or(Ok(()), schedule::set_policy)?;
    scheduling.io_priority.map_or(Ok(()), schedule::set_io_priority)
}

/// What takes away, from limits to capabilities; at its end this is the container's user, and has found its program.
fn let_go<'a>(plan: &'a ProcessPlan, means: &mut Means<'_>) -> Result<&'a CStr, Failure> {
    drop_privileges(plan, means).map_err(failed)?;
    // As its user, for whom a directory may be closed; but while there still is somebody to tell.
    let program = exec::find(plan)?;
    // After the ids, whose change clears it as well; what it was set for is over.
    set_pdeathsig(None).map_err(|errno| failed(Error::call("prctl(PR_SET_PDEATHSIG, 0)", errno)))?;
    let kept = means.listeners.saturating_add(means.preserved);
    close_others_on_exec(kept).map_err(failed)?;
    Ok(program)
}

// ANCHOR: last-acts
fn drop_privileges(plan: &ProcessPlan, means: &mut Means<'_>) -> Result<()> {
    // As root, who may enter what the user may not; but not what leads out of the root (CVE-2024-21626).
    let directory = Directory::enter(means.root, &plan.directory, means.who)?;
    let setgroups = setgroups_here(means.proc)?;
    // After the last descriptor was opened, for RLIMIT_NOFILE may be as low as 0; before CAP_SYS_RESOURCE goes.
    rlimits::apply(&plan.rlimits)?;
    if plan.no_new_privileges {
        close_to_privileges()?;
    } else {
        // The kernel wants CAP_SYS_ADMIN of whoever is open to privileges: so it cannot be later than this.
        (means.filter)()?;
    }
    capabilities::bound(&plan.capabilities)?;
    capabilities::keep_over_setuid()?;
    identity::join_groups(&plan.user, setgroups)?;
    identity::own_streams(&plan.user)?;
    identity::become_user(&plan.user)?;
    capabilities::assume(&plan.capabilities)?;
    // The change of ids has made it what suid_dumpable says; the host's descriptors are still open.
    set_dumpable(false).map_err(|errno| Error::call("prctl(PR_SET_DUMPABLE, 0)", errno))?;
    directory.confirm(means.root)
}
// ANCHOR_END: last-acts

// ANCHOR: no-new-privileges
fn close_to_privileges() -> Result<()> {
    set_no_new_privs().map_err(|errno| Error::call("prctl(PR_SET_NO_NEW_PRIVS, 1)", errno))?;
    match get_no_new_privs() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::refused("prctl(PR_SET_NO_NEW_PRIVS, 1): the kernel has 0")),
        Err(errno) => Err(Error::call("prctl(PR_GET_NO_NEW_PRIVS)", errno)),
    }
}
// ANCHOR_END: no-new-privileges

/// An error of the runtime's own; 126 and 127 are for programs that could not be executed.
fn failed(error: Error) -> Failure {
    Failure { status: 1, error }
}
