//! The list of weaknesses: what it names is there.
//!
//! No kernel calls. Book: "Weaknesses, and what turns red" (`weaknesses`).
//! Invariant: who renames a test, or changes a line that a patch takes away, hears of it here.

use super::sources::{Source, Sources};
use crate::Error;
use crate::weaknesses::{FILE, Patch, Place, Test, Weakness, Weaknesses};
use std::collections::BTreeSet;

/// Findings about the list.
pub(super) fn check(sources: &Sources) -> Result<Vec<String>, Error> {
    let text = sources.find(FILE).map(|file| file.text.as_str()).unwrap_or_default();
    let list = Weaknesses::parse(text)?;
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for weakness in &list.all {
        let twice = weakness.names().filter(|name| !seen.insert(*name)).map(|_| "is there twice".to_owned());
        let found = twice.chain(shape(weakness)).chain(places(sources, weakness));
        findings.extend(found.map(|what| format!("{FILE}: {}: {what}", weakness.id)));
    }
    Ok(findings)
}

/// With a patch, and what turns red; or with the reason why not.
fn shape(weakness: &Weakness) -> Option<String> {
    let whole = weakness.code.is_some() && weakness.test.is_some();
    match (&weakness.not, weakness.breaks.is_empty()) {
        (None, true) => Some("has no `break`, and no `not` that says why".into()),
        (Some(_), false) => Some("has a `break`, and a `not` all the same".into()),
        (None, false) if !whole => Some("has a `break`, but no `code` or no `test`".into()),
        _ => None,
    }
}

fn places(sources: &Sources, weakness: &Weakness) -> Vec<String> {
    let code = weakness.code.iter().filter_map(|Place { file, text }| once(sources, file, text));
    let test = weakness.test.iter().filter_map(|test| tested(sources, test));
    let patches = weakness.breaks.iter().filter_map(|patch| taken_away(sources, patch));
    let section = weakness.section.iter().filter_map(|section| headed(sources, section));
    code.chain(test).chain(patches).chain(section).collect()
}

fn once(sources: &Sources, file: &str, text: &str) -> Option<String> {
    let Some(source) = sources.find(file) else { return Some(format!("there is no {file}")) };
    let count = source.text.matches(text).count();
    (count != 1).then(|| format!("stands {count} times in {file}, not once: {text:?}"))
}

fn headed(sources: &Sources, section: &str) -> Option<String> {
    let heading = format!("{{#{section}}}");
    let is_there = sources.below("book/src/").any(|page| page.text.contains(&heading));
    (!is_there).then(|| format!("no heading {heading} in book/src"))
}

fn taken_away(sources: &Sources, patch: &Patch) -> Option<String> {
    let idle = (patch.from == patch.to).then(|| format!("a `break` changes nothing in {}", patch.file));
    once(sources, &patch.file, &patch.from).or(idle)
}

/// A function of that name, or a claim of a harness of its own.
fn tested(sources: &Sources, Test { program, name }: &Test) -> Option<String> {
    let (file, room) =
        (format!("stage4-runtime/tests/{program}.rs"), format!("stage4-runtime/tests/{program}/"));
    let (function, claim) = (format!("fn {name}("), format!("(\"{name}\","));
    let is_of = |source: &&Source| source.path == file || source.path.starts_with(&room);
    let texts = sources.files.iter().filter(is_of).map(|source| &source.text);
    let count: usize = texts.map(|text| text.matches(&function).count() + text.matches(&claim).count()).sum();
    (count != 1).then(|| format!("{count} tests of {file} are called {name}, not one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        let file = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        Sources {
            files: vec![
                file("stage4-runtime/tests/a/b.rs", "fn it_holds() {}\n(\"it_is_claimed\", x)"),
                file("stage4-runtime/tests/c.rs", "fn it_holds() {}"),
                file("src/x.rs", "one two two"),
            ],
        }
    }

    #[test]
    fn what_is_not_there_once_is_found() {
        assert_eq!(once(&sources(), "src/x.rs", "one"), None);
        assert!(once(&sources(), "src/x.rs", "two").is_some_and(|found| found.contains("2 times")));
        assert!(once(&sources(), "src/y.rs", "one").is_some_and(|found| found.contains("no src/y.rs")));
    }

    #[test]
    fn a_test_is_a_function_or_a_claim_of_its_program() {
        let found = |program: &str, name: &str| {
            tested(&sources(), &Test { program: program.into(), name: name.into() })
        };
        assert_eq!((found("a", "it_holds"), found("a", "it_is_claimed")), (None, None));
        assert!(found("c", "it_is_claimed").is_some() && found("a", "it").is_some());
    }
}
