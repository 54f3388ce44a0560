//! What parent and init did at a birth, and when.
//!
//! clock_gettime(CLOCK_REALTIME), mmap(MAP_SHARED). Book: "config.json, told as calls" (`explain`).
//! Invariant: a deed costs two looks at the clock and no descriptor, and none of it where nobody has asked; what is
//! traced is done as if it were not.
//!
//! The clock is that of the day: init enters a time namespace, and has another CLOCK_MONOTONIC from there on
//! (time_namespaces(7)). And the numbers lie in memory, since init may be under its filter already, and may not write.

mod deed;
mod svg;

pub use deed::{Deed, Who};
pub use svg::svg;

use crate::sys::shared::Shared;
use crate::{Error, Result};
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// Begin, end, and whether it failed, of every deed.
type Table = Shared<{ Deed::ALL.len() * 3 }>;

/// The deeds of a birth, shared by parent and init.
#[derive(Debug)]
pub struct Trace(Option<Table>);

/// A deed that was begun; nanoseconds since the first of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Whose it was.
    pub who: Who,
    /// What it was.
    pub deed: &'static str,
    /// Where `explain` tells of it.
    pub act: crate::explain::Act,
    /// And of which field; empty: of none in particular.
    pub field: &'static str,
    /// When.
    pub begin_ns: u64,
    /// None: it never ended.
    pub end_ns: Option<u64>,
    /// The error is in the log.
    pub failed: bool,
}

impl Trace {
    /// Nobody asks.
    pub fn off() -> Self {
        Trace(None)
    }

    /// Before the birth.
    ///
    /// # Errors
    /// No memory.
    pub fn begin() -> Result<Self> {
        let table = Shared::new().map_err(|errno| Error::call("mmap(MAP_SHARED|MAP_ANONYMOUS)", errno))?;
        Ok(Trace(Some(table)))
    }

    /// Does `what`, and notes when.
    ///
    /// # Errors
    /// Those of `what`.
    pub fn time<T, E>(&self, deed: Deed, what: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.note(deed, |[begin, ..]| begin.store(now(), Ordering::Release));
        let done = what();
        self.note(deed, |[_, end, failed]| {
            failed.store(u64::from(done.is_err()), Ordering::Release);
            end.store(now(), Ordering::Release);
        });
        done
    }

    /// The same of what is done with each of `all`: no deed where there is none.
    ///
    /// # Errors
    /// Those of `what`.
    pub fn time_all<A, E>(
        &self,
        deed: Deed,
        all: &[A],
        what: impl FnOnce(&[A]) -> Result<(), E>,
    ) -> Result<(), E> {
        if all.is_empty() { Ok(()) } else { self.time(deed, || what(all)) }
    }

    /// Of a deed that its doer did not live to see the end of: execve(2).
    pub fn ended(&self, deed: Deed) {
        self.note(deed, |[_, end, _]| end.store(now(), Ordering::Release));
    }

    /// Until now, in the order in which they were begun.
    pub fn deeds(&self) -> Vec<Done> {
        let Some(table) = &self.0 else { return Vec::new() };
        let read = |number: &AtomicU64| number.load(Ordering::Acquire);
        let rows = table.numbers().chunks_exact(3).map(|row| (read(&row[0]), read(&row[1]), read(&row[2])));
        let mut begun: Vec<_> = Deed::ALL.into_iter().zip(rows).filter(|(_, row)| row.0 != 0).collect();
        begun.sort_by_key(|(_, row)| row.0);
        let first = begun.first().map_or(0, |(_, row)| row.0);
        let done = |(deed, (begin, end, failed)): (Deed, _)| {
            let (who, name, act, field) = deed.told();
            // The clock of the day may be set: an end is never before its begin.
            let end_ns = (end != 0).then(|| u64::max(end, begin) - first);
            Done { who, deed: name, act, field, begin_ns: begin - first, end_ns, failed: failed != 0 }
        };
        begun.into_iter().map(done).collect()
    }

    fn note(&self, deed: Deed, note: impl FnOnce(&[AtomicU64; 3])) {
        let table = self.0.as_ref().map(Shared::numbers);
        if let Some(row) = table.and_then(|numbers| numbers.as_chunks().0.get(deed as usize)) {
            note(row);
        }
    }
}

/// In nanoseconds; 0 if the kernel does not tell.
fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_REALTIME).ok();
    let nanoseconds = |time: nix::sys::time::TimeSpec| {
        let (seconds, rest) = (u64::try_from(time.tv_sec()).ok()?, u64::try_from(time.tv_nsec()).ok()?);
        Some(seconds * 1_000_000_000 + rest)
    };
    time.and_then(nanoseconds).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explain_has_a_row_for_every_deed() {
        assert!(Deed::ALL.iter().enumerate().all(|(row, deed)| *deed as usize == row));
    }

    #[test]
    fn explain_is_told_of_what_failed_and_of_what_never_ended() {
        let trace = Trace::begin().unwrap();
        trace.time(Deed::Group, || Ok::<_, ()>(())).unwrap();
        trace.time(Deed::Open, || Err::<(), _>(())).unwrap_err();
        trace.note(Deed::Execute, |[begin, ..]| begin.store(now(), Ordering::Release));
        trace.time_all(Deed::Sysctl, &[(); 0], |_| Err(())).unwrap();
        let deeds = trace.deeds();
        let seen: Vec<_> = deeds.iter().map(|one| (one.deed, one.end_ns.is_some(), one.failed)).collect();
        assert_eq!(seen, [("group", true, false), ("open outside", true, true), ("execute", false, false)]);
        assert_eq!(deeds[0].begin_ns, 0);
        trace.ended(Deed::Execute);
        assert!(trace.deeds()[2].end_ns.is_some());
        assert_eq!(Trace::off().time(Deed::Group, || Ok::<_, ()>(7)), Ok(7));
        assert!(Trace::off().deeds().is_empty());
    }
}
