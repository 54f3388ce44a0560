//! The listener of a filter reaches the agent by somebody whom the filter does not bind.
//!
//! clone3(CLONE_FILES); seccomp_unotify(2), Linux 5.0, 2019. Book: "An answer from outside" (`seccomp-agent`).
//! Invariant: the program is not executed before the agent can answer; and whatever calls it is asked about, init
//! makes none of them to get there but wait4(2) and execve(2).
//!
//! Once the filter is in force, a call that it asks about waits for the agent, which needs the listener first. So init
//! cannot send it, if it is asked about sendmsg(2); and the parent may not take it (pidfd_getfd(2)), who is an ordinary
//! user, while init is not dumpable (CVE-2016-9962). Before, init begets a messenger: without a filter, and with the
//! same table of descriptors, in which the kernel will put the listener.
//!
//! ```text
// ANCHOR: seccomp-agent
//! parent                 init                      messenger
//!                        clone3(CLONE_FILES) ────▶ waits for the descriptor
//!                        seccomp(NEW_LISTENER)
//!   tells the agent ◀───────────────────────────── sends it
//!   "go" ────────────────────────────────────────▶ ends
//!                        wait4(), execve()
// ANCHOR_END: seccomp-agent
//! ```

use super::program::Program;
use crate::conversation::Line;
use crate::sys::descriptors::is_open;
use crate::{Error, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};
use stage2_namespaces::birth::birth_sharing_descriptors;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::thread::sleep;
use std::time::Duration;

/// Installs the filter; where it asks an agent, returns when the parent, at the other end of `line`, has told it.
///
/// # Errors
/// The filter is refused, no agent can be reached, or there is no room for a messenger: a process, two descriptors.
pub fn install(program: &Program, line: &Line) -> Result<()> {
    if !program.listens() {
        return super::install(program).map(drop);
    }
    let number = number_of_listener(line)?;
    let init = getpid();
    let messenger =
        birth_sharing_descriptors(|_| u8::from(carry(number, line, init).is_err())).map_err(|error| {
            error.with_hint("a messenger to the seccomp agent is one process more: pids.limit")
        })?;
    let listener = super::install(program)?;
    let expected = listener.as_ref().map(AsRawFd::as_raw_fd) == Some(number);
    match messenger.wait()? {
        0 if expected => Ok(()),
        _ => Err(Error::refused("the seccomp agent has not got its listener")
            .with_hint("linux.seccomp.listenerPath: the runtime's own error says why")),
    }
}

/// The kernel takes the lowest number that is free (open(2)): the next for the messenger's pidfd, then the listener's.
fn number_of_listener(line: &Line) -> Result<RawFd> {
    let copy = || {
        line.as_fd().try_clone_to_owned().map_err(|error| {
            Error::io("fcntl(line, F_DUPFD_CLOEXEC)", &error)
                .with_hint("process.rlimits: the listener for the seccomp agent is one descriptor more")
        })
    };
    let (_pidfd, listener) = (copy()?, copy()?);
    Ok(listener.as_raw_fd())
}

/// Of the messenger: waits for the listener, gives it away, and waits until the agent has it.
fn carry(number: RawFd, line: &Line, init: Pid) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).map_err(|errno| Error::call("prctl(PR_SET_PDEATHSIG, SIGKILL)", errno))?;
    // The kernel may look at the filter for a while, and refuse it; then init ends, and we with it.
    while !is_open(number) {
        if getppid() != init {
            return Err(Error::refused("init has ended"));
        }
        sleep(Duration::from_micros(50));
    }
    line.hand_over(number)?;
    line.wait_for_go().map(drop)
}
