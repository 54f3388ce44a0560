//! What happens in a group, told when it happens.
//!
//! inotify(7) on memory.events, pids.events and cgroup.events, 2016; eventfd(2) by cgroup.event_control, 2008.
//! Book: "Notifications" (`events`).
//! Invariant: an event is told once, and none is lost while the group is there: what wakes us only wakes us, and the
//! counters say what happened. They go with the group: of what happens just before rmdir(2) nobody can be told.

use crate::controller::Controller;
use crate::group::Group;
use crate::layout::Version;
use crate::sys::notify;
use crate::usage::{Usage, keyed};
use crate::{Error, Result};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::read;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// So many processes were killed for want of memory.
    OomKill(u64),
    /// So many times the limit of memory was met.
    MemoryLimit(u64),
    /// So many times fork(2) was refused.
    ForkRefused(u64),
    /// In so many periods the group had to wait for a processor.
    Throttled(u64),
    /// The first process came, or the last one went.
    Populated(bool),
    /// Everybody stopped, or goes on.
    Frozen(bool),
}

impl Event {
    /// Adds `more` of the same; false if it is not the same.
    pub fn add(&mut self, more: Event) -> bool {
        match (self, more) {
            (Event::OomKill(times), Event::OomKill(more))
            | (Event::MemoryLimit(times), Event::MemoryLimit(more))
            | (Event::ForkRefused(times), Event::ForkRefused(more))
            | (Event::Throttled(times), Event::Throttled(more)) => {
                *times += more;
                true
            }
            _ => false,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::OomKill(times) => write!(f, "killed for want of memory: {times}"),
            Event::MemoryLimit(times) => write!(f, "limit of memory met: {times}"),
            Event::ForkRefused(times) => write!(f, "fork refused: {times}"),
            Event::Throttled(periods) => write!(f, "throttled in periods: {periods}"),
            Event::Populated(true) => write!(f, "populated"),
            Event::Populated(false) => write!(f, "empty"),
            Event::Frozen(true) => write!(f, "frozen"),
            Event::Frozen(false) => write!(f, "thawed"),
        }
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// See [`Usage::oom_kills`].
    pub oom_kills: Option<u64>,
    /// See [`Usage::memory_met`].
    pub memory_met: Option<u64>,
    /// See [`Usage::pids_refused`].
    pub refused: Option<u64>,
    /// See [`Usage::throttled`].
    pub throttled: Option<u64>,
    /// Is anybody in it?
    pub populated: Option<bool>,
    /// Is everybody stopped?
    pub frozen: Option<bool>,
}

impl Counters {
    /// Those of `usage`.
    pub fn of(usage: &Usage, populated: Option<bool>) -> Self {
        Counters {
            oom_kills: usage.oom_kills,
            memory_met: usage.memory_met,
            refused: usage.pids_refused,
            throttled: usage.throttled,
            populated,
            frozen: usage.frozen,
        }
    }

    /// What happened between `before` and these.
    pub fn since(&self, before: &Counters) -> Vec<Event> {
        let more = |now: Option<u64>, then: Option<u64>| {
            now.zip(then).and_then(|(now, then)| now.checked_sub(then)).filter(|more| *more > 0)
        };
        let changed = |now: Option<bool>, then: Option<bool>| now.filter(|_| now != then && then.is_some());
        let events = [
            more(self.memory_met, before.memory_met).map(Event::MemoryLimit),
            more(self.oom_kills, before.oom_kills).map(Event::OomKill),
            more(self.refused, before.refused).map(Event::ForkRefused),
            more(self.throttled, before.throttled).map(Event::Throttled),
            changed(self.frozen, before.frozen).map(Event::Frozen),
            changed(self.populated, before.populated).map(Event::Populated),
        ];
        events.into_iter().flatten().collect()
    }
}

/// Watches a group.
#[derive(Debug)]
pub struct Watcher<'a> {
    group: &'a Group,
    bells: Vec<OwnedFd>,
    last: Counters,
}

impl<'a> Watcher<'a> {
    /// From now on.
    pub fn new(group: &'a Group) -> Result<Self> {
        let mut watcher = Watcher { group, bells: Vec::new(), last: Counters::default() };
        watcher.watch_files()?;
        watcher.watch_oom_of_version_1()?;
        watcher.last = watcher.counters()?;
        Ok(watcher)
    }

