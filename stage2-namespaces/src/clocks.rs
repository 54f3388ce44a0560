//! The time namespace: two clocks that run at the same pace from another beginning.
//!
//! /proc/PID/timens_offsets; Linux 5.6, 2020. Book: "time" (`time`).
//! Invariant: offsets are written before the first process enters; afterwards the kernel takes none.

use crate::birth::enter_new_time;
use crate::{Error, Result};
use nix::time::{ClockId, clock_gettime};
use std::fs;

/// What is added to a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offset {
    /// Seconds; may be negative.
    pub seconds: i64,
    /// Nanoseconds beside them, less than a second; they always count forward.
    pub nanoseconds: u32,
}

impl From<i64> for Offset {
    fn from(seconds: i64) -> Self {
        Offset { seconds, nanoseconds: 0 }
    }
}

/// What to add to the two clocks that have an offset; the wall clock has none.
///
/// To add to the clocks of the host, that is of the first time namespace: from inside another one, too, the kernel
/// counts from there. None: the clock stays as it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offsets {
    /// CLOCK_BOOTTIME, which uptime(1) shows.
    pub boottime: Option<Offset>,
    /// CLOCK_MONOTONIC.
    pub monotonic: Option<Offset>,
}

/// Half of what a 64-bit count of nanoseconds holds, in seconds (about 146 years); time_namespaces(7).
const LIMIT: i64 = i64::MAX / 1_000_000_000 / 2;

const OFFSETS: &str = "/proc/self/timens_offsets";

impl Offsets {
    /// Are both clocks left as they are?
    pub fn are_none(self) -> bool {
        self == Offsets::default()
    }

    fn wanted(self) -> impl Iterator<Item = (&'static str, ClockId, Offset)> {
        [
            self.monotonic.map(|offset| ("monotonic", ClockId::CLOCK_MONOTONIC, offset)),
            self.boottime.map(|offset| ("boottime", ClockId::CLOCK_BOOTTIME, offset)),
        ]
        .into_iter()
        .flatten()
    }

    /// No clock may run before zero or beyond the limit: the kernel's ERANGE, before anything is made.
    pub fn check(self) -> Result<()> {
        let present = fs::read_to_string(OFFSETS).unwrap_or_default();
        for (name, clock, offset) in self.wanted() {
            let now =
                clock_gettime(clock).map_err(|errno| Error::call(format!("clock_gettime({name})"), errno))?;
            let host = now.tv_sec() - present_offset(&present, name);
            if !in_range(host, offset.seconds) {
                return Err(Error::refused(format!("{name} offset {} is out of range", offset.seconds))
                    .with_hint(format!(
                        "the host's clock stands at {host} s; with it between 0 and {LIMIT}"
                    )));
            }
        }
        Ok(())
    }

    // ANCHOR: time
    /// Enters a new time namespace with these offsets; for a process with one thread.
    pub fn enter(self) -> Result<()> {
        enter_new_time(|| {
            let line = |(name, _, at): (_, _, Offset)| format!("{name} {} {}\n", at.seconds, at.nanoseconds);
            let text: String = self.wanted().map(line).collect();
            fs::write(OFFSETS, &text).map_err(|e| Error::io(format!("write({OFFSETS:?}, {text:?})"), &e))
        })
    }
    // ANCHOR_END: time
}

/// The seconds our own namespace adds to the clock `name`: its line of /proc/self/timens_offsets.
fn present_offset(offsets: &str, name: &str) -> i64 {
    let line = offsets.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn in_range(now: i64, offset: i64) -> bool {
    now.checked_add(offset).is_some_and(|then| (0..=LIMIT).contains(&then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_offsets_of_our_own_namespace_are_read() {
        let offsets = "monotonic           0         0\nboottime         -500         0\n";
        assert_eq!(present_offset(offsets, "boottime"), -500);
        assert_eq!((present_offset(offsets, "monotonic"), present_offset("", "boottime")), (0, 0));
    }

    #[test]
    fn time_runs_neither_before_zero_nor_past_the_limit() {
        assert!(in_range(100, -100) && in_range(100, 0) && in_range(0, LIMIT));
        assert!(
            !in_range(100, -101) && !in_range(1, LIMIT) && !in_range(1, i64::MAX) && !in_range(0, i64::MIN)
        );
    }
}
