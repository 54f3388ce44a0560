//! A command that lives in a group from its first instruction to its last process.
//!
//! clone3(2) with CLONE_INTO_CGROUP, Linux 5.7, 2020; before it, and in version 1, cgroup.procs.
//! Book: "Born inside" (`born-inside`).
//! Invariant: nothing of the command runs outside of the group, and when it is over the group goes, whoever was killed.

use crate::group::{Group, INVALID};
use crate::{Error, Failure, Result, failed};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use stage2_namespaces::Kinds;
use stage2_namespaces::birth::{Child, birth};
use stage2_namespaces::request::Request;
use stage2_namespaces::spawn::{Running, spawn, spawn_into};
use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long the end of a group may take.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What the command sees of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The path that the host sees.
    Host,
    /// A cgroup namespace, whose root is the group: `/`.
    Own,
}

// ANCHOR: born-inside
/// Runs `work` in the namespaces of `request` and in `group`.
///
/// # Errors
/// As of [`stage2_namespaces::spawn::spawn`]; that the group was deleted meanwhile.
pub fn settle(
    group: &Group,
    request: &Request,
    view: View,
    work: impl FnOnce() -> Result<u8, Failure>,
) -> Result<Running> {
    // After the birth there are two of it: the child takes its own, and the parent may try a second time.
    let work = Cell::new(Some(work));
    let inside = |born: bool| {
        let (mut doors, work) = (group.doors(born)?, &work);
        Ok(move || {
            doors.enter().map_err(failed)?;
            look(view).map_err(failed)?;
            work.take().map_or(Ok(1), |work| work())
        })
    };
    match group.cradle() {
        Some(cradle) => match spawn_into(request, Some(cradle), inside(true)?) {
            // Linux before 5.7 takes our arguments for too long, or has no clone3 at all; some filters say ENOSYS too.
            Err(error) if matches!(error.errno(), Some(Errno::E2BIG | Errno::ENOSYS)) => {
                spawn(request, inside(false)?)
            }
            born => born.map_err(explained),
        },
        None => spawn(request, inside(false)?),
    }
}
// ANCHOR_END: born-inside

// ANCHOR: view
/// Only now: a cgroup namespace made by the clone would have its root where the parent was, not where the child is
/// (`copy_cgroup_ns()` in kernel/cgroup/namespace.c runs before the child is moved).
fn look(view: View) -> Result<()> {
    match view {
        View::Host => Ok(()),
        View::Own => unshare(CloneFlags::CLONE_NEWCGROUP).map_err(|errno| {
            Error::call("unshare(CLONE_NEWCGROUP)", errno).with_hint("needs CAP_SYS_ADMIN: be root")
        }),
    }
}
// ANCHOR_END: view

fn explained(error: Error) -> Error {
    match error.errno() {
        Some(Errno::EBUSY) => {
            error.with_hint("the group hands controllers down, so it may hold no process: use one inside it")
        }
        Some(Errno::EOPNOTSUPP) => error.with_hint(INVALID),
        Some(Errno::EACCES) => error.with_hint(
            "in version 2 we must be able to write cgroup.procs in the common ancestor of our group and the new one: \
             root puts our shell into a group inside the delegated one first (stage3-cgroups attach GROUP/INSIDE PID)",
        ),
        _ => error,
    }
}

/// A process that outlives us by a moment: when we are gone, by whatever signal, it ends the group.
#[derive(Debug)]
pub struct Warden {
    line: UnixStream,
    child: Child,
}

impl Warden {
    /// Appoints it for `group`.
    pub fn appoint(group: &Group) -> Result<Warden> {
        let (ours, its) =
            UnixStream::pair().map_err(|e| Error::io("socketpair(AF_UNIX, SOCK_STREAM)", &e))?;
        let ours = Cell::new(Some(ours));
        let child = birth(Kinds::NONE, None, |_| {
            drop(ours.take());
            u8::from(keep_watch(group, its).is_err())
        })?;
        match ours.take() {
            Some(line) => Ok(Warden { line, child }),
            None => Err(Error::refused("the warden took what was its parent's")),
        }
    }

    /// It has nothing left to do, or does it now; returns when the group is gone.
    pub fn dismiss(self) -> Result<()> {
        drop(self.line);
        self.child.wait().map(drop)
    }
}

fn keep_watch(group: &Group, mut line: UnixStream) -> Result<()> {
    // The terminal's ^C is for the command; and whoever waits for our output must not wait for the warden.
    setsid().map_err(|errno| Error::call("setsid()", errno))?;
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|e| Error::io("open(\"/dev/null\")", &e))?;
    dup2_stdin(&null)
        .and_then(|()| dup2_stdout(&null))
        .and_then(|()| dup2_stderr(&null))
        .map_err(|errno| Error::call("dup2(\"/dev/null\")", errno))?;
    // Silence is the signal: the last copy of the other end is closed when its process ends.
    let mut nothing = Vec::new();
    line.read_to_end(&mut nothing).map_err(|e| Error::io("read(parent)", &e))?;
    group.kill(PATIENCE)?;
    group.delete(PATIENCE).map(drop)
}
