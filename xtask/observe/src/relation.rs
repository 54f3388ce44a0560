//! What a run printed, normalised by relation to the host: `mnt:host`, `$WORK`, `<hostname>`.
//!
//! No kernel calls. Book: "How to use this book".
//! Invariant: the same relations give the same letters on every machine; nothing is blanked that
//! carries a relation.

mod groups;

use crate::{
    play::{Played, Ran, without_notes},
    residue::containers::RUNTIME_DIRECTORY,
    scene::Scene,
    script::{Place, Step},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the host's own values are called in a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Vec<(String, String)>,
    namespaces: BTreeMap<String, String>,
    groups: Vec<String>,
}

impl Names {
    /// The names for a scene on a host with these facts (`probe facts --format json`).
    pub fn new(scene: &Scene, host: &Value) -> Names {
        let canary = scene.canary_file().display().to_string();
        let mut names = vec![
            // Where the runtime remembers containers: root's directory, or the scene's for an ordinary user.
            (
                scene.directory().join(RUNTIME_DIRECTORY).join("stage4-runtime").display().to_string(),
                "<state>".to_owned(),
            ),
            ("/run/stage4-runtime".to_owned(), "<state>".to_owned()),
            (scene.work().display().to_string(), "$WORK".to_owned()),
            (canary.clone(), "$CANARY".to_owned()),
            (canary.trim_start_matches('/').to_owned(), "${CANARY#/}".to_owned()),
            (scene.directory().display().to_string(), "$WORK/..".to_owned()),
            (scene.canary_pid().to_string(), "$CANARY_PID".to_owned()),
        ];
        if !nix::unistd::geteuid().is_root() {
            names.push((format!("uid {}", nix::unistd::geteuid()), "uid <yours>".to_owned()));
        }
        for fact in ["hostname", "interfaces", "kernel"] {
            let value = host.get(fact).and_then(Value::as_str);
            // A host may have no more than every new network has.
            let value = value.filter(|value| !matches!(*value, "" | "lo"));
            names.extend(value.map(|value| (value.to_owned(), format!("<the host's {fact}>"))));
        }
        let kinds = host.get("namespaces").and_then(Value::as_object).into_iter().flatten();
        let host_namespace =
            |(kind, id): (&String, &Value)| Some((id.as_str()?.to_owned(), format!("{kind}:host")));
        Names { names, namespaces: kinds.filter_map(host_namespace).collect(), groups: groups::own() }
    }

    /// `text` with every value of the host called by its name.
    pub fn apply(&self, text: &str) -> String {
        let named =
            self.names.iter().fold(text.to_owned(), |text, (value, name)| replace_word(&text, value, name));
        let named = self.bare_namespaces(&peer_groups(&clocks(&positions(&self.namespaces(&named)))));
        groups::apply(&named, &self.groups)
    }

    /// Namespaces by their bare numbers, as tables show them: `mnt:host`, or `ns-1` for the first other.
    fn bare_namespaces(&self, text: &str) -> String {
        let mut fresh = Numbered::default();
        let name = |word: &str| {
            let host = self.namespaces.iter().find(|(id, _)| id.ends_with(&format!("[{word}]")));
            match host {
                _ if word.len() != 10 || !is_number(word) => word.to_owned(),
                Some((_, name)) => format!("{name:>10}"),
                // Namespace numbers are drawn from the top of 32 bits (fs/proc/generic.c, PROC_DYNAMIC_FIRST).
                None if word.starts_with("40265") => format!("{:>10}", format!("ns-{}", fresh.number(word))),
                None => word.to_owned(),
            }
        };
        words(text).map(name).collect()
    }

    /// `mnt:[4026531841]` becomes `mnt:host`, or `mnt:new-1` for the first one that is not the host's.
    fn namespaces(&self, text: &str) -> String {
        let mut known = self.namespaces.clone();
        let mut fresh: BTreeMap<String, usize> = BTreeMap::new();
        let mut named = String::new();
        let mut rest = text;
        while let Some((before, id, kind, after)) = next_namespace(rest) {
            named.push_str(before);
            let name = known.entry(id.to_owned()).or_insert_with(|| {
                let number = fresh.entry(kind.to_owned()).or_default();
                *number += 1;
                format!("{kind}:new-{number}")
            });
            named.push_str(name);
            rest = after;
        }
        named + rest
    }
}

/// Where in a file something is depends on what stands before it, as limits that one machine has and another has not.
fn positions(text: &str) -> String {
    let mut parts = text.split("(line ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |told, part| match part.split_once(')') {
        Some((place, rest))
            if place
                .split_once(" column ")
                .is_some_and(|(line, column)| is_number(line) && is_number(column)) =>
        {
            format!("{told}(line <line> column <column>){rest}")
        }
        _ => format!("{told}(line {part}"),
    })
}

