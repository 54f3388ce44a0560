//! The index of steps: for each slug its section, code, test, snapshot and place in the series.
//!
//! No kernel calls. Book: "Index of steps".
//! Read from every stage's `demo.toml` and sources; what does not exist is not listed.
//! Invariant: the index is generated, so it can be incomplete only where the house is.

use crate::house::House;
use crate::listing::{Mark, mark};
use crate::markup::escape;
use crate::transcript;
use crate::words::{Lang, Words};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which page holds the section with a given id: `double-chroot` -> `chroot.html`.
pub type Sections = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Script {
    stage: Stage,
    #[serde(default)]
    step: Vec<Step>,
}

#[derive(Deserialize)]
struct Stage {
    #[serde(default)]
    name: String,
    title: Said,
    #[serde(default)]
    years: String,
    #[serde(default)]
    setup: Vec<String>,
}

#[derive(Deserialize)]
struct Step {
    slug: String,
    #[serde(default)]
    series: String,
    title: Said,
    setup: Option<Vec<String>>,
}

/// In the languages of the book.
#[derive(Deserialize)]
pub struct Said {
    en: String,
    ko: Option<String>,
}

impl Said {
    /// In this language, if there is one; else in English.
    pub fn say(&self, lang: Lang) -> &str {
        match (lang, &self.ko) {
            (Lang::Ko, Some(ko)) => ko,
            _ => &self.en,
        }
    }
}

/// The commands that made the ground of a step, before those of its transcript.
pub fn ground(house: &House, dir: &str, slug: &str) -> Result<Vec<String>, String> {
    let script = script(house, &format!("{dir}/demo.toml"))?;
    let step = script.step.into_iter().find(|step| step.slug == slug);
    let step = step.ok_or_else(|| format!("{dir}/demo.toml: no step {slug:?}"))?;
    Ok(step.setup.unwrap_or(script.stage.setup))
}

fn script(house: &House, name: &str) -> Result<Script, String> {
    toml::from_str(&house.read(name)?).map_err(|error| format!("{name}: {error}"))
}

/// The index as one line of HTML.
pub fn html(house: &House, sections: &Sections, lang: Lang) -> Result<String, String> {
    let mut page = String::new();
    for dir in house.stages().map_err(|error| error.to_string())? {
        let name = format!("{dir}/demo.toml");
        if !house.path(&name).is_file() {
            continue;
        }
        let script = script(house, &name)?;
        page.push_str(&format!(
            "<p class=\"stage\"><strong>{}</strong> ({}) <code>{name}</code></p>",
            escape(script.stage.title.say(lang)),
            escape(&script.stage.years),
        ));
        let slugs: Vec<&str> = script.step.iter().map(|step| step.slug.as_str()).collect();
        for step in &script.step {
            let tests = tests(house, &dir, &step.slug, &slugs)?;
            let id = address(sections, &script.stage.name, &step.slug);
            page.push_str(&card(house, &dir, step, tests, (id, sections), lang)?);
        }
    }
    if page.is_empty() {
        page = format!("<p>{}</p>", lang.words().none_yet);
    }
    Ok(format!("<div class=\"steps\">{page}</div>"))
}

/// The heading of a step: its slug, or, where an earlier chapter has that one already, `STAGE-SLUG`.
fn address(sections: &Sections, stage: &str, slug: &str) -> String {
    let own = format!("{stage}-{slug}");
    if sections.contains_key(&own) { own } else { slug.to_owned() }
}

fn card(
    house: &House,
    dir: &str,
    step: &Step,
    tests: Vec<String>,
    (id, sections): (String, &Sections),
    lang: Lang,
) -> Result<String, String> {
    let words = lang.words();
    let title = escape(step.title.say(lang));
    let title = match sections.get(&id) {
        Some(page) => format!("<a href=\"{page}#{id}\">{title}</a>"),
        None => title,
    };
    let others = ["v1", "v2", "rootless", "rootless-v1", "rootless-v2"].map(Some);
    let snapshots =
        [None].into_iter().chain(others).map(|variant| transcript::file(dir, &step.slug, variant));
    let snapshots = snapshots.filter(|name| house.path(name).is_file()).collect();
    let rows =
        [(words.code, anchors(house, dir, &step.slug)?), (words.test, tests), (words.snapshot, snapshots)];
    let rows: String =
        rows.iter().filter(|(_, values)| !values.is_empty()).map(|(key, values)| row(key, values)).collect();
    Ok(format!(
        "<div class=\"step\"><p class=\"title\">{title} <code>{}</code></p><ul>{rows}{}</ul></div>",
        escape(&step.slug),
        series(&step.series, words),
    ))
}

