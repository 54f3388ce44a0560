//! The program is given to the kernel.
//!
//! seccomp(2), Linux 3.17, 2014; seccomp_unotify(2), Linux 5.0, 2019. Book: "System calls under a filter" (`seccomp`).
//! Invariant: allocates nothing unless it fails, and after it returned there is no way back: what comes next must be
//! allowed by the filter.

use super::program::Program;
use super::verdict::Verdict;
use crate::config::seccomp::{Action, Flag, Seccomp};
use crate::sys::seccomp::{Installed, NEW_LISTENER, knows_action, knows_flags, set_filter};
use crate::{Error, Result};
use nix::errno::Errno;
use std::os::fd::OwnedFd;

/// `SECCOMP_FILTER_FLAG_TSYNC_ESRCH`, Linux 5.7: an errno where a thread cannot follow, for a listener takes the place
/// of the thread's number.
const TSYNC_ESRCH: u32 = 1 << 4;

/// `SECCOMP_FILTER_FLAG_*`, linux/seccomp.h
fn bit(flag: Flag) -> u32 {
    match flag {
        Flag::Tsync => 1 << 0,
        Flag::Log => 1 << 1,
        Flag::SpecAllow => 1 << 2,
        Flag::WaitKillableRecv => 1 << 5,
    }
}

/// What seccomp(2) is to be called with.
pub(super) fn flags(profile: &Seccomp) -> u32 {
    let flags = profile.flags.iter().fold(0, |bits, flag| bits | bit(*flag));
    match (profile.notifies(), flags & bit(Flag::Tsync) != 0) {
        (true, true) => flags | NEW_LISTENER | TSYNC_ESRCH,
        (true, false) => flags | NEW_LISTENER,
        (false, _) => flags,
    }
}

/// From now on every system call of this thread and its children is judged by the program.
///
/// Returned is the descriptor for the agent, where the profile asks one.
///
/// # Errors
/// EACCES: the caller has neither no_new_privs nor CAP_SYS_ADMIN; EINVAL: the kernel does not know a flag; ENOSYS: no
/// seccomp; EBUSY: there is a listener already; ENOMEM: filters have more than 32768 instructions together.
pub fn install(program: &Program) -> Result<Option<OwnedFd>> {
    match set_filter(program.flags, &program.instructions) {
        Ok(Installed::Plain) => Ok(None),
        Ok(Installed::Listened(fd)) => Ok(Some(fd)),
        Ok(Installed::NotBy(thread)) => {
            let error =
                Error::refused(format!("{}: thread {thread} has filters of its own", written(program)));
            Err(error
                .with_hint("SECCOMP_FILTER_FLAG_TSYNC is for processes whose threads have the same filters"))
        }
        Err(errno) => {
            let error = Error::call(written(program), errno);
            Err(match hint(errno, program.flags) {
                Some(hint) => error.with_hint(hint),
                None => error,
            })
        }
    }
}

/// The flags that this kernel knows, in the order of the specification.
pub fn known_flags() -> Vec<Flag> {
    // WAIT_KILLABLE_RECV is refused without a listener.
    let asked =
        |flag: Flag| if flag == Flag::WaitKillableRecv { bit(flag) | NEW_LISTENER } else { bit(flag) };
    Flag::ALL.iter().copied().filter(|flag| knows_flags(asked(*flag))).collect()
}

/// The actions that this kernel knows, in the order of the specification.
pub fn known_actions() -> Vec<Action> {
    Action::ALL.iter().copied().filter(|action| knows_action(Verdict::of(*action, None).action())).collect()
}

/// The call, as strace prints it.
fn written(program: &Program) -> String {
    let flags = named(program.flags).join("|");
    let flags = if flags.is_empty() { "0" } else { &flags };
    format!("seccomp(SECCOMP_SET_MODE_FILTER, {flags}, {{len={}, …}})", program.instructions.len())
}

/// The flags of seccomp(2), as the kernel names them.
pub(crate) fn named(flags: u32) -> Vec<&'static str> {
    let ours = [
        (NEW_LISTENER, "SECCOMP_FILTER_FLAG_NEW_LISTENER"),
        (TSYNC_ESRCH, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"),
    ];
    let all = Flag::ALL.iter().map(|flag| (bit(*flag), flag.name())).chain(ours);
    all.filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name).collect()
}

fn hint(errno: Errno, flags: u32) -> Option<String> {
    Some(match errno {
        Errno::EACCES => {
            "needs process.noNewPrivileges, or CAP_SYS_ADMIN at the time it is installed".to_owned()
        }
        Errno::ENOSYS => {
            "this kernel has no seccomp (CONFIG_SECCOMP_FILTER), or a filter around us hides it: \
                          leave linux.seccomp out of config.json"
                .to_owned()
        }
        Errno::EINVAL => {
            let known = known_flags().iter().fold(0, |bits, flag| bits | bit(*flag));
            let known = known | if knows_flags(NEW_LISTENER) { NEW_LISTENER | TSYNC_ESRCH } else { 0 };
            match named(flags & !known).as_slice() {
                [] => "the kernel does not take these flags together, or strict mode is in force already \
                       (Seccomp: 1 in /proc/self/status)"
                    .to_owned(),
                unknown => format!("this kernel does not know {}", unknown.join(", ")),
            }
        }
        Errno::EBUSY => "there is a listener already: a runtime inside a container with SCMP_ACT_NOTIFY \
                         cannot have one of its own"
            .to_owned(),
        Errno::ENOMEM => "the filters of this process have more than 32768 instructions together".to_owned(),
        Errno::ESRCH => {
            "a thread of this process has filters of its own (SECCOMP_FILTER_FLAG_TSYNC)".to_owned()
        }
        _ => return None,
    })
}
