//! Lists of processors or nodes as bits.
//!
//! No kernel calls; cpuset(7), "Formats". Book: "Processor and disk" (`schedule`).
//! Invariant: pure; a list has at most as many bits as any kernel counts.

use crate::config::fault::{At, Fault};
use serde::Serialize;

/// The largest CONFIG_NR_CPUS that any architecture has (x86).
pub const PROCESSORS: usize = 8192;

/// The largest MAX_NUMNODES.
pub const NODES: usize = 1024;

/// A set of small numbers: bit n of word n / 64.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Numbers(pub Vec<u64>);

impl Numbers {
    /// `0-3,7` with numbers below `end`; the empty text is the empty set.
    ///
    /// # Errors
    /// What is no such list, with the reason.
    pub fn parse(text: &str, end: usize, at: At<'_>) -> Result<Self, Fault> {
        let bad = |what: String| Fault::new(at.to_string(), what, "cpuset(7), List format");
        let number = |digits: &str| match digits.trim().parse::<usize>() {
            Ok(number) if number < end && !digits.contains('+') => Ok(number),
            Ok(number) => Err(bad(format!("{number} is not below {end}"))),
            Err(_) => Err(bad(format!("{digits:?} in {text:?} is no number"))),
        };
        let mut numbers = Numbers::default();
        for range in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(bad(format!("{range:?} in {text:?} ends before it begins")));
            }
            (first..=last).for_each(|number| numbers.insert(number));
        }
        Ok(numbers)
    }

    fn insert(&mut self, number: usize) {
        let word = number / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }
}
