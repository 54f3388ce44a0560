//! A terminal attended: what is typed here goes there, and what is written there comes here.
//!
//! termios(3): cfmakeraw; poll(2); signalfd(2), SIGWINCH 4.3BSD 1986. Book: "A terminal of its own" (`console`).
//! Invariant: the caller's own terminal is as it was when this ends, however it ends but by SIGKILL.

use crate::sys::tty;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{isatty, read, write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The caller's terminal, without line editing, echo and signals of its own: those are the container's.
#[derive(Debug)]
pub struct Raw<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Raw<'a> {
    /// Makes `terminal` raw; None: it is no terminal, and has nothing to change.
    pub fn make(terminal: BorrowedFd<'a>) -> Result<Option<Self>> {
        if !isatty(terminal).unwrap_or(false) {
            return Ok(None);
        }
        let before = tcgetattr(terminal).map_err(|errno| Error::call("tcgetattr(0)", errno))?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(terminal, SetArg::TCSANOW, &raw)
            .map_err(|errno| Error::call("tcsetattr(0, TCSANOW)", errno))?;
        Ok(Some(Raw { terminal, before }))
    }
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        // It may have been taken away; then there is nothing to set right.
        tcsetattr(self.terminal, SetArg::TCSADRAIN, &self.before).ok();
    }
}

/// Changes of the size of our own terminal, as something to wait for.
struct Resizes {
    before: SigSet,
    queue: SignalFd,
}

impl Resizes {
    fn watch() -> Result<Self> {
        let (mut winch, mut before) = (SigSet::empty(), SigSet::empty());
        winch.add(Signal::SIGWINCH);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&winch), Some(&mut before))
            .map_err(|errno| Error::call("sigprocmask(SIG_BLOCK, [SIGWINCH])", errno))?;
        let queue = SignalFd::with_flags(&winch, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(|errno| Error::call("signalfd([SIGWINCH])", errno))?;
        Ok(Resizes { before, queue })
    }

    fn forget(&self) {
        while matches!(self.queue.read_signal(), Ok(Some(_))) {}
    }
}

impl Drop for Resizes {
    fn drop(&mut self) {
        // Cannot fail: the mask is one the kernel gave us.
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None).ok();
    }
}

/// Attends `master` with `input` and `output` until its other end is closed, or `news` says so.
///
/// `others` are waited for, too: when one of them can be read, `news` is called with its place among them; a
/// descriptor of the container's first process, or a signalfd, say. What the container has written by the time that
/// `news` breaks is still passed on.
pub fn attend<T>(
    master: &OwnedFd,
    (input, output): (BorrowedFd<'_>, BorrowedFd<'_>),
    others: &[BorrowedFd<'_>],
    mut news: impl FnMut(usize) -> Result<ControlFlow<T>>,
) -> Result<Option<T>> {
    let _raw = Raw::make(input)?;
    let resizes = Resizes::watch()?;
    let (mut size, mut input_open) = (None, true);
    loop {
        // At every wake: so it does not matter who reads the signal.
        follow_size(master, input, &mut size)?;
        let ready = wait(master, input_open.then_some(input), resizes.queue.as_fd(), others)?;
        resizes.forget();
        if ready.input && !copy(input, master.as_fd())? {
            input_open = false;
            // The end of a file is a character to a terminal; the container reads it as its end.
            write_all(master.as_fd(), &[END_OF_FILE])?;
        }
        if ready.master && !copy(master.as_fd(), output)? {
            return Ok(None);
        }
        for other in ready.others {
            if let ControlFlow::Break(end) = news(other)? {
                drain(master, output)?;
                return Ok(Some(end));
            }
        }
    }
}

/// ^D
const END_OF_FILE: u8 = 4;

struct Ready {
    master: bool,
    input: bool,
    others: Vec<usize>,
}

fn wait(
    master: &OwnedFd,
    input: Option<BorrowedFd<'_>>,
    resizes: BorrowedFd<'_>,
    others: &[BorrowedFd<'_>],
) -> Result<Ready> {
    let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut all = vec![watch(master.as_fd()), watch(resizes)];
    all.extend(others.iter().copied().map(watch));
    all.extend(input.map(watch));
    match poll(&mut all, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(Error::call("poll(terminal)", errno)),
    }
    let ready = |place: usize| all.get(place).is_some_and(|fd| fd.any().unwrap_or(false));
    let places = 2..2 + others.len();
    Ok(Ready {
        master: ready(0),
        input: ready(places.end),
        others: places.clone().filter(|place| ready(*place)).map(|place| place - places.start).collect(),
    })
}

/// Passes on what can be read at once. False: nothing comes any more.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<bool> {
    let mut buffer = [0; 16 * 1024];
    match read(from, &mut buffer) {
        Ok(0) => Ok(false),
        Ok(length) => write_all(to, &buffer[..length]).map(|()| true),
        Err(Errno::EINTR | Errno::EAGAIN) => Ok(true),
        // What a master says when nobody holds its other end.
        Err(Errno::EIO) => Ok(false),
        Err(errno) => Err(Error::call("read(terminal)", errno)),
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::EINTR) => (),
            Err(Errno::EAGAIN) => {
                let mut end = [PollFd::new(to, PollFlags::POLLOUT)];
                match poll(&mut end, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => (),
                    Err(errno) => return Err(Error::call("poll(terminal)", errno)),
                }
            }
            // Nobody holds the container's end: what is typed for nobody is lost, as on any terminal.
            Err(Errno::EIO) => return Ok(()),
            Err(errno) => return Err(Error::call("write(terminal)", errno)),
        }
    }
    Ok(())
}

/// What was written before the end, and no more: somebody in the background may hold the terminal for ever.
fn drain(master: &OwnedFd, output: BorrowedFd<'_>) -> Result<()> {
    loop {
        let mut end = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        match poll(&mut end, PollTimeout::ZERO) {
            Ok(0) => return Ok(()),
            Ok(_) if !copy(master.as_fd(), output)? => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => (),
            Err(errno) => return Err(Error::call("poll(terminal)", errno)),
        }
    }
}

/// The container's terminal is as large as ours, from the beginning and after each change.
fn follow_size(master: &OwnedFd, own: BorrowedFd<'_>, known: &mut Option<tty::Size>) -> Result<()> {
    let Ok(now) = tty::size(own) else { return Ok(()) };
    if *known != Some(now) {
        tty::set_size(master.as_fd(), now)
            .map_err(|errno| Error::call("ioctl(master, TIOCSWINSZ)", errno))?;
        *known = Some(now);
    }
    Ok(())
}
