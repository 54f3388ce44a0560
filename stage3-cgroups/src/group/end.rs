//! The end of a group: its processes killed, its directories removed.
//!
//! cgroup.kill, Linux 5.14, 2021; before it kill(2) on a frozen group; rmdir(2). Book: "The whole group" (`kill`).
//! Invariant: nothing outside of the group is touched; a group that cannot be removed says who holds it.

use super::refusal::{self, is_permission};
use super::walk::{Visit, or_none, walk};
use super::{Group, Place};
use crate::controller::Controller;
use crate::directory::Directory;
use crate::sys::process::{pidfd_kill, pidfd_open};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(5);

/// So many descriptors are open at a time: a process may have 1024 (getrlimit(2)), and some of them are its own.
const HANDFUL: usize = 256;

/// A removal that was begun goes on so long at least, also where nobody wants to wait for a group to become empty.
const LEAST: Duration = Duration::from_secs(60);

/// And reading who is in a tree, which nobody waits for, at most.
const LONGEST: Duration = Duration::from_secs(60);

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
        let mut rest = there.clone();
        if let Some(place) = self.unified().filter(|place| place.directory.has("cgroup.kill")) {
            match place.directory.write("cgroup.kill", "1") {
                // In a hybrid layout somebody may be in a group of version 1 only.
                Ok(()) => {
                    // The freezer of version 1 holds even whoever is to die.
                    if self.place(Controller::Freezer).is_some_and(is_frozen_by_version_1) {
                        self.let_die()?;
                    }
                    let struck = collect([place])?;
                    rest.retain(|pid| !struck.contains(pid));
                }
                // The owner of a delegated group may not write it, but may signal whoever is of the same user.
                Err(error) if is_permission(&error) => (),
                Err(error) => return Err(refusal::of_killing(error, place)),
            }
        }
        self.strike_frozen(&rest)
    }
    // ANCHOR_END: kill

    /// While they are frozen nobody forks; the signal is taken on thawing.
    fn strike_frozen(&self, pids: &BTreeSet<i32>) -> Result<()> {
        if pids.is_empty() {
            return Ok(());
        }
        // Where it cannot be frozen the loop of `kill` runs once more for whoever was born meanwhile.
        let frozen = self.freeze(Duration::from_millis(200)).is_ok();
        let pids: Vec<i32> = pids.iter().copied().filter(|pid| *pid > 1).collect();
        let struck = pids.chunks(HANDFUL).try_for_each(|pids| self.strike_members(pids));
        // Thawed in any case: what is frozen does not end, killed or not.
        let thawed = if frozen { self.let_die() } else { Ok(()) };
        struck.and(thawed)
    }

    /// Thaws. That the group is gone meanwhile, as one that `run` made goes with its command, is no error.
    fn let_die(&self) -> Result<()> {
        or_none(self.thaw()).map(drop)
    }

    /// Kills those of `pids` that are in the group, and no other process that has got such a number meanwhile: whose
    /// number is listed after its descriptor was opened is the listed one, or has ended and takes no signal.
    fn strike_members(&self, pids: &[i32]) -> Result<()> {
        let held: Vec<_> = pids.iter().map(|pid| (*pid, pidfd_open(*pid))).collect();
        let still = self.processes()?;
        for (pid, held) in held.into_iter().filter(|(pid, _)| still.contains(pid)) {
            let struck = match held {
                Ok(pidfd) => pidfd_kill(pidfd.as_fd()),
                // Linux before 5.3; a thread of a threaded group.
                Err(Errno::ENOSYS | Errno::EINVAL | Errno::ENOENT) => {
                    kill(Pid::from_raw(pid), Signal::SIGKILL)
                }
                Err(errno) => Err(errno),
            };
            match struck {
                Ok(()) | Err(Errno::ESRCH) => (),
                Err(errno) => {
                    let error = Error::call(format!("pidfd_send_signal({pid}, SIGKILL)"), errno);
                    return Err(error.with_hint("it is a process of another user"));
                }
            }
        }
        Ok(())
    }

    /// Removes the group and the groups inside it. Waits up to `patience` for it to be empty.
    ///
    /// # Errors
    /// EBUSY, with who holds it.
    pub fn delete(&self, patience: Duration) -> Result<usize> {
        let end = Instant::now() + patience;
        let mut removed = 0;
        loop {
            match self.remove_once(&mut removed, end) {
                Err(error) if error.errno() == Some(Errno::EBUSY) && Instant::now() < end => sleep(PAUSE),
                Err(error) if error.errno() == Some(Errno::EBUSY) => {
                    let there = self.processes()?;
                    return Err(self.held_by(&there, "rmdir"));
                }
                done => return done.map(|()| removed).map_err(refusal::of_removing),
            }
        }
    }

    /// Removes the groups in the directories `paths`, as [`Group::paths`] gave them, where they are empty: the kernel is
    /// asked once for each, and neither layout nor group is looked at. Are all of them gone?
    ///
    /// Where not, [`Group::kill`] and [`Group::delete`] take their time, and say why.
    pub fn remove_empty(paths: &[PathBuf]) -> bool {
        // Every one, also behind one that is held: what is gone need not be looked at again.
        let gone = |path: &&PathBuf| {
            let removed = unlinkat(AT_FDCWD, path.as_path(), UnlinkatFlags::RemoveDir);
            matches!(removed, Ok(()) | Err(Errno::ENOENT))
        };
        paths.iter().filter(gone).count() == paths.len()
    }

    fn remove_once(&self, removed: &mut usize, end: Instant) -> Result<()> {
        for place in &self.places {
            // Of each hierarchy its own: below the caller's groups the same name has many places.
            let mount = &place.hierarchy.mount;
            let parts: Vec<String> = (place.directory.path().strip_prefix(mount).into_iter().flatten())
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            let Some((last, way)) = parts.split_last().filter(|_| !self.name.parts().is_empty()) else {
                continue;
            };
            let parent = match Directory::open(mount).and_then(|top| top.descend(way)) {
                Err(error) if error.errno() == Some(Errno::ENOENT) => continue,
                parent => parent?,
            };
            walk(&parent, vec![last.clone()], end.max(Instant::now() + LEAST), &mut Remove(removed))?;
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

fn is_frozen_by_version_1(place: &Place) -> bool {
    place.directory.read("freezer.state").is_ok_and(|state| state.trim() != "THAWED")
}

/// Removes what it comes by, the innermost first; counts.
struct Remove<'a>(&'a mut usize);

impl Remove<'_> {
    /// Is it gone? That it was already is no error.
    fn remove(&mut self, parent: &Directory, name: &str) -> Result<bool> {
        match parent.remove(name) {
            Ok(()) => *self.0 += 1,
            Err(error) if error.errno() == Some(Errno::ENOENT) => (),
            Err(error) if error.errno() == Some(Errno::EBUSY) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

impl Visit for Remove<'_> {
    /// Most groups have none inside: ask the kernel first, and look only where it says no.
    fn find(&mut self, parent: &Directory, name: &str) -> Result<bool> {
        self.remove(parent, name).map(|gone| !gone)
    }

    fn leave(&mut self, parent: &Directory, name: &str) -> Result<()> {
        match self.remove(parent, name)? {
            true => Ok(()),
            false => Err(Error::call(format!("rmdir({:?})", parent.path().join(name)), Errno::EBUSY)),
        }
    }
}

/// Writes down who is in the groups it comes by.
struct Collect(BTreeSet<i32>);

impl Visit for Collect {
    fn enter(&mut self, group: &Directory) -> Result<()> {
        collect_own(group, &mut self.0)
    }
}

/// The processes of the group in these hierarchies, and of the groups inside it.
pub(super) fn collect<'a>(places: impl IntoIterator<Item = &'a Place>) -> Result<BTreeSet<i32>> {
    places.into_iter().try_fold(BTreeSet::new(), |pids, place| collect_from(&place.directory, pids))
}

/// Those of one directory, and of the groups inside it, beside `pids`.
pub(super) fn collect_from(directory: &Directory, pids: BTreeSet<i32>) -> Result<BTreeSet<i32>> {
    let mut all = Collect(pids);
    collect_own(directory, &mut all.0)?;
    let inside = or_none(directory.children())?.unwrap_or_default();
    if !inside.is_empty() {
        walk(directory, inside, Instant::now() + LONGEST, &mut all)?;
    }
    Ok(all.0)
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
