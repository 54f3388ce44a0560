//! What may fail and be carried on from: the short list, with a reason for each.
//!
//! Reads `xtask/faults.toml`. Book: "Every call that fails" (`faults`).
//! Invariant: a line of the list that nothing is true of any more is found by a whole sweep.

use super::point::{Fault, Outcome, Verb, Verdict};
use crate::Error;
use serde::Deserialize;

const LIST: &str = include_str!("../../faults.toml");

/// Calls of which a failure is harmless, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Harmless {
    calls: Vec<String>,
    /// Which errors; all where none is named.
    #[serde(default)]
    errors: Vec<Fault>,
    /// In which verbs; in all where none is named.
    #[serde(default)]
    verbs: Vec<Verb>,
    /// What differs in the program's facts, and may: a part of each difference that is told.
    differs: Option<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "for who reads the list; that there is one is tested"))]
    why: String,
}

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Carried {
    harmless: Vec<Harmless>,
}

impl Carried {
    pub fn load() -> Result<Carried, Error> {
        toml::from_str(LIST).map_err(|error| Error::Failed(format!("xtask/faults.toml: {error}")))
    }

    /// Whether it may be carried on from there.
    pub fn has(&self, outcome: &Outcome) -> bool {
        let point = &outcome.point;
        self.harmless.iter().any(|one| {
            one.calls.contains(&point.call)
                && (one.errors.is_empty() || one.errors.contains(&point.fault))
                && (one.verbs.is_empty() || one.verbs.contains(&point.verb))
                && (outcome.verdict == Verdict::Open) == one.differs.is_some()
                && one.differs.iter().all(|part| outcome.told.split("; ").all(|told| told.contains(part)))
        })
    }

    /// By the list: what it does not know is unlisted, and what it knows to differ is no hole.
    pub fn weigh(&self, outcome: &mut Outcome) {
        match (outcome.verdict, self.has(outcome)) {
            (Verdict::Carried, false) => outcome.verdict = Verdict::Unlisted,
            (Verdict::Open, true) => outcome.verdict = Verdict::Carried,
            _ => {}
        }
    }

    /// Every line has a reason.
    #[cfg(test)]
    fn reasons(&self) -> impl Iterator<Item = &str> {
        self.harmless.iter().map(|one| one.why.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::names;

    #[test]
    fn every_line_names_calls_that_there_are_and_says_why() {
        let carried = Carried::load().unwrap_or_else(|error| panic!("{error}"));
        assert!(carried.reasons().all(|why| why.len() > 20));
        let mut calls = carried.harmless.iter().flat_map(|one| &one.calls);
        assert!(calls.all(|call| names::number(call).is_some()));
    }
}
