//! What parent and child say to each other while the child is made.
//!
//! socketpair(2), pidfd_open(2); the maps of a user namespace are written from outside. Book: "The API" (`spawn`).
//! Invariant: silence means the other one has gone. A child that hears it ends; a parent that hears it has nothing
//! left to learn, for the last copy of the child's end closes when its command is executed.

use crate::sys::birth::pidfd_open;
use crate::{Error, Failure, Result, failed};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// The parent's end.
#[derive(Debug)]
pub(crate) struct ParentEnd(UnixStream);

/// The child's end.
#[derive(Debug)]
pub(crate) struct ChildEnd {
    line: UnixStream,
    /// The parent itself; none where a filter knows no pidfd_open(2).
    parent: Option<OwnedFd>,
}

/// Both ends; neither outlives an execve(2). To be called by the parent.
pub(crate) fn pair() -> Result<(ParentEnd, ChildEnd)> {
    let (parent, line) = UnixStream::pair().map_err(|e| Error::io("socketpair(AF_UNIX, SOCK_STREAM)", &e))?;
    let ourselves = pidfd_open(Pid::this()).ok();
    Ok((ParentEnd(parent), ChildEnd { line, parent: ourselves }))
}

const GO: [u8; 1] = [b'!'];

impl ParentEnd {
    /// Your ids are mapped: go on.
    pub fn go(&mut self) -> Result<()> {
        // The child may be dead already; then the silence that follows is the news.
        match self.0.write_all(&GO) {
            Err(e) if e.raw_os_error() != Some(libc::EPIPE) => Err(Error::io("write(child)", &e)),
            _ => Ok(()),
        }
    }

    /// Waits until the child has executed its command, or has told why not.
    pub fn hear(&mut self) -> Result<(), Failure> {
        let mut text = String::new();
        self.0.read_to_string(&mut text).map_err(|e| failed(Error::io("read(child)", &e)))?;
        match parse(&text) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

impl ChildEnd {
    /// Waits for [`ParentEnd::go`].
    pub fn wait(&mut self) -> Result<()> {
        let mut word = [0];
        self.line.read_exact(&mut word).map_err(|e| Error::io("read(parent)", &e))
    }

    /// Has the parent gone? getppid(2) cannot tell: in a new pid namespace it is 0 all the time. Nor can the line alone,
    /// for a sibling that was born later has a copy of the parent's end until it executes its command.
    pub fn is_orphan(&self) -> bool {
        let has = |fd: BorrowedFd<'_>, what: PollFlags| {
            let mut ends = [PollFd::new(fd, what)];
            poll(&mut ends, PollTimeout::ZERO) == Ok(1)
                && ends[0].revents().is_some_and(|events| events.contains(what))
        };
        has(self.line.as_fd(), PollFlags::POLLHUP)
            || self.parent.as_ref().is_some_and(|parent| has(parent.as_fd(), PollFlags::POLLIN))
    }

    /// A second handle of this end, for the command that an init begets.
    pub fn again(&self) -> Result<Self> {
        let line = self.line.try_clone().map_err(|e| Error::io("dup(parent)", &e))?;
        Ok(ChildEnd { line, parent: None })
    }

    /// Tells the parent what went wrong; the status to end with.
    pub fn tell(&mut self, failure: &Failure) -> u8 {
        // A parent that does not listen has gone, and nobody is left to complain to.
        self.line.write_all(text(failure).as_bytes()).ok();
        failure.status
    }
}

/// The parts of a failure parted by NULs, which no part can hold.
pub fn text(Failure { status, error }: &Failure) -> String {
    let (what, errno) = match error {
        Error::Call { call, errno, .. } => (call, *errno as i32),
        Error::Refused { what, .. } => (what, 0),
    };
    format!("{status}\0{errno}\0{}\0{}", what.replace('\0', ""), error.hint().unwrap_or_default())
}

/// What [`text`] made of it; none where it was something else.
pub fn parse(text: &str) -> Option<Failure> {
    let mut parts = text.splitn(4, '\0');
    let (status, errno) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let (what, hint) = (parts.next()?, parts.next()?);
    let error = match errno {
        0 => Error::refused(what),
        raw => Error::call(what, Errno::from_raw(raw)),
    };
    let error = if hint.is_empty() { error } else { error.with_hint(hint) };
    Some(Failure { status, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spawn_errors_arrive_as_they_were_sent() {
        let sent = [
            Error::call("execve(\"x\")", Errno::ENOENT).with_hint("a, b"),
            Error::call("setns(3)", Errno::EPERM),
            Error::refused("no such \0 thing").with_hint("two\nlines"),
        ];
        for error in sent {
            let (mut parent, mut child) = pair().unwrap();
            let failure = Failure { status: 127, error };
            assert_eq!(child.tell(&failure), 127);
            drop(child);
            let (heard, error) = (parent.hear().unwrap_err(), failure.error);
            assert_eq!(heard.status, 127);
            let heard = heard.error;
            assert_eq!(heard.to_string(), error.to_string().replace('\0', ""));
            assert_eq!((heard.hint(), heard.errno()), (error.hint(), error.errno()));
        }
    }

    #[test]
    fn spawn_silence_is_success_for_the_parent_and_the_end_for_the_child() {
        let (mut parent, child) = pair().unwrap();
        assert!(!child.is_orphan());
        drop(child);
        assert!(parent.hear().is_ok());
        let (parent, mut child) = pair().unwrap();
        drop(parent);
        assert!(child.is_orphan());
        assert!(child.wait().is_err());
    }

    /// As in a pod: a sibling that was born later has the parent's end, and the parent has gone.
    #[test]
    fn pod_members_notice_a_dead_parent_whoever_has_its_end() {
        let (copy, mut child) = pair().unwrap();
        let mut parent = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        child.parent = Some(pidfd_open(Pid::from_raw(parent.id().cast_signed())).unwrap());
        assert!(!child.is_orphan());
        parent.kill().unwrap();
        // Not reaped yet: it is the end that counts.
        let ended = child.parent.as_ref().unwrap().as_fd();
        poll(&mut [PollFd::new(ended, PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
        assert!(child.is_orphan());
        parent.wait().unwrap();
        drop(copy);
    }
}
