//! The rules of the text itself, checked before anything is woven into it.
//!
//! No kernel calls. Book: all of `src/`.
//! A command or an output in the book comes from a snapshot; one typed in says why it is not run.
//! Invariant: explicit heading ids are unique in the whole book, so that a slug names one section.

use crate::fault::Fault;
use crate::words::Words;
use std::collections::BTreeMap;

/// A line of a page, and what it is to Markdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// Prose, a heading, a directive.
    Text(&'a str),
    /// The opening fence of a code block, with its info string.
    Fence(&'a str),
    /// Inside a code block, or its closing fence.
    Code(&'a str),
}

/// The lines of a page, told apart as Markdown does (fences only; indented blocks are not used here).
pub fn lines(text: &str) -> Vec<Line<'_>> {
    let mut open: Option<&str> = None;
    let mut found = Vec::new();
    for line in text.lines() {
        let bare = line.trim_start();
        let run = bare.len() - bare.trim_start_matches('`').len();
        let (fence, info) = bare.split_at(run);
        found.push(match open {
            Some(ticks) => {
                if run >= ticks.len() && info.trim().is_empty() {
                    open = None;
                }
                Line::Code(line)
            }
            None if run >= 3 && !info.contains('`') => {
                open = Some(fence);
                Line::Fence(info.trim())
            }
            None => Line::Text(line),
        });
    }
    found
}

/// The explicit id of a heading: `## Title {#id}`.
pub fn heading_id(line: &str) -> Option<&str> {
    let heading = line.trim_end().strip_prefix('#')?;
    let (_, id) = heading.strip_suffix('}')?.rsplit_once("{#")?;
    (!id.is_empty() && !id.contains(char::is_whitespace)).then_some(id)
}

/// Why a block is not run: `sh,not-run=it-opens-a-browser` says "it opens a browser".
pub fn not_run(info: &str) -> Option<String> {
    let why = info.split([',', ' ']).find_map(|part| part.strip_prefix("not-run="))?;
    (!why.is_empty()).then(|| why.replace('-', " "))
}

/// What is said above a block that is not run, as one line of HTML.
pub fn not_run_html(why: &str, words: &Words) -> String {
    format!("<p class=\"not-run\">{}: {}</p>", words.not_run, crate::markup::escape(why))
}

/// The faults of one page that can be seen without looking elsewhere.
pub fn faults(file: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(lines(text)) {
        match line {
            Line::Fence(info) if not_run(info).is_none() => faults.push(Fault::new(
                file,
                number,
                "a code block typed in by hand: include it (listing, transcript), or say why not (```sh,not-run=why)",
            )),
            Line::Text(text) if text.starts_with("##") && heading_id(text).is_none() => faults.push(Fault::new(
                file,
                number,
                "a heading without an explicit id: write `## Title {#slug}`, so that translations keep the address",
            )),
            Line::Text(text) if text.starts_with("~~~") => {
                faults.push(Fault::new(file, number, "a code block with ~~~: use ``` and say why it is not run"));
            }
            _ => {}
        }
    }
    faults
}

/// The ids given by hand in all pages, each with its page; a second use of an id is a fault.
pub fn sections<'a>(
    pages: impl Iterator<Item = (&'a str, &'a str)>,
) -> (BTreeMap<String, String>, Vec<Fault>) {
    let mut seen: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut faults = Vec::new();
    for (file, text) in pages {
        for (number, line) in (1..).zip(lines(text)) {
            let Line::Text(line) = line else { continue };
            let Some(id) = heading_id(line) else { continue };
            if let Some((other, at)) = seen.get(id) {
                faults.push(Fault::new(file, number, format!("heading id {id:?} is taken by {other}:{at}")));
            } else {
                seen.insert(id.to_owned(), (file.to_owned(), number));
            }
        }
    }
    (seen.into_iter().map(|(id, (file, _))| (id, file)).collect(), faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_in_block_must_say_why_it_is_not_run() {
        let faults = faults("a.md", "Text\n\n```sh\nls\n```\n\n```sh,not-run=it-opens-a-browser\nx\n```\n");
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].line, 3);
        assert_eq!(not_run("sh,not-run=it-opens-a-browser").as_deref(), Some("it opens a browser"));
        assert_eq!(not_run("sh,not-run="), None);
    }

    #[test]
    fn what_stands_in_a_block_is_no_heading_and_no_fence() {
        let text = "````text,not-run=an-example\n```sh\n## no heading\n````\n## Heading {#h}\n";
        assert_eq!(faults("a.md", text), []);
        assert_eq!(sections([("a.md", text)].into_iter()).0.len(), 1);
    }

    #[test]
    fn a_heading_needs_an_id_and_an_id_one_heading() {
        assert_eq!(faults("a.md", "# Page\n\n## Section\n")[0].line, 3);
        let (sections, faults) = sections([("a.md", "## A {#x}"), ("b.md", "\n### B {#x}")].into_iter());
        assert_eq!(sections.get("x").map(String::as_str), Some("a.md"));
        assert_eq!(faults[0].to_string(), "b.md:2: heading id \"x\" is taken by a.md:1");
    }
}