/// How long an answer took is the only clock that transcripts show.
fn clocks(text: &str) -> String {
    let line = |line: &str| match line.trim_end().split_once(" after ") {
        Some((before, time)) if time.ends_with(" ms") => format!("{before} after <time>\n"),
        _ => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

/// `shared:45` becomes `shared:peers-1`: mount peer groups, numbered as they appear (mount_namespaces(7)).
fn peer_groups(text: &str) -> String {
    let mut groups = Numbered::default();
    let name = |word: &str| match word.split_once(':') {
        Some((kind @ ("shared" | "master"), number)) if is_number(number) => {
            format!("{kind}:peers-{}", groups.number(number))
        }
        _ => word.to_owned(),
    };
    words(text).map(name).collect()
}

/// Numbers things from 1 on, in the order in which they are met.
#[derive(Default)]
struct Numbered {
    met: Vec<String>,
}

impl Numbered {
    fn number(&mut self, thing: &str) -> usize {
        let known = self.met.iter().position(|met| met == thing);
        1 + known.unwrap_or_else(|| {
            self.met.push(thing.to_owned());
            self.met.len() - 1
        })
    }
}

/// A text in pieces: words, and the white space between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace).flat_map(|piece| {
        let (word, space) = piece.split_at(piece.trim_end().len());
        [word, space]
    })
}

/// Splits at the first `kind:[inode]`: what stands before it, the whole id, its kind, the rest.
fn next_namespace(text: &str) -> Option<(&str, &str, &str, &str)> {
    let mut from = 0;
    while let Some(colon) = text[from..].find(":[").map(|at| from + at) {
        let start = text[..colon].rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |at| at + 1);
        let close = text[colon..].find(']').map(|at| colon + at);
        if let Some(close) = close.filter(|&close| start < colon && is_number(&text[colon + 2..close])) {
            return Some((&text[..start], &text[start..=close], &text[start..colon], &text[close + 1..]));
        }
        from = colon + 2;
    }
    None
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Replaces `value` where it stands as a whole word, so that a host named `a` renames no `cat`.
fn replace_word(text: &str, value: &str, name: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut replaced = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices(value) {
        let before = text[..at].chars().next_back().is_some_and(word);
        let after = text[at + value.len()..].chars().next().is_some_and(word);
        if at < done || before || after {
            continue;
        }
        replaced.push_str(&text[done..at]);
        replaced.push_str(name);
        done = at + value.len();
    }
    replaced + &text[done..]
}

/// A played step as the snapshot and the book show it: `$ ` typed inside, `host$ ` typed on the host.
pub fn transcript(step: &Step, played: &Played, names: &Names) -> String {
    // Named all together, so that the same thing has the same name in all of them.
    const BETWEEN: &str = "\u{1e}\n";
    let output = |ran: &Ran| if step.notes { ran.output.clone() } else { without_notes(&ran.output) };
    let outputs: Vec<_> = played.commands.iter().map(output).map(|text| with_end(&text)).collect();
    let named = names.apply(&outputs.join(BETWEEN));
    let mut text = String::new();
    for (ran, output) in played.commands.iter().zip(named.split(BETWEEN)) {
        let prompt = if ran.on == Place::Inside { "$" } else { "host$" };
        text.push_str(&format!("{prompt} {}\n{output}", ran.script.replace('\n', "\n> ")));
        if ran.status != 0 {
            text.push_str(&format!("[exit status {}]\n", ran.status));
        }
    }
    text
}

/// With a line's end, unless there is nothing.
fn with_end(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_renamed() {
        assert_eq!(replace_word("vm vmlinux a-vm vm", "vm", "<h>"), "<h> vmlinux a-vm <h>");
        assert_eq!(replace_word("/tmp/x/work/new", "/tmp/x/work", "$WORK"), "$WORK/new");
    }

    #[test]
    fn peer_groups_and_times_are_named_by_their_order() {
        assert_eq!(
            peer_groups("shared:45 master:45\nmaster:9"),
            "shared:peers-1 master:peers-1\nmaster:peers-2"
        );
        assert_eq!(clocks("a: reply after 0.3 ms\n"), "a: reply after <time>\n");
    }

    #[test]
    fn places_in_a_file_are_told_apart_from_other_lines() {
        assert_eq!(
            positions("a (line 9 column 22) [b] (line 3)"),
            "a (line <line> column <column>) [b] (line 3)"
        );
        assert_eq!(positions("(line 9 column"), "(line 9 column");
    }

    #[test]
    fn namespaces_are_named_by_relation_to_the_host() {
        let namespaces = [("mnt:[1]".to_owned(), "mnt:host".to_owned())].into();
        let names = Names { names: Vec::new(), namespaces, groups: Vec::new() };
        assert_eq!(names.apply("mnt:[1] mnt:[7] mnt:[8] mnt:[7]"), "mnt:host mnt:new-1 mnt:new-2 mnt:new-1");
        assert_eq!(names.apply("a:[b] :[1]"), "a:[b] :[1]");
    }
}
