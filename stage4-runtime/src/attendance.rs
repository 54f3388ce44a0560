//! Signals that are meant for a process, passed on to it while its parent waits.
//!
//! poll(2), signalfd(2), pidfd_send_signal(2). Book: "A container's life" (`life-cycle`).
//! Invariant: whoever is sent a signal here waits on, and tells what became of the process.

use crate::{Error, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use stage2_namespaces::birth::Child;
use stage2_namespaces::signals::{News, Signals};
use std::os::fd::{AsFd, BorrowedFd};

/// Passes signals on until something can be read from `what`: the process has ended, or has said something.
pub fn attend_until(what: BorrowedFd<'_>, child: &Child, signals: &Signals) -> Result<()> {
    loop {
        let mut news = [signals.as_fd(), what].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut news, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => (),
            Err(errno) => return Err(Error::call("poll(signalfd, …)", errno)),
        }
        let [signal, end] = news.map(|fd| fd.any().unwrap_or(false));
        if end {
            return Ok(());
        }
        if signal {
            pass_on(child, signals)?;
        }
    }
}

/// Passes on the next signal; a process that has ended needs none.
pub fn pass_on(child: &Child, signals: &Signals) -> Result<()> {
    match signals.next()? {
        // It leads a session of its own: what our terminal sends to its foreground does not reach it.
        News::PassOn(signal) | News::FromTerminal(signal) => {
            child.signal(signal).or_else(|error| match error.errno() {
                Some(Errno::ESRCH) => Ok(()),
                _ => Err(error),
            })
        }
        News::Child => Ok(()),
    }
}
