//! The matrix in letters: for a terminal of 100 columns, for Markdown, and one row explained.
//!
//! No kernel calls. Book: "The matrix".
//! Invariant: what a cell says is said by its letter; nothing by colour.

use super::{
    catalogue::Catalogue,
    columns::COLUMNS,
    observed::{Cell, Observed},
};
use observe::script::Lang;
use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// Room for what is tried.
const WIDTH: usize = 44;

/// The letter that heads a column.
pub(super) fn head(name: &str) -> char {
    let known = COLUMNS.iter().find(|column| column.name == name);
    known.map_or_else(|| name.chars().next().unwrap_or('?'), |column| column.letter)
}

/// The sign of a cell: a leak catches the eye, the rest recedes.
pub(super) fn sign(cell: Option<&Cell>) -> char {
    match cell.map(Cell::letter) {
        Some('L') => 'X',
        Some('C') => '.',
        Some(letter) => letter,
        None => ' ',
    }
}

fn fitted(text: &str, width: usize) -> String {
    let (mut fitted, mut used) = (String::new(), 0);
    for letter in text.chars() {
        let wide = letter.width().unwrap_or(0);
        if used + wide > width {
            break;
        }
        used += wide;
        fitted.push(letter);
    }
    fitted + &" ".repeat(width.saturating_sub(used))
}

/// For a terminal.
pub(super) fn text(observed: &Observed, catalogue: &Catalogue, lang: Lang) -> String {
    let mut text = format!("Linux {}\n\n{:6}{:WIDTH$}", observed.kernel, "", "");
    observed.columns.iter().for_each(|column| text.extend([head(&column.name), ' ']));
    for id in &observed.rows {
        let what = catalogue.find(id).map(|row| row.what.say(lang)).unwrap_or_default();
        write!(text, "\n{id:6}{}", fitted(what, WIDTH)).ok();
        for column in &observed.columns {
            let cell = column.cells.get(id);
            let odd = cell.is_some_and(|cell| !Observed::is_expected(catalogue, &column.name, id, cell));
            text.extend([sign(cell), if odd { '!' } else { ' ' }]);
        }
    }
    // Upright, for two digits have no room beside each other.
    for (name, unit) in [("leaks, tens", 10), ("ones", 1)] {
        write!(text, "\n{}{:6}{name:WIDTH$}", if unit == 10 { "\n" } else { "" }, "").ok();
        for column in &observed.columns {
            let (leaks, blank) = (Observed::leaks(column), unit == 10 && Observed::leaks(column) < 10);
            let digit = (leaks / unit % 10).to_string();
            write!(text, "{:2}", if blank { "" } else { &digit }).ok();
        }
    }
    text += "\n\nX leaks   . contained   m only the mode of a file   - not here   ! not as expected\n\n";
    for column in &observed.columns {
        let known = COLUMNS.iter().find(|known| known.name == column.name);
        let adds = known.map_or("another runtime, with the default configuration", |known| known.adds);
        let (letter, name, leaks) = (head(&column.name), &column.name, Observed::leaks(column));
        writeln!(text, "{letter} {name:13}{leaks:3} leak  {adds}").ok();
    }
    text
}

/// For a page.
pub(super) fn markdown(observed: &Observed, catalogue: &Catalogue, lang: Lang) -> String {
    let mut text = String::from("| id | attempt |");
    observed.columns.iter().for_each(|column| text += &format!(" {} |", column.name));
    text += "\n|---|---|";
    observed.columns.iter().for_each(|_| text += "---|");
    for id in &observed.rows {
        let what = catalogue.find(id).map(|row| row.what.say(lang)).unwrap_or_default();
        write!(text, "\n| {id} | {what} |").ok();
        observed.columns.iter().for_each(|column| text += &format!(" {} |", sign(column.cells.get(id))));
    }
    text + "\n"
}

/// A row, or several: what is tried, why it works there, what stops it, and what was seen.
pub(super) fn explained(observed: &Observed, catalogue: &Catalogue, lang: Lang) -> String {
    let mut text = String::new();
    for row in observed.rows.iter().filter_map(|id| catalogue.find(id)) {
        let (what, why) = (row.what.say(lang), row.why.say(lang));
        let (page, section) = row.closed.split_once('#').unwrap_or((&row.closed, ""));
        writeln!(text, "{}  {what}\n{} ({})\n\n{why}\n", row.id, row.resource, row.era).ok();
        writeln!(text, "In the book: {page}, section {section}. In the code: ANCHOR: {section}\n").ok();
        for column in &observed.columns {
            let Some(cell) = column.cells.get(&row.id) else { continue };
            writeln!(text, "{:13}{:10} {}", column.name, cell.verdict, cell.seen).ok();
            if let Some(reason) = row.reason.get(&column.name) {
                writeln!(text, "{:24}{reason}", "").ok();
            }
        }
        text.push('\n');
    }
    text
}

/// How wide a text is on a terminal.
#[cfg(test)]
fn widest(text: &str) -> usize {
    text.lines().map(unicode_width::UnicodeWidthStr::width).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_table_fits_a_terminal_in_both_languages() {
        let catalogue = Catalogue::load().unwrap();
        let ids: Vec<_> = catalogue.rows.iter().map(|row| row.id.as_str()).collect();
        let mut observed = Observed::new(&ids);
        COLUMNS.iter().for_each(|column| observed.add(column.name, BTreeMap::new()));
        for lang in [Lang::En, Lang::Ko] {
            assert!(widest(&text(&observed, &catalogue, lang)) <= 100);
        }
    }
}
