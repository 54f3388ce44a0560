//! What a sweep has seen of each runtime, to be written down and read again.
//!
//! uname(2). Book: "Every call that fails" (`faults`).
//! Invariant: of every runtime the same is counted; only ours has to give reasons.

use super::point::{Fault, Outcome, Verb, Verdict};
use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// A sweep.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Observed {
    pub kernel: String,
    pub runtimes: Vec<Swept>,
}

/// Of one runtime.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Swept {
    pub name: String,
    pub version: String,
    pub seconds: u64,
    /// How many points there are, of which every so-manieth was tried.
    pub points: usize,
    pub sample: u32,
    /// Verbs that do not work here at all, and why.
    pub impossible: Vec<(Verb, String)>,
    pub outcomes: Vec<Outcome>,
}

impl Observed {
    pub fn read(file: &Path) -> Result<Observed, Error> {
        let wrong = |reason: String| Error::Usage(format!("{}: {reason}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
    }

    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// What must not be.
    pub fn bad(&self) -> impl Iterator<Item = (&Swept, &Outcome)> {
        let all = self.runtimes.iter().flat_map(|swept| swept.outcomes.iter().map(move |one| (swept, one)));
        all.filter(|(_, outcome)| outcome.verdict.is_bad())
    }
}

impl Swept {
    /// How many ended so, of a verb and of a kind of fault; of all where none is named.
    pub fn count(&self, verb: Option<Verb>, killed: bool, verdict: Option<Verdict>) -> usize {
        let of = |outcome: &&Outcome| {
            verb.is_none_or(|verb| outcome.point.verb == verb)
                && (outcome.point.fault == Fault::Kill) == killed
                && verdict.is_none_or(|verdict| outcome.verdict == verdict)
        };
        self.outcomes.iter().filter(of).count()
    }
}
