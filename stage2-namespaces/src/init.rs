//! Pid 1: it adopts and reaps orphans, passes signals on, and its end is the end of everybody in the namespace.
//!
//! pid_namespaces(7), "The namespace init process"; Linux 2.6.24, 2008. Book: "pid 1" (`init`).
//! Invariant: pid 1 holds no descriptor of its parent's, and ends with the command's status.

use crate::birth::{Newborn, birth, exit_status};
use crate::kind::Kinds;
use crate::signals::{News, Signals, pass_on};
use crate::sys::birth::{waitpid, with_nothing_open};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::unistd::Pid;
use std::cell::Cell;
use std::convert::Infallible;

// ANCHOR: init
/// Lives as pid 1: `command` runs as pid 2, its status becomes ours, and orphans are reaped meanwhile.
///
/// Signals that others send are the command's. The kernel shields a pid 1 from signals it has no handler for, so
/// without this a `kill` from inside would be lost. Returns only where the command could not be born.
pub(crate) fn live(signals: Signals, command: impl FnOnce(Newborn) -> u8) -> Result<Infallible> {
    // Both have a copy. The command gets its mask back; here signals stay held, or the SIGCHLD of a short command
    // would be lost between this line and the next.
    let signals = Cell::new(Some(signals));
    let child = birth(Kinds::NONE, None, |newborn| {
        if let Some(signals) = signals.take() {
            signals.release();
        }
        command(newborn)
    })?;
    // The conversation with the parent is the command's now: its end must not stay open here.
    with_nothing_open(|command| watch(command).unwrap_or(1), child.pid)
}

fn watch(command: Pid) -> Result<u8> {
    let signals = Signals::hold()?;
    loop {
        if let Some(status) = reap(command)? {
            return Ok(status);
        }
        if let News::PassOn(signal) = signals.next()? {
            pass_on(command, signal);
        }
    }
}

/// Reaps everybody who has ended: orphans and, at last, the command. One SIGCHLD may stand for many of them.
fn reap(command: Pid) -> Result<Option<u8>> {
    loop {
        match waitpid(Pid::from_raw(-1), libc::WNOHANG) {
            Ok(Some((ended, word))) if ended == command => return Ok(exit_status(word)),
            Ok(Some(_orphan)) => (),
            Ok(None) | Err(Errno::ECHILD) => return Ok(None),
            Err(errno) => return Err(Error::call("waitpid(-1, WNOHANG)", errno)),
        }
    }
}
// ANCHOR_END: init
