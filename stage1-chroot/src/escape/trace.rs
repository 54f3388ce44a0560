//! The calls of an attempt, told one a line as strace would.
//!
//! strace(1) 1991. Book: `double-chroot`.
//! Invariant: the same attempt gives the same text everywhere: no pids, no descriptors' numbers.

use crate::{Error, Result};
use std::fmt::Display;
use std::os::fd::OwnedFd;

/// Where the calls are told.
pub struct Trace<'a> {
    log: &'a mut dyn FnMut(&str),
}

/// What a call gives back, as it is told.
pub trait Answer {
    /// The text after the `=`.
    const TOLD: &str;
}

impl Answer for () {
    const TOLD: &str = "0";
}

impl Answer for OwnedFd {
    const TOLD: &str = "<fd>";
}

impl<'a> Trace<'a> {
    pub fn new(log: &'a mut dyn FnMut(&str)) -> Self {
        Trace { log }
    }

    /// Tells a call and its answer; a failed one becomes the error that names it.
    pub fn call<T: Answer>(&mut self, call: impl Display, answer: nix::Result<T>) -> Result<T> {
        self.tell(&call, &answer);
        answer.map_err(|errno| Error::call(call, errno))
    }

    /// Tells a call and its answer, and leaves it at that.
    pub fn tell<T: Answer>(&mut self, call: impl Display, answer: &nix::Result<T>) {
        match answer {
            Ok(_) => self.line(format!("{call} = {}", T::TOLD)),
            Err(errno) => self.line(format!("{call} = -1 {errno:?} ({})", crate::describe(*errno))),
        }
    }

    /// Tells a line that is no plain call.
    pub fn line(&mut self, line: impl Display) {
        (self.log)(&line.to_string());
    }
}
