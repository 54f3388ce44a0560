//! Signals as messages: held back, read from a descriptor, passed on.
//!
//! sigprocmask(2), signalfd(2) (Linux 2.6.22, 2007). Book: "pid 1" (`init`).
//! Invariant: from before the birth until the end no signal is lost; the command starts with the mask we had.

use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::{Rc, Weak};

/// Signals that are held back and can be read; released when the last of those who hold them is dropped.
#[derive(Debug)]
pub struct Signals {
    before: Rc<Mask>,
    queue: SignalFd,
}

/// The mask from before the first hold; restored when dropped.
#[derive(Debug)]
struct Mask(SigSet);

thread_local! {
    /// What is held at present. Two children at once share one mask, in whichever order they end.
    static HELD: RefCell<Weak<Mask>> = const { RefCell::new(Weak::new()) };
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// A child changed its state.
    Child,
    /// Somebody sent this, and meant the command.
    PassOn(i32),
    /// From the terminal, which has sent it to all of its foreground group as well.
    FromTerminal(i32),
}

impl Signals {
    /// Holds back all signals but those of job control and of faults of our own.
    pub fn hold() -> Result<Self> {
        let mut held = SigSet::all();
        for own in [
            Signal::SIGTSTP,
            Signal::SIGTTIN,
            Signal::SIGTTOU,
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGFPE,
        ] {
            held.remove(own);
        }
        heed_children();
        let mut before = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&held), Some(&mut before))
            .map_err(|errno| Error::call("sigprocmask(SIG_BLOCK)", errno))?;
        let before = HELD.with_borrow_mut(|known| {
            let mask = known.upgrade().unwrap_or_else(|| Rc::new(Mask(before)));
            *known = Rc::downgrade(&mask);
            mask
        });
        let queue = SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC)
            .map_err(|errno| Error::call("signalfd()", errno))?;
        Ok(Signals { before, queue })
    }

    /// For a child: the mask from before the hold, although copies of other holders remain in its memory.
    pub fn release(self) {
        HELD.set(Weak::new());
        self.before.restore();
    }

    /// Until this process ends they are held, whoever drops what: so that none takes away what is still to be done, and
    /// told, when the command has ended.
    pub fn keep_held(&self) {
        std::mem::forget(Rc::clone(&self.before));
    }

    /// Waits for the next.
    pub fn next(&self) -> Result<News> {
        loop {
            match self.queue.read_signal() {
                Ok(Some(info)) if info.ssi_signo == libc::SIGCHLD as u32 => return Ok(News::Child),
                // The kernel itself sends to the whole foreground group: ^C, ^\\, hang-up, a new window size.
                Ok(Some(info)) if info.ssi_code == libc::SI_KERNEL => {
                    return Ok(News::FromTerminal(info.ssi_signo as i32));
                }
                Ok(Some(info)) => return Ok(News::PassOn(info.ssi_signo as i32)),
                Ok(None) | Err(Errno::EINTR) => (),
                Err(errno) => return Err(Error::call("read(signalfd)", errno)),
            }
        }
    }
}

/// Can be read when the next has arrived.
impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

/// An ignored SIGCHLD, inherited from a careless caller, would reap children behind our back.
pub fn heed_children() {
    crate::sys::birth::heed(libc::SIGCHLD);
}

impl Mask {
    fn restore(&self) {
        // Cannot fail: the mask is one the kernel gave us.
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None).ok();
    }
}

impl Drop for Mask {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Sends the command what was meant for it. It may have ended meanwhile: then there is nobody to tell.
pub(crate) fn pass_on(command: Pid, signal: i32) {
    // By number, for real-time signals have no name in nix. The number is still the command's: we have not reaped it.
    crate::sys::birth::kill(command, signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> SigSet {
        let mut present = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut present)).unwrap();
        present
    }

    #[test]
    fn init_signals_are_released_with_their_last_holder_in_whatever_order() {
        let before = mask();
        for first_in_first_out in [true, false] {
            let (first, second) = (Signals::hold().unwrap(), Signals::hold().unwrap());
            let (sooner, later) = if first_in_first_out { (first, second) } else { (second, first) };
            drop(sooner);
            assert!(mask().contains(Signal::SIGTERM), "one still holds them");
            drop(later);
            assert_eq!(mask(), before);
        }
    }
}