    /// The files that the kernel marks as changed when an event was counted.
    fn watch_files(&mut self) -> Result<()> {
        let queue =
            notify::inotify().map_err(|errno| Error::call("inotify_init1(IN_CLOEXEC|IN_NONBLOCK)", errno))?;
        let unified = self.group.unified();
        let memory =
            self.group.place(Controller::Memory).filter(|place| place.hierarchy.version == Version::V2);
        let files = [
            (memory, "memory.events"),
            (self.group.place(Controller::Pids), "pids.events"),
            (unified, "cgroup.events"),
        ];
        for (place, file) in files {
            // pids.events is younger than pids: Linux 4.9.
            let Some(place) = place.filter(|place| place.directory.has(file)) else { continue };
            let failed = |errno| {
                Error::call(
                    format!("inotify_add_watch({:?}, IN_MODIFY)", place.directory.path().join(file)),
                    errno,
                )
            };
            let opened = place.directory.file(file, OFlag::O_PATH).map_err(failed)?;
            notify::watch(queue.as_fd(), opened.as_fd()).map_err(failed)?;
        }
        self.bells.push(queue);
        Ok(())
    }

    /// Version 1 rings an eventfd when the group is out of memory.
    fn watch_oom_of_version_1(&mut self) -> Result<()> {
        let memory =
            self.group.place(Controller::Memory).filter(|place| place.hierarchy.version == Version::V1);
        let Some(place) = memory.filter(|place| place.directory.has("cgroup.event_control")) else {
            return Ok(());
        };
        let bell =
            notify::eventfd().map_err(|errno| Error::call("eventfd(0, EFD_CLOEXEC|EFD_NONBLOCK)", errno))?;
        let control = place.directory.file("memory.oom_control", OFlag::O_RDONLY);
        let control = control.map_err(|errno| Error::call("open(\"memory.oom_control\")", errno))?;
        let request = format!("{} {}", bell.as_raw_fd(), control.as_raw_fd());
        match place.directory.write("cgroup.event_control", &request) {
            // Only who may write there is told; an ordinary user sees the counters all the same.
            Err(error) if error.errno() == Some(nix::errno::Errno::EACCES) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                self.bells.push(bell);
                Ok(())
            }
        }
    }

    // ANCHOR: events
    /// What happened, waiting for it up to `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<Vec<Event>> {
        let mut bells: Vec<_> =
            self.bells.iter().map(|bell| PollFd::new(bell.as_fd(), PollFlags::POLLIN)).collect();
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        match poll(&mut bells, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => (),
            Err(errno) => return Err(Error::call("poll()", errno)),
        }
        let mut discarded = [0; 4096];
        // What they say is only that there is something: EAGAIN where there is not.
        self.bells.iter().for_each(|bell| while read(bell, &mut discarded).is_ok_and(|count| count > 8) {});
        let now = self.counters()?;
        let events = now.since(&self.last);
        self.last = now;
        Ok(events)
    }
    // ANCHOR_END: events

    fn counters(&self) -> Result<Counters> {
        Ok(Counters::of(&self.group.usage()?, self.group.is_populated()?))
    }
}

impl Group {
    /// Is anybody in it or in the groups inside it?
    pub fn is_populated(&self) -> Result<Option<bool>> {
        let events =
            self.unified().map(|place| place.directory.read_if_there("cgroup.events")).transpose()?.flatten();
        match events.and_then(|text| keyed(&text, "populated")) {
            // A process of version 1's groups need not be in that of version 2.
            Some(0) | None => self.processes().map(|pids| Some(!pids.is_empty())),
            Some(_) => Ok(Some(true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_differences_of_counters() {
        let before = Counters { oom_kills: Some(1), populated: Some(true), ..Counters::default() };
        let now = Counters { oom_kills: Some(3), refused: Some(9), populated: Some(false), ..before };
        assert_eq!(
            now.since(&before),
            [Event::OomKill(2), Event::Populated(false)],
            "what was not counted is not told"
        );
        assert_eq!(now.since(&now), []);
    }
}
