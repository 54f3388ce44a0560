//! The weaknesses of other runtimes, as a table: how each led out, what keeps it out here, and the test that shows it.
//!
//! No kernel calls. Book: "Weaknesses, and what turns red" (`weaknesses`).
//! Read from `stage4-runtime/weaknesses.toml`, which `cargo xtask tidy` holds against code and tests.
//! Invariant: what the table says of code and test is what `cargo xtask test --prove-red` breaks and runs.

use crate::house::House;
use crate::markup::escape;
use crate::steps::{Said, Sections};
use crate::words::Lang;
use serde::Deserialize;

const FILE: &str = "stage4-runtime/weaknesses.toml";

#[derive(Deserialize)]
struct List {
    weakness: Vec<Weakness>,
}

#[derive(Deserialize)]
struct Weakness {
    id: String,
    #[serde(default)]
    also: Vec<String>,
    who: String,
    mechanism: Said,
    defence: Said,
    code: Option<Place>,
    section: Option<String>,
    test: Option<Test>,
    not: Option<Said>,
}

#[derive(Deserialize)]
struct Place {
    file: String,
    text: String,
}

#[derive(Deserialize)]
struct Test {
    program: String,
    name: String,
}

/// The table as one line of HTML.
pub fn html(house: &House, sections: &Sections, lang: Lang) -> Result<String, String> {
    let list: List = toml::from_str(&house.read(FILE)?).map_err(|error| format!("{FILE}: {error}"))?;
    let words = lang.words();
    let head =
        [words.weakness, words.way_out, words.defence, words.test].map(|word| format!("<th>{word}</th>"));
    let rows: Vec<String> =
        list.weakness.iter().map(|one| row(house, sections, one, lang)).collect::<Result<_, _>>()?;
    Ok(format!(
        "<div class=\"table-wrapper\"><table class=\"weaknesses\"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
        head.concat(),
        rows.concat()
    ))
}

fn row(house: &House, sections: &Sections, one: &Weakness, lang: Lang) -> Result<String, String> {
    let names: Vec<String> = [&one.id].into_iter().chain(&one.also).map(|name| escape(name)).collect();
    let code = one.code.as_ref().map(|place| at(house, place)).transpose()?;
    let code = code.map(|code| format!("<br><code>{}</code>", escape(&code))).unwrap_or_default();
    let shown = match (&one.test, &one.not) {
        (Some(test), _) => format!("<code>{} {}</code>", escape(&test.program), escape(&test.name)),
        (None, not) => not.as_ref().map(|not| said(not, lang)).unwrap_or_default(),
    };
    Ok(format!(
        "<tr><td>{}<br>{}</td><td>{}</td><td>{}{code}</td><td>{shown}</td></tr>",
        names.join(", "),
        escape(&one.who),
        said(&one.mechanism, lang),
        linked(sections, one, said(&one.defence, lang))?
    ))
}

/// A sentence; what stands between backticks is code.
fn said(said: &Said, lang: Lang) -> String {
    let text = escape(said.say(lang));
    let parts = text.split('`').enumerate();
    parts
        .map(|(place, part)| if place % 2 == 1 { format!("<code>{part}</code>") } else { part.into() })
        .collect()
}

/// To the section that shows the code.
fn linked(sections: &Sections, one: &Weakness, text: String) -> Result<String, String> {
    let Some(id) = &one.section else { return Ok(text) };
    let page = sections.get(id).ok_or_else(|| format!("{FILE}: {}: no section {id:?}", one.id))?;
    Ok(format!("<a href=\"{page}#{id}\">{text}</a>"))
}

/// `file:line`, without what all files have in common.
fn at(house: &House, place: &Place) -> Result<String, String> {
    let text = house.read(&place.file)?;
    let start =
        text.find(&place.text).ok_or_else(|| format!("{FILE}: {} has no {:?}", place.file, place.text))?;
    let file = place.file.strip_prefix("stage4-runtime/").unwrap_or(&place.file);
    Ok(format!("{file}:{}", text[..start].matches('\n').count() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, fs, process};

    fn woven(name: &str, more: &str) -> Result<String, String> {
        let root = env::temp_dir().join(format!("book-test-{}-weaknesses-{name}", process::id()));
        fs::create_dir_all(root.join("stage4-runtime/src")).unwrap();
        fs::write(root.join("stage4-runtime/src/a.rs"), "one\ntwo\n").unwrap();
        let said = "{ en = 'say `a<b`', ko = '말' }";
        let list = format!(
            "[[weakness]]\nid = 'x-1'\nalso = ['y-2']\nwho = 'z'\nmechanism = {said}\ndefence = {said}\n{more}"
        );
        fs::write(root.join(FILE), list).unwrap();
        let sections = Sections::from([("there".to_owned(), "p.html".to_owned())]);
        let html = html(&House::at(&root), &sections, Lang::En);
        fs::remove_dir_all(root).unwrap();
        html
    }

    #[test]
    fn a_weakness_is_a_row_with_its_line_and_its_test() {
        let place = "code = { file = 'stage4-runtime/src/a.rs', text = 'two' }\nsection = 'there'\n";
        let html = woven("row", &format!("{place}test = {{ program = 'cve', name = 'it_holds' }}")).unwrap();
        for part in [
            "x-1, y-2<br>z",
            "say <code>a&lt;b</code>",
            "href=\"p.html#there\"",
            "src/a.rs:2",
            "cve it_holds",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert_eq!(html.lines().count(), 1);
    }

    #[test]
    fn what_is_not_there_is_a_fault() {
        assert!(woven("section", "section = 'nowhere'").unwrap_err().contains("no section \"nowhere\""));
        let gone = "code = { file = 'stage4-runtime/src/a.rs', text = 'three' }";
        assert!(woven("code", gone).unwrap_err().contains("has no \"three\""));
    }
}
