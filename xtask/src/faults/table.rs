//! The table in letters: for a terminal, and for a page.
//!
//! No kernel calls. Book: "Every call that fails" (`faults`).
//! Invariant: whatever must not be is named below the table, point by point.

use super::{
    observed::{Observed, Swept},
    point::{Verb, Verdict},
};
use std::fmt::Write;

/// A row: what is counted, and the numbers of each verdict.
type Row = (String, usize, Vec<usize>);

fn rows(swept: &Swept) -> Vec<Row> {
    let row = |name: String, verb, killed| {
        let counts = Verdict::ALL.iter().map(|verdict| swept.count(verb, killed, Some(*verdict)));
        (name, swept.count(verb, killed, None), counts.collect())
    };
    let of = |(killed, word): (bool, &'static str)| {
        let verbs = Verb::ALL.iter().map(move |verb| {
            let name = if *verb == Verb::Force { "delete --force" } else { verb.name() };
            row(format!("{name}{word}"), Some(*verb), killed)
        });
        verbs.chain([row(format!("all{word}"), None, killed)]).collect::<Vec<_>>()
    };
    [(false, ""), (true, ", killed")].into_iter().flat_map(of).filter(|row| row.1 > 0).collect()
}

/// What is said above a runtime's rows.
fn head(swept: &Swept) -> String {
    let Swept { name, version, points, sample, seconds, .. } = swept;
    let tried = swept.outcomes.len();
    let which = if *sample > 1 { format!("{tried} of {points} points") } else { format!("{tried} points") };
    format!("{name}: {version}; {which}, {}:{:02} min", seconds / 60, seconds % 60)
}

/// Of one runtime only: what it is not asked for a reason for.
fn heads() -> Vec<&'static str> {
    Verdict::ALL.iter().map(|verdict| verdict.name()).collect()
}

/// For a terminal.
pub(super) fn text(observed: &Observed) -> String {
    let mut text = format!("Linux {}\n", observed.kernel);
    for swept in &observed.runtimes {
        write!(text, "\n{}\n{:24}{:>7}", head(swept), "", "tried").ok();
        heads().iter().for_each(|head| text += &format!("{head:>11}"));
        for (name, tried, counts) in rows(swept) {
            write!(text, "\n{name:24}{tried:>7}").ok();
            counts.iter().for_each(|count| text += &format!("{:>11}", dash(*count)));
        }
        text.push('\n');
        swept
            .impossible
            .iter()
            .for_each(|(verb, why)| text += &format!("{}: not here: {why}\n", verb.name()));
    }
    text
}

/// Nothing recedes.
fn dash(count: usize) -> String {
    if count == 0 { "-".to_owned() } else { count.to_string() }
}

/// For a page.
pub(super) fn markdown(observed: &Observed) -> String {
    let mut text = String::new();
    for swept in &observed.runtimes {
        write!(text, "### {}\n\n| | tried |", head(swept)).ok();
        heads().iter().for_each(|head| text += &format!(" {head} |"));
        text += "\n|---|";
        (0..=heads().len()).for_each(|_| text += "--:|");
        for (name, tried, counts) in rows(swept) {
            write!(text, "\n| {name} | {tried} |").ok();
            counts.iter().for_each(|count| text += &format!(" {} |", dash(*count)));
        }
        text += "\n\n";
    }
    text
}

/// A line a point that must not be.
pub(super) fn bad(observed: &Observed) -> Vec<String> {
    // A runtime of which nothing works, and ours of which anything does not, shows nothing.
    let silent = |swept: &&Swept| swept.name == super::OURS || swept.outcomes.is_empty();
    let impossible = observed.runtimes.iter().filter(silent).flat_map(|swept| {
        let line = |(verb, why): &(Verb, String)| format!("{} {}: not here: {why}", swept.name, verb.name());
        swept.impossible.iter().map(line).collect::<Vec<_>>()
    });
    let lines = observed.bad().map(|(swept, outcome)| {
        let (name, verdict) = (&swept.name, outcome.verdict.name());
        format!("{name} {}: {verdict}: status {}; {}", outcome.point, outcome.status, outcome.told)
    });
    impossible.chain(lines).collect()
}
