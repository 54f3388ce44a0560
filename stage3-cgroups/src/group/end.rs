//! The end of a group: its processes killed, its directories removed.
//!
//! cgroup.kill, Linux 5.14, 2021; before it kill(2) on a frozen group; rmdir(2). Book: "The whole group" (`kill`).
//! Invariant: nothing outside of the group is touched; a group that cannot be removed says who holds it.

use super::Group;
use super::make::base_directory;
use crate::directory::Directory;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(5);

/// A process in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub pid: i32,
    /// Its command, as ps(1) shows it.
    pub command: String,
}

impl Group {
    // ANCHOR: kill
    /// Kills everybody in the group and in the groups inside it, and returns when they are gone.
    ///
    /// # Errors
    /// Who is still there after `patience`.
    pub fn kill(&self, patience: Duration) -> Result<usize> {
        self.refuse_inside("kill")?;
        let end = Instant::now() + patience;
        let mut killed: BTreeSet<i32> = BTreeSet::new();
        loop {
            let there = self.processes()?;
            killed.extend(&there);
            if there.is_empty() {
                return Ok(killed.len());
            }
            if Instant::now() > end {
                return Err(self.held_by(&there, "kill"));
            }
            self.strike(&there)?;
            sleep(PAUSE);
        }
    }

    fn strike(&self, there: &BTreeSet<i32>) -> Result<()> {
        if let Some(place) = self.unified().filter(|place| place.directory.has("cgroup.kill")) {
            place.directory.write("cgroup.kill", "1")?;
        }
        // In a hybrid layout somebody may be in a version 1 group only, and before Linux 5.14 everybody is.
        let rest: Vec<i32> = self.processes()?.intersection(there).copied().collect();
        self.strike_frozen(&rest)
    }
    // ANCHOR_END: kill

    /// While they are frozen nobody forks, and no number changes its owner; the signal is taken on thawing.
    fn strike_frozen(&self, pids: &[i32]) -> Result<()> {
        if pids.is_empty() {
            return Ok(());
        }
        // Where it cannot be frozen the loop of `kill` runs once more for whoever was born meanwhile.
        let frozen = self.freeze(Duration::from_millis(200)).is_ok();
        let still = self.processes()?;
        for pid in pids.iter().filter(|pid| still.contains(pid) && **pid > 1) {
            match kill(Pid::from_raw(*pid), Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH) => (),
                Err(errno) => return Err(Error::call(format!("kill({pid}, SIGKILL)"), errno)),
            }
        }
        if frozen { self.thaw() } else { Ok(()) }
    }

    /// Removes the group and the groups inside it. Waits up to `patience` for it to be empty.
    ///
    /// # Errors
    /// EBUSY, with who holds it.
    pub fn delete(&self, patience: Duration) -> Result<usize> {
        let end = Instant::now() + patience;
        let mut removed = 0;
        loop {
            match self.remove_once(&mut removed) {
                Err(error) if error.errno() == Some(Errno::EBUSY) && Instant::now() < end => sleep(PAUSE),
                Err(error) if error.errno() == Some(Errno::EBUSY) => {
                    let there = self.processes()?;
                    return Err(self.held_by(&there, "rmdir"));
                }
                done => return done.map(|()| removed),
            }
        }
    }

    fn remove_once(&self, removed: &mut usize) -> Result<()> {
        for place in &self.places {
            let Some((last, way)) = self.name.parts().split_last() else { continue };
            let parent = match base_directory(&place.hierarchy, self.base).and_then(|base| base.descend(way))
            {
                Err(error) if error.errno() == Some(Errno::ENOENT) => continue,
                parent => parent?,
            };
            remove_tree(&parent, last, removed)?;
        }
        Ok(())
    }

    fn held_by(&self, pids: &BTreeSet<i32>, call: &str) -> Error {
        let error = Error::call(format!("{call}({})", self.name), Errno::EBUSY);
        let frozen = matches!(self.is_frozen(), Ok(Some(true)));
        match pids.is_empty() {
            true => error.with_hint(
                "a group inside it was made meanwhile, or is held by a process of another pid namespace",
            ),
            false => error.with_hint(format!(
                "held by {}{}: `stage3-cgroups kill {}`",
                holders_text(&names(pids)),
                if frozen { ", all of them frozen" } else { "" },
                self.name
            )),
        }
    }
}

/// Removes `name` in `parent` after all that is inside. That something is gone already is no error.
fn remove_tree(parent: &Directory, name: &str, removed: &mut usize) -> Result<()> {
    let gone = |error: &Error| error.errno() == Some(Errno::ENOENT);
    // Most groups have none inside: ask the kernel first, and look only where it says no.
    match parent.remove(name) {
        Ok(()) => {
            *removed += 1;
            return Ok(());
        }
        Err(error) if gone(&error) => return Ok(()),
        Err(error) if error.errno() != Some(Errno::EBUSY) => return Err(error),
        Err(_) => (),
    }
    match parent.child(name) {
        Err(error) if gone(&error) => return Ok(()),
        child => {
            let child = child?;
            child.children()?.iter().try_for_each(|inner| remove_tree(&child, inner, removed))?;
        }
    }
    match parent.remove(name) {
        Err(error) if gone(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => {
            *removed += 1;
            Ok(())
        }
    }
}

/// The processes of the group and of the groups inside it.
pub(super) fn collect(directory: &Directory, pids: &mut BTreeSet<i32>) -> Result<()> {
    collect_own(directory, pids)?;
    for name in or_none(directory.children())?.unwrap_or_default() {
        if let Some(child) = or_none(directory.child(&name))? {
            collect(&child, pids)?;
        }
    }
    Ok(())
}

/// The processes of the group itself.
pub(super) fn collect_own(directory: &Directory, pids: &mut BTreeSet<i32>) -> Result<()> {
    // In a threaded group the processes belong to the group above, and only threads are here.
    let text = match directory.read("cgroup.procs") {
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => directory.read("cgroup.threads"),
        read => read,
    };
    let text = or_none(text)?.unwrap_or_default();
    // A 0 stands for a process that this pid namespace does not see.
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
    Ok(())
}

/// A group may go while we look at it.
fn or_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENODEV)) => Ok(None),
        result => result.map(Some),
    }
}

/// The processes with their commands.
pub(super) fn names(pids: &BTreeSet<i32>) -> Vec<Holder> {
    let name = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    pids.iter().map(|pid| Holder { pid: *pid, command: name(pid).trim().to_owned() }).collect()
}

/// `712 (sleep), 713 (sh) and 5 more`
pub fn holders_text(holders: &[Holder]) -> String {
    let shown: Vec<_> = holders.iter().take(5).map(|h| format!("{} ({})", h.pid, h.command)).collect();
    match holders.len().saturating_sub(5) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Group {
    /// Who is in the group and in the groups inside it.
    pub fn holders(&self) -> Result<Vec<Holder>> {
        self.processes().map(|pids| names(&pids))
    }
}
