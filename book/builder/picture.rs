//! Pictures drawn from observed facts: what is one with the host, and what is the jail's own.
//!
//! No kernel calls. Book: the section `facts` of each chapter.
//! The facts are lines `key: value` of a snapshot; a value begins with `host`, `own` or `hidden`, or stands for itself.
//! Invariant: nothing is drawn that was not observed, and the same is written in a table beside it.

use crate::markup::escape;
use crate::words::Words;

/// Units of the drawing; it is scaled to the width of the page.
const WIDTH: usize = 440;
const EDGE: usize = 10;
const LINE: usize = 17;
const SPACE: usize = 10;
const TOP: usize = 30;
/// Shared facts beside each other.
const COLUMNS: usize = 3;

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
#[derive(Debug, PartialEq, Eq)]
pub struct Fact<'a> {
    /// What it is about: `root`, `mnt`, `processes`, ….
    pub key: &'a str,
    /// What was observed.
    pub value: &'a str,
    /// What the value says about its owner.
    pub owner: Owner,
}

/// The facts of a snapshot's text; the error says why there is nothing to draw.
pub fn facts(body: &str) -> Result<Vec<Fact<'_>>, String> {
    let facts: Vec<Fact<'_>> = body.lines().filter(|line| !line.contains("$ ")).filter_map(fact).collect();
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

/// The picture and its table as one line of HTML. `id` must be unique on the page.
pub fn html(id: &str, file: &str, facts: &[Fact<'_>], words: &Words) -> String {
    format!(
        "<figure class=\"picture\">{}<figcaption><span class=\"what\">{}</span> <span class=\"where\">{}</span></figcaption>\
         <details><summary>{}</summary>{}</details></figure>",
        svg(id, facts, words),
        words.picture_drawn,
        escape(file),
        words.picture_text,
        table(facts, words),
    )
}

fn svg(id: &str, facts: &[Fact<'_>], words: &Words) -> String {
    let (shared, apart): (Vec<_>, Vec<_>) = facts.iter().partition(|fact| fact.owner == Owner::Host);
    let mut y = TOP;
    let mut drawn = String::new();
    for fact in apart {
        let (row, height) = draw(fact, y, words);
        drawn.push_str(&row);
        y += height + SPACE;
    }
    if !shared.is_empty() {
        let (block, height) = draw_shared(&shared, y, words);
        drawn.push_str(&block);
        y += height + SPACE;
    }
    let spoken: Vec<String> = facts.iter().map(|fact| format!("{}: {}", fact.key, fact.value)).collect();
    let (left, right) = (column(0), column(1));
    format!(
        "<svg class=\"facts\" viewBox=\"0 0 {WIDTH} {y}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
         <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>\
         <rect class=\"wall\" x=\"{}\" y=\"1\" width=\"{}\" height=\"{}\" rx=\"8\"/>{}{}{drawn}</svg>",
        words.picture_title,
        escape(&spoken.join("; ")),
        WIDTH / 2,
        WIDTH / 2 - 1,
        y - 2,
        text("side", left, 20, words.host),
        text("side", right, 20, words.jail),
    )
}

/// The middle of the host's (0) or the jail's (1) column.
fn column(side: usize) -> usize {
    WIDTH / 4 + side * WIDTH / 2
}

fn text(class: &str, x: usize, y: usize, words: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escape(words))
}

fn bar(class: &str, x: usize, y: usize, width: usize, height: usize) -> String {
    format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>")
}

/// A fact that is not shared: a box on each side of the wall.
fn draw(fact: &Fact<'_>, y: usize, words: &Words) -> (String, usize) {
    let (class, said) = match fact.owner {
        Owner::Own => ("own", wrap(fact.value, 26)),
        // Not "hidden": mdBook's own style makes that invisible.
        Owner::Hidden => ("unseen", wrap(words.hidden, 26)),
        Owner::Unsaid | Owner::Host => ("unsaid", wrap(fact.value, 26)),
    };
    let height = 28 + LINE * said.len();
    let width = WIDTH / 2 - 2 * EDGE;
    let mut row = bar("theirs", EDGE, y, width, height) + &bar(class, WIDTH / 2 + EDGE, y, width, height);
    row += &text("key", column(0), y + 20, fact.key);
    row += &text("value", column(0), y + 20 + LINE, words.hosts_own);
    row += &text("key", column(1), y + 20, fact.key);
    for (number, line) in (1..).zip(&said) {
        row += &text("value", column(1), y + 20 + LINE * number, line);
    }
    (row, height)
}

/// All that is shared: one bar through the wall.
fn draw_shared(facts: &[&Fact<'_>], y: usize, words: &Words) -> (String, usize) {
    let rows = facts.len().div_ceil(COLUMNS);
    let height = 34 + 22 * rows;
    let mut block = bar("both", EDGE, y, WIDTH - 2 * EDGE, height);
    block += &text("value", WIDTH / 2, y + 20, words.shared);
    let step = (WIDTH - 2 * EDGE) / COLUMNS;
    for (number, fact) in facts.iter().enumerate() {
        let (row, place) = (number / COLUMNS, number % COLUMNS);
        block += &text("key", EDGE + step / 2 + place * step, y + 44 + 22 * row, fact.key);
    }
    (block, height)
}

/// Breaks `text` at spaces into lines of about `room` characters.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn table(facts: &[Fact<'_>], words: &Words) -> String {
    let row = |fact: &Fact<'_>| {
        let whose = match fact.owner {
            Owner::Host => words.shared,
            Owner::Own => words.own,
            Owner::Hidden => words.hidden,
            Owner::Unsaid => "",
        };
        format!("<tr><td>{}</td><td>{}</td><td>{whose}</td></tr>", escape(fact.key), escape(fact.value))
    };
    let rows: String = facts.iter().map(row).collect();
    format!(
        "<table><thead><tr><th>{}</th><th>{}</th><th></th></tr></thead><tbody>{rows}</tbody></table>",
        words.fact, words.seen_inside
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    const BODY: &str = "$ probe facts\nroot: own (bin dev etc)\nnet:          host's\npid: hidden\nprocesses: host's, canary visible\nuid: 0\n";

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

    #[test]
    fn the_picture_says_all_it_shows() {
        let html = html("p", "facts.snap", &facts(BODY).unwrap(), Lang::En.words());
        for part in [
            "<title id=\"p-title\">",
            "net: host's;",
            "class=\"both\"",
            "class=\"own\"",
            "<td>processes</td>",
        ] {
            assert!(html.contains(part), "{part} is missing in {html}");
        }
        assert!(!html.contains('\n'));
    }

    #[test]
    fn long_values_are_wrapped_between_words() {
        assert_eq!(wrap("own (bin, dev, etc, lib, usr)", 12), ["own (bin,", "dev, etc,", "lib, usr)"]);
    }
}
