//! How far long work is, for who looks at a terminal.
//!
//! isatty(3), write(2). Book: "Images" (`images`).
//! Invariant: one line, written over and at last removed; elsewhere than on a terminal nothing is written at all.

use super::size;
use std::io::{IsTerminal, Write, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Quicker than this nobody reads.
const PAUSE: Duration = Duration::from_millis(100);

/// The line.
#[derive(Debug)]
pub(super) struct Progress {
    whole: u64,
    /// When it is written next; None: never.
    next: Option<Mutex<Instant>>,
}

impl Progress {
    /// Of so many bytes.
    pub(super) fn begin(whole: u64) -> Self {
        let next = stderr().is_terminal().then(|| Mutex::new(Instant::now() + PAUSE));
        Progress { whole, next }
    }

    /// So many are done.
    pub(super) fn reached(&self, bytes: u64) {
        let Some(mut next) = self.next.as_ref().and_then(|next| next.try_lock().ok()) else { return };
        let now = Instant::now();
        if now < *next {
            return;
        }
        *next = now + PAUSE;
        let percent = bytes.saturating_mul(100).checked_div(self.whole).unwrap_or(100);
        // Nobody to see it: no matter.
        write!(stderr(), "\r\x1b[K{percent:3} %  {} of {}", size(bytes), size(self.whole)).ok();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.next.is_some() {
            write!(stderr(), "\r\x1b[K").ok();
        }
    }
}
