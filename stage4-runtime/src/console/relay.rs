//! A terminal attended: what is typed here goes there, and what is written there comes here.
//!
//! termios(3): cfmakeraw; poll(2); signalfd(2), SIGWINCH 4.3BSD 1986. Book: "A terminal of its own" (`console`).
//! Invariant: the caller's own terminal is as it was when this ends, however it ends but by SIGKILL.

use crate::sys::tty;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
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
    // Ours alone; the caller's own terminal is not, and stays as it is.
    fcntl(master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
        .map_err(|errno| Error::call("fcntl(master, F_SETFL, O_NONBLOCK)", errno))?;
    // Inward and outward.
    let mut flows =
        [Flow::new(input, master.as_fd(), Some(END_OF_FILE)), Flow::new(master.as_fd(), output, None)];
    let mut size = None;
    loop {
        // At every wake: so it does not matter who reads the signal.
        follow_size(master, input, &mut size)?;
        for other in wait(&mut flows, resizes.queue.as_fd(), others)? {
            if let ControlFlow::Break(end) = news(other)? {
                flows[1].drain()?;
                return Ok(Some(end));
            }
        }
        resizes.forget();
        if flows[1].is_over() {
            return Ok(None);
        }
    }
}

/// Waits, and lets both flows go on as far as they can; which of `others` can be read.
fn wait(flows: &mut [Flow<'_>; 2], resizes: BorrowedFd<'_>, others: &[BorrowedFd<'_>]) -> Result<Vec<usize>> {
    let mut all = vec![PollFd::new(resizes, PollFlags::POLLIN)];
    all.extend(others.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)));
    let first = all.len();
    let waiting = flows.each_ref().map(Flow::waits_for);
    all.extend(waiting.iter().flatten().cloned());
    match poll(&mut all, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(Error::call("poll(terminal)", errno)),
    }
    let ready: Vec<bool> = all.iter().map(|fd| fd.any().unwrap_or(false)).collect();
    let mut next = first;
    for (flow, waits) in flows.iter_mut().zip(waiting) {
        if waits.is_some() {
            if ready[next] {
                flow.step()?;
            }
            next += 1;
        }
    }
    Ok((1..first).filter(|place| ready[*place]).map(|place| place - 1).collect())
}

/// One direction. Never more is read than has been written: so a side that does not read holds up nobody but itself,
/// and the other direction goes on.
struct Flow<'a> {
    from: BorrowedFd<'a>,
    to: BorrowedFd<'a>,
    /// What says on the other side that this one has ended.
    end: Option<u8>,
    read: Vec<u8>,
    last: u8,
    open: bool,
}

/// ^D: a terminal knows no end of a file, but this character.
const END_OF_FILE: u8 = 4;

/// As much as a pipe takes at once where poll(2) says that it takes something (PIPE_BUF).
const PIECE: usize = 4096;

impl<'a> Flow<'a> {
    fn new(from: BorrowedFd<'a>, to: BorrowedFd<'a>, end: Option<u8>) -> Self {
        Flow { from, to, end, read: Vec::new(), last: b'\n', open: true }
    }

    fn is_over(&self) -> bool {
        !self.open && self.read.is_empty()
    }

    fn waits_for(&self) -> Option<PollFd<'a>> {
        match self.read.is_empty() {
            false => Some(PollFd::new(self.to, PollFlags::POLLOUT)),
            true => self.open.then(|| PollFd::new(self.from, PollFlags::POLLIN)),
        }
    }

    fn step(&mut self) -> Result<()> {
        if self.read.is_empty() { self.fill() } else { self.pass_on() }
    }

    fn fill(&mut self) -> Result<()> {
        let mut buffer = [0; PIECE];
        match read(self.from, &mut buffer) {
            Ok(length @ 1..) => {
                self.read.extend(&buffer[..length]);
                self.last = buffer[length - 1];
            }
            // EIO is what a master says when nobody holds its other end.
            Ok(_) | Err(Errno::EIO) => {
                self.open = false;
                // In the middle of a line the first one ends the line, and only the second one the file.
                let ends = if matches!(self.last, b'\n' | b'\r') { 1 } else { 2 };
                self.read.extend(self.end.iter().cycle().take(ends * usize::from(self.end.is_some())));
            }
            Err(Errno::EINTR | Errno::EAGAIN) => (),
            Err(errno) => return Err(Error::call("read(terminal)", errno)),
        }
        Ok(())
    }

    fn pass_on(&mut self) -> Result<()> {
        match write(self.to, &self.read) {
            Ok(length) => drop(self.read.drain(..length)),
            Err(Errno::EINTR | Errno::EAGAIN) => (),
            // Nobody holds the container's end: what is typed for nobody is lost, as on any terminal.
            Err(Errno::EIO) => self.read.clear(),
            Err(errno) => return Err(Error::call("write(terminal)", errno)),
        }
        Ok(())
    }

    /// What was written before the end, and no more: somebody in the background may hold the terminal for ever.
    fn drain(&mut self) -> Result<()> {
        loop {
            match self.read.is_empty() {
                false => self.pass_on()?,
                true => {
                    let mut end = [PollFd::new(self.from, PollFlags::POLLIN)];
                    match poll(&mut end, PollTimeout::ZERO) {
                        Ok(0) => return Ok(()),
                        Ok(_) | Err(Errno::EINTR) => self.fill()?,
                        Err(errno) => return Err(Error::call("poll(terminal)", errno)),
                    }
                }
            }
            if self.is_over() {
                return Ok(());
            }
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
