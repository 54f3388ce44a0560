//! One slug, five places: heading, anchor, test, snapshot, step.
//!
//! No kernel calls. Book: the index of steps.
//! Invariant: from any one of the five a reader finds the other four.

use super::sources::{Source, Sources};
use crate::{
    Error,
    stages::{STAGES, Stage},
};
use observe::script::{Script, Step};
use std::collections::{BTreeMap, BTreeSet};

/// Findings about slugs and anchors.
pub(super) fn check(sources: &Sources) -> Result<Vec<String>, Error> {
    let mut findings = Vec::new();
    for stage in &STAGES {
        if let Some(script) = stage.script()? {
            findings.extend(script.steps.iter().flat_map(|step| places(sources, stage, &step.slug)));
            findings.extend(orphans(sources, stage, &script));
        }
    }
    findings.extend(sources.code().flat_map(|file| anchors(sources, file)));
    Ok(findings)
}

/// What is missing of a slug's five places; the step itself is one.
fn places(sources: &Sources, stage: &Stage, slug: &str) -> Vec<String> {
    let package = stage.package;
    let tests = format!("{package}/tests/");
    let heading = format!("{{#{slug}}}");
    let anchor = format!("// ANCHOR: {slug}");
    let claim = format!("fn {}", slug.replace('-', "_"));
    let snapshot = format!("{tests}snapshots/{slug}.snap");
    let has = |file: &Source, text: &str| file.text.lines().any(|line| line.trim() == text);
    let claimed = |file: &Source| {
        file.text.lines().any(|line| {
            line.trim_start().strip_prefix(&claim).is_some_and(|rest| rest.starts_with(['_', '(']))
        })
    };
    let found = [
        (
            sources.below("book/src/").any(|file| file.text.contains(&heading)),
            format!("no heading {heading} in book/src"),
        ),
        (sources.code().any(|file| has(file, &anchor)), format!("no code inside `{anchor}`")),
        (sources.below(&tests).any(claimed), format!("no test whose name begins with `{}`", &claim[3..])),
        (sources.find(&snapshot).is_some(), format!("no snapshot {snapshot}")),
    ];
    found
        .into_iter()
        .filter(|(there, _)| !there)
        .map(|(_, what)| format!("{package}/demo.toml: step {slug:?}: {what}"))
        .collect()
}

/// Snapshots of steps that are no more.
fn orphans(sources: &Sources, stage: &Stage, script: &Script) -> Vec<String> {
    let directory = format!("{}/tests/snapshots/", stage.package);
    let known: BTreeSet<_> = script.steps.iter().flat_map(Step::parts).map(|part| part.snapshot()).collect();
    let names = sources
        .below(&directory)
        .filter_map(|file| file.path.strip_prefix(&directory)?.strip_suffix(".snap"));
    let orphans = names.filter(|name| !known.contains(*name));
    orphans.map(|name| format!("{directory}{name}.snap: no step of demo.toml has this snapshot")).collect()
}

/// Every anchor opens once, closes once, and is used by the book once there is a chapter.
fn anchors(sources: &Sources, file: &Source) -> Vec<String> {
    let (open, close) = ("// ANCHOR: ", "// ANCHOR_END: ");
    let mut balance: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for line in file.text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix(open) {
            balance.entry(name).or_default().0 += 1;
        } else if let Some(name) = line.strip_prefix(close) {
            balance.entry(name).or_default().1 += 1;
        }
    }
    let mut findings = Vec::new();
    for (name, counts) in balance {
        if counts != (1, 1) {
            findings.push(format!(
                "{}: anchor {name:?} opens {} and closes {} times",
                file.path, counts.0, counts.1
            ));
        }
        let listing = format!("{}:{name}", file.path);
        let listed = |page: &Source| page.text.split(['}', ' ', '\n']).any(|word| word == listing);
        if !sources.below("book/src/").any(listed) {
            findings.push(format!("{}: no page of the book lists anchor {name:?}", file.path));
        }
    }
    findings
}
