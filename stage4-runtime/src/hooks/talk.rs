//! What a hook is told and what it says, until it ends.
//!
//! poll(2), pidfd_open(2). Book: "Hooks" (`hooks`).
//! Invariant: a hook that does not read, does not write, or leaves others behind that do, is waited for all the same,
//! and no longer.

use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};
use stage2_namespaces::birth::Child;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Itself,
    /// It has not.
    TimeIsUp,
}

/// Of what it says so much is kept, the end of it: the reason is there.
const KEPT: usize = 4096;

/// Both pipes.
pub struct Talk<'a> {
    input: Option<OwnedFd>,
    output: Option<OwnedFd>,
    untold: &'a [u8],
    said: Vec<u8>,
}

impl<'a> Talk<'a> {
    /// Reads from `input`, and writes `state` to `output`.
    pub fn new(input: OwnedFd, output: OwnedFd, state: &'a [u8]) -> Result<Self> {
        for end in [&input, &output] {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
                .map_err(|errno| Error::call("fcntl(pipe, F_SETFL, O_NONBLOCK)", errno))?;
        }
        Ok(Talk { input: Some(input), output: Some(output), untold: state, said: Vec::new() })
    }

    /// Talks with `child` until it has ended, or `deadline`.
    pub fn until_end(&mut self, child: &Child, deadline: Option<Instant>) -> Result<End> {
        loop {
            self.tell()?;
            self.hear()?;
            let left = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => return Ok(End::TimeIsUp),
                // Rounded up: a poll that ends too early would end too often.
                Some(left) => i32::try_from(left.as_millis()).map_or(PollTimeout::MAX, |ms| {
                    PollTimeout::try_from(ms.saturating_add(1)).unwrap_or(PollTimeout::MAX)
                }),
                None => PollTimeout::NONE,
            };
            if self.wait(child, left)? {
                return Ok(End::Itself);
            }
        }
    }

    /// Waits for news; has it ended?
    fn wait(&self, child: &Child, left: PollTimeout) -> Result<bool> {
        let mut ends = vec![PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)];
        ends.extend(self.input.as_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)));
        ends.extend(self.output.as_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLOUT)));
        match poll(&mut ends, left) {
            Ok(_) | Err(Errno::EINTR) => Ok(ends[0].any().unwrap_or(false)),
            Err(errno) => Err(Error::call("poll(hook)", errno)),
        }
    }

    /// As much of the state as it takes; when it has all of it, or reads no more, the end of the file.
    fn tell(&mut self) -> Result<()> {
        while let Some(output) = &self.output {
            match write(output, self.untold) {
                Ok(length) => self.untold = &self.untold[length..],
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EPIPE) => self.untold = &[],
                Err(errno) => return Err(Error::call("write(hook)", errno)),
            }
            if self.untold.is_empty() {
                self.output = None;
            }
        }
        Ok(())
    }

    /// All that can be read now.
    fn hear(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        while let Some(input) = &self.input {
            match read(input, &mut buffer) {
                Ok(0) => self.input = None,
                Ok(length) => {
                    self.said.extend(&buffer[..length]);
                    self.said.drain(..self.said.len().saturating_sub(KEPT));
                }
                Err(Errno::EINTR) => (),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(errno) => return Err(Error::call("read(hook)", errno)),
            }
        }
        Ok(())
    }

    /// What it had said before it ended. Whom it has left behind may hold the pipe for ever: that is not waited for.
    pub fn last_words(&mut self) -> Result<()> {
        self.hear()
    }

    /// What it said, or the end of that.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }
}
