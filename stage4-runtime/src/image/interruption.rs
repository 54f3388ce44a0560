//! An end that somebody asked for: first cleared up, then obeyed.
//!
//! sigprocmask(2), signalfd(2), Linux 2.6.22, 2007. Book: "Images" (`images`).
//! Invariant: what asks for the end is held back while work is under way, and obeyed by the kernel itself as soon as
//! nothing is left to be cleared up.

use crate::{Error, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::AsFd;

/// While it lives, these wait: hang-up, ^C, ^\ and the request to end. To be had before there is a second thread, for
/// each has a mask of its own, and takes it from who made it.
#[derive(Debug)]
pub struct Interruption {
    before: SigSet,
    queue: SignalFd,
}

impl Interruption {
    /// Holds them back.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn hold() -> Result<Self> {
        let mut held = SigSet::empty();
        for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
            held.add(signal);
        }
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&held), Some(&mut before))
            .map_err(|errno| Error::call("sigprocmask(SIG_BLOCK)", errno))?;
        let queue = SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC)
            .map_err(|errno| Error::call("signalfd()", errno))?;
        Ok(Interruption { before, queue })
    }

    /// An error where one of them waits; it is not taken, so that it ends us later.
    ///
    /// # Errors
    /// As said.
    pub fn check(&self) -> Result<()> {
        let mut queue = [PollFd::new(self.queue.as_fd(), PollFlags::POLLIN)];
        match poll(&mut queue, PollTimeout::ZERO) {
            Ok(0) => Ok(()),
            Ok(_) => Err(Error::refused("interrupted")),
            Err(errno) => Err(Error::call("poll(signalfd)", errno)),
        }
    }
}

impl Drop for Interruption {
    fn drop(&mut self) {
        // Cannot fail: the mask is one the kernel gave us.
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None).ok();
    }
}
