//! What a filter answers: an action, and 16 bits for it.
//!
//! `SECCOMP_RET_*`, linux/seccomp.h; seccomp(2). Book: "System calls under a filter" (`seccomp`).
//! Invariant: of two verdicts the kernel takes the stricter, and so do we where we must choose.

use crate::config::seccomp::Action;
use nix::errno::Errno;
use std::fmt;

/// What the program returns to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verdict(pub u32);

/// `SECCOMP_RET_ACTION_FULL`; what is below is data.
const ACTION: u32 = 0xffff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

impl Verdict {
    /// For calls of an architecture that the profile does not list; libseccomp's SCMP_FLTATR_ACT_BADARCH.
    pub const FOREIGN: Verdict = Verdict(KILL_THREAD);

    /// What the profile says, with EPERM where it names no errno (config-linux.md, Seccomp).
    pub fn of(action: Action, errno: Option<u32>) -> Verdict {
        let errno = errno.unwrap_or(Errno::EPERM as u32) & !ACTION;
        Verdict(match action {
            Action::KillProcess => KILL_PROCESS,
            Action::Kill | Action::KillThread => KILL_THREAD,
            Action::Trap => TRAP,
            Action::Errno => ERRNO | errno,
            Action::Notify => NOTIFY,
            Action::Trace => TRACE | errno,
            Action::Log => LOG,
            Action::Allow => ALLOW,
        })
    }

    /// The call fails so.
    pub fn errno(errno: Errno) -> Verdict {
        Verdict(ERRNO | errno as u32)
    }

    /// Does the call fail, without anybody's being ended or asked?
    pub fn is_errno(self) -> bool {
        self.action() == ERRNO
    }

    /// Is the call made, or left to an agent?
    pub fn lets_through(self) -> bool {
        matches!(self.action(), ALLOW | LOG | NOTIFY)
    }

    /// The action alone, as the kernel numbers it.
    pub fn action(self) -> u32 {
        self.0 & ACTION
    }

    /// Smaller is stricter: the kernel's order of precedence is that of these as signed numbers.
    pub fn mildness(self) -> i32 {
        self.action() as i32
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.0 & !ACTION;
        match self.action() {
            KILL_PROCESS => f.pad("kill the process"),
            KILL_THREAD => f.pad("kill the thread"),
            TRAP => f.pad("signal SIGSYS"),
            ERRNO if data == 0 => f.pad("succeed, undone"),
            ERRNO => match Errno::from_raw(data as i32) {
                Errno::UnknownErrno => f.pad(&format!("fail with errno {data}")),
                errno => f.pad(&format!("fail with {errno:?}")),
            },
            NOTIFY => f.pad("ask the agent"),
            TRACE => f.pad(&format!("ask the tracer ({data})")),
            LOG => f.pad("allow and log"),
            ALLOW => f.pad("allow"),
            _ => f.pad(&format!("{:#x}", self.0)),
        }
    }
}
