//! The time namespace: two clocks that run at the same pace from another beginning.
//!
//! /proc/PID/timens_offsets; Linux 5.6, 2020. Book: "time" (`time`).
//! Invariant: offsets are written before the first process enters; afterwards the kernel takes none.

use crate::birth::enter_new_time;
use crate::{Error, Result};
use nix::time::{ClockId, clock_gettime};
use std::fs;

/// Seconds to add to the two clocks that have an offset; the wall clock has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offsets {
    /// CLOCK_BOOTTIME, which uptime(1) shows.
    pub boottime: i64,
    /// CLOCK_MONOTONIC.
    pub monotonic: i64,
}

/// Half of what a 64-bit count of nanoseconds holds, in seconds (about 146 years); time_namespaces(7).
const LIMIT: i64 = i64::MAX / 1_000_000_000 / 2;

impl Offsets {
    /// Are both clocks left as they are?
    pub fn are_none(self) -> bool {
        self == Offsets::default()
    }

    /// No clock may run before zero or beyond the limit: the kernel's ERANGE, before anything is made.
    pub fn check(self) -> Result<()> {
        for (name, clock, offset) in [
            ("boottime", ClockId::CLOCK_BOOTTIME, self.boottime),
            ("monotonic", ClockId::CLOCK_MONOTONIC, self.monotonic),
        ] {
            let now =
                clock_gettime(clock).map_err(|errno| Error::call(format!("clock_gettime({name})"), errno))?;
            if !in_range(now.tv_sec(), offset) {
                return Err(Error::refused(format!("{name} offset {offset} is out of range")).with_hint(
                    format!("the clock stands at {} s; with it between 0 and {LIMIT}", now.tv_sec()),
                ));
            }
        }
        Ok(())
    }

    // ANCHOR: time
    /// Enters a new time namespace with these offsets; for a process with one thread.
    pub(crate) fn enter(self) -> Result<()> {
        enter_new_time(|| {
            let path = "/proc/self/timens_offsets";
            let text = format!("monotonic {} 0\nboottime {} 0\n", self.monotonic, self.boottime);
            fs::write(path, &text).map_err(|e| Error::io(format!("write({path:?}, {text:?})"), &e))
        })
    }
    // ANCHOR_END: time
}

fn in_range(now: i64, offset: i64) -> bool {
    now.checked_add(offset).is_some_and(|then| (0..=LIMIT).contains(&then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_neither_before_zero_nor_past_the_limit() {
        assert!(in_range(100, -100) && in_range(100, 0) && in_range(0, LIMIT));
        assert!(
            !in_range(100, -101) && !in_range(1, LIMIT) && !in_range(1, i64::MAX) && !in_range(0, i64::MIN)
        );
    }
}
