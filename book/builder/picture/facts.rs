//! Facts of a snapshot: lines `key: value`, and whose a thing is by its value.
//!
//! No kernel calls. Book: the sections that hold the inside beside the host.
//! A value begins with `host`, `own` or `hidden`, as `probe compare` writes it, or stands for itself.
//! Invariant: a fact is a printed line; what was typed is none.

use crate::transcript::{Line, lines};

/// Whose a thing is, as a process inside sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The host's, seen from both sides.
    Host,
    /// The jail has its own.
    Own,
    /// The host has it; inside it cannot be seen.
    Hidden,
    /// The value says neither; it is shown as it is.
    Unsaid,
}

/// One observed fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact<'a> {
    /// What it is about: `root`, `mnt`, `processes`, ….
    pub key: &'a str,
    /// What was observed.
    pub value: &'a str,
    /// What the value says about its owner.
    pub owner: Owner,
}

impl Owner {
    /// The class that its box has in a drawing. Not "hidden": mdBook's own style makes that invisible.
    pub fn class(self) -> &'static str {
        match self {
            Owner::Host => "both",
            Owner::Own => "own",
            Owner::Hidden => "unseen",
            Owner::Unsaid => "unsaid",
        }
    }
}

/// The facts of a snapshot's text; the error says why there is nothing to draw.
pub fn facts(body: &str) -> Result<Vec<Fact<'_>>, String> {
    let printed = |line| match line {
        Line::Printed(text) => fact(text),
        _ => None,
    };
    let facts: Vec<Fact<'_>> = lines(body).into_iter().filter_map(printed).collect();
    if facts.iter().all(|fact| fact.owner == Owner::Unsaid) {
        return Err("no line `key: host…` or `key: own…` to draw".into());
    }
    Ok(facts)
}

fn fact(line: &str) -> Option<Fact<'_>> {
    let (key, value) = line.trim().split_once(':')?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || value.is_empty() || key.contains([' ', '"']) {
        return None;
    }
    let owner = match value.split(|c: char| !c.is_alphabetic()).next() {
        Some("host") => Owner::Host,
        Some("own") => Owner::Own,
        Some("hidden") => Owner::Hidden,
        _ => Owner::Unsaid,
    };
    Some(Fact { key, value, owner })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "$ probe facts 'a: own'\nroot: own (bin dev etc)\nnet:          host's\npid: hidden\nprocesses: host's, canary visible\nuid: 0\n";

    #[test]
    fn a_fact_says_whose_it_is() {
        let owners: Vec<_> = facts(BODY).unwrap().iter().map(|fact| (fact.key, fact.owner)).collect();
        let expected = [
            ("root", Owner::Own),
            ("net", Owner::Host),
            ("pid", Owner::Hidden),
            ("processes", Owner::Host),
            ("uid", Owner::Unsaid),
        ];
        assert_eq!(owners, expected);
    }

    #[test]
    fn a_word_that_merely_begins_like_an_owner_is_not_one() {
        assert_eq!(fact("user: hostile").unwrap().owner, Owner::Unsaid);
    }

    #[test]
    fn facts_without_an_owner_are_no_picture() {
        assert!(facts("$ true\nuid: 0\n").is_err());
    }
}
