//! The ways out of a root directory, each bounded to one file of the host.
//!
//! chroot(2) 1979, openat(2) 2006, and the link /proc/PID/root. Book: `double-chroot` and after.
//! Invariant: of the host, the canary is read and nothing else touched, and nothing is left behind.

mod canary;
mod climb;
mod cwd_outside;
mod double_chroot;
mod kept_fd;
mod proc_root;
mod trace;

use crate::{Error, Result};
use canary::Canary;
use std::os::fd::RawFd;
use std::path::Path;
use trace::Trace;

/// A way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Move the root below the working directory: from there `..` does not meet it any more.
    DoubleChroot {
        /// In how many further roots, one in the other, to go before.
        depth: u8,
    },
    /// Walk up from a working directory that was left outside.
    CwdOutside,
    /// Walk up from a descriptor of a directory outside.
    KeptFd {
        /// The descriptor's number.
        fd: RawFd,
    },
    /// Follow the link to another process's root directory.
    ProcRoot {
        /// A process of the host.
        pid: i32,
    },
}

/// What became of an attempt.
#[derive(Debug)]
pub enum Verdict {
    /// The host's canary was read; its first line.
    Leaks(String),
    /// The call that did not let us.
    Contained(Error),
}

impl Way {
    /// The names of all ways.
    pub const NAMES: [&str; 4] = ["double-chroot", "cwd-outside", "kept-fd", "proc-root"];

    /// The name of this way.
    pub fn name(&self) -> &'static str {
        let [double_chroot, cwd_outside, kept_fd, proc_root] = Self::NAMES;
        match self {
            Way::DoubleChroot { .. } => double_chroot,
            Way::CwdOutside => cwd_outside,
            Way::KeptFd { .. } => kept_fd,
            Way::ProcRoot { .. } => proc_root,
        }
    }
}

/// Tries to read the host's file `canary` from inside, and tells `log` each call, as strace would.
///
/// `canary` is an absolute path on the host, best one that the inside does not have. The calling
/// process may end up with another root and working directory: call it in a process of its own.
///
/// # Errors
/// When the attempt would show nothing: the canary's path is relative, or leads outside the jail to no
/// regular file with some text in it. A call that fails is no error, but the verdict [`Verdict::Contained`].
pub fn attempt(way: Way, canary: &Path, log: &mut dyn FnMut(&str)) -> Result<Verdict> {
    let canary = &Canary::new(canary)?;
    let mut trace = Trace::new(log);
    let opened = match way {
        Way::DoubleChroot { depth } => double_chroot::escape(depth, canary, &mut trace),
        Way::CwdOutside => cwd_outside::escape(canary, &mut trace),
        Way::KeptFd { fd } => kept_fd::escape(fd, canary, &mut trace),
        Way::ProcRoot { pid } => proc_root::escape(pid, canary, &mut trace),
    };
    match opened.and_then(|file| canary.first_line(file, &mut trace)) {
        Ok(line) => Ok(Verdict::Leaks(line)),
        Err(error @ Error::Call { .. }) => Ok(Verdict::Contained(error)),
        Err(refused) => Err(refused),
    }
}