fn row(key: &str, values: &[String]) -> String {
    let named = |value: &String| format!("<code>{}</code>", escape(value));
    let list = values.iter().map(named).collect::<Vec<_>>().join("<br>");
    // A slug like "build" begins the names of dozens of tests: folded, so that the index stays one.
    let list = match values.len() {
        0..=2 => list,
        many => format!("<details><summary>{many}</summary>{list}</details>"),
    };
    format!("<li><span class=\"key\">{key}</span><div>{list}</div></li>")
}

fn series(place: &str, words: &Words) -> String {
    match place {
        "" => String::new(),
        place => format!("<li><span class=\"key\">{}</span><div>{}</div></li>", words.series, escape(place)),
    }
}

/// Where the code of `slug` stands, in the stage or in the probe: `file:line function`.
fn anchors(house: &House, dir: &str, slug: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for room in [&format!("{dir}/src"), "xtask/probe/src"] {
        for file in house.rust_files(room).map_err(|error| error.to_string())? {
            let text = house.read(&file)?;
            let open = text.lines().position(|line| mark(line) == Some(Mark::Open(slug)));
            if let Some(open) = open {
                let name = text.lines().skip(open).find_map(function);
                let name = name.map(|name| format!(" {name}")).unwrap_or_default();
                found.push(format!("{file}:{}{name}", open + 2));
            }
        }
    }
    Ok(found)
}

/// The tests of the step `slug`: `file function`.
fn tests(house: &House, dir: &str, slug: &str, slugs: &[&str]) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for path in house.rust_files(&format!("{dir}/tests")).map_err(|error| error.to_string())? {
        let text = house.read(&path)?;
        let file = path.strip_prefix(dir).unwrap_or(&path).trim_start_matches('/');
        let names = text.lines().filter_map(function).filter(|name| claims(name, slugs) == Some(slug));
        found.extend(names.map(|name| format!("{file} {name}")));
    }
    Ok(found)
}

/// The step that a test's name begins with: `cwd_outside_leaks` is of `cwd-outside`, not of `cwd`.
fn claims<'a>(test: &str, slugs: &[&'a str]) -> Option<&'a str> {
    let begins =
        |slug: &&&str| test.strip_prefix(&slug.replace('-', "_")).is_some_and(|rest| rest.starts_with('_'));
    slugs.iter().filter(begins).max_by_key(|slug| slug.len()).copied()
}

/// The name of the function that `line` begins, if it begins one.
fn function(line: &str) -> Option<&str> {
    let (before, rest) = line.trim_start().split_once("fn ")?;
    let modifiers = before
        .split_whitespace()
        .all(|word| matches!(word, "const" | "unsafe" | "extern") || word.starts_with("pub"));
    let name = rest.split(['(', '<']).next()?;
    (modifiers && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_told_by_its_first_line() {
        assert_eq!(function("    pub(crate) fn climb<T>(fd: T) {"), Some("climb"));
        assert_eq!(function("// a fn (of sorts)"), None);
        assert_eq!(function("let f = x;"), None);
    }

    #[test]
    fn a_test_belongs_to_the_longest_slug_it_begins_with() {
        let slugs = ["cwd", "cwd-outside", "run"];
        assert_eq!(claims("cwd_outside_leaks", &slugs), Some("cwd-outside"));
        assert_eq!(claims("cwd_stays", &slugs), Some("cwd"));
        assert_eq!(claims("running_is_fun", &slugs), None);
    }

    #[test]
    fn a_slug_of_two_stages_has_two_addresses() {
        let ids = ["kill", "stage3-kill"];
        let sections: Sections = ids.map(|id| (id.to_owned(), String::new())).into_iter().collect();
        assert_eq!(address(&sections, "stage1", "kill"), "kill");
        assert_eq!(address(&sections, "stage3", "kill"), "stage3-kill");
    }

    #[test]
    fn a_title_is_english_where_it_is_not_translated() {
        let said: Said = toml::from_str("en = 'Run'").unwrap();
        assert_eq!(said.say(Lang::Ko), "Run");
    }
}
