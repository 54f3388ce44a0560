//! What is one with the host, and what is the jail's own: one snapshot of `probe compare`.
//!
//! No kernel calls. Book: the section `facts` of chapter 1.
//! Invariant: each fact is drawn once: as a bar through the wall, or as a box on each side of it.

use super::facts::{Fact, Owner, facts};
use super::{Drawing, EDGE, LINE, SPACE, TOP, WIDTH, bar, middle, text, wall, wrap};
use crate::words::Words;

/// Shared facts beside each other.
const COLUMNS: usize = 3;

/// Draws the facts of `body`.
pub fn draw(body: &str, words: &Words) -> Result<Drawing, String> {
    let facts = facts(body)?;
    let (shared, apart): (Vec<_>, Vec<_>) = facts.iter().partition(|fact| fact.owner == Owner::Host);
    let mut y = TOP;
    let mut shapes = String::new();
    for fact in apart {
        let (row, height) = draw_apart(fact, y, words);
        shapes.push_str(&row);
        y += height + SPACE;
    }
    if !shared.is_empty() {
        let (block, height) = draw_shared(&shared, y, words);
        shapes.push_str(&block);
        y += height + SPACE;
    }
    let frame = wall(WIDTH / 2, WIDTH / 2 - 1, y)
        + &text("side", middle(0, 2), 20, words.host)
        + &text("side", middle(1, 2), 20, words.jail);
    Ok(Drawing {
        title: words.picture_title,
        height: y,
        shapes: frame + &shapes,
        spoken: facts.iter().map(|fact| format!("{}: {}", fact.key, fact.value)).collect(),
        head: [words.fact, words.seen_inside, ""].map(str::to_owned).to_vec(),
        rows: facts.iter().map(|fact| row(fact, words)).collect(),
    })
}

fn row(fact: &Fact<'_>, words: &Words) -> Vec<String> {
    let whose = match fact.owner {
        Owner::Host => words.shared,
        Owner::Own => words.own,
        Owner::Hidden => words.hidden,
        Owner::Unsaid => "",
    };
    vec![fact.key.to_owned(), fact.value.to_owned(), whose.to_owned()]
}

/// A fact that is not shared: a box on each side of the wall.
fn draw_apart(fact: &Fact<'_>, y: usize, words: &Words) -> (String, usize) {
    let said = wrap(if fact.owner == Owner::Hidden { words.hidden } else { fact.value }, 26);
    let height = 28 + LINE * said.len();
    let width = WIDTH / 2 - 2 * EDGE;
    let mut row = bar("theirs", EDGE, y, width, height);
    row += &bar(fact.owner.class(), WIDTH / 2 + EDGE, y, width, height);
    row += &text("key", middle(0, 2), y + 20, fact.key);
    row += &text("value", middle(0, 2), y + 20 + LINE, words.hosts_own);
    row += &text("key", middle(1, 2), y + 20, fact.key);
    for (number, line) in (1..).zip(&said) {
        row += &text("value", middle(1, 2), y + 20 + LINE * number, line);
    }
    (row, height)
}

/// All that is shared: one bar through the wall.
fn draw_shared(facts: &[&Fact<'_>], y: usize, words: &Words) -> (String, usize) {
    let height = 34 + 22 * facts.len().div_ceil(COLUMNS);
    let mut block = bar("both", EDGE, y, WIDTH - 2 * EDGE, height);
    block += &text("value", WIDTH / 2, y + 20, words.shared);
    let step = (WIDTH - 2 * EDGE) / COLUMNS;
    for (number, fact) in facts.iter().enumerate() {
        let (row, place) = (number / COLUMNS, number % COLUMNS);
        block += &text("key", EDGE + step / 2 + place * step, y + 44 + 22 * row, fact.key);
    }
    (block, height)
}
