//! The matrix as a picture for the book: a row an attempt, a column a step of history.
//!
//! No kernel calls. Book: "The matrix".
//! Invariant: readable without colour, on light and on dark paper; each row leads to the section that closes it.

use super::{
    catalogue::Catalogue,
    columns::COLUMNS,
    observed::{Cell, Observed},
};
use observe::script::Lang;
use std::fmt::Write;

const LEFT: usize = 380;
const TOP: usize = 110;
const CELL: usize = 22;
const LINE: usize = 18;

/// The whole picture.
pub(super) fn svg(observed: &Observed, catalogue: &Catalogue, lang: Lang) -> String {
    let (width, height) = (LEFT + observed.columns.len() * CELL + 40, TOP + (observed.rows.len() + 2) * LINE);
    let counts: Vec<_> = observed
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name, Observed::leaks(column)))
        .collect();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"matrix-title matrix-story\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"currentColor\">\n<title id=\"matrix-title\">{} attempts in {} steps of history</title>\n\
         <desc id=\"matrix-story\">Leaks: {}.</desc>\n",
        observed.rows.len(),
        observed.columns.len(),
        escaped(&counts.join(", ")),
    );
    heads(&mut svg, observed);
    for (number, id) in observed.rows.iter().enumerate() {
        row(&mut svg, observed, catalogue, lang, (number, id));
    }
    let y = TOP + (observed.rows.len() + 1) * LINE;
    let word = if lang == Lang::Ko { "새는 수" } else { "leaks" };
    writeln!(svg, "<text x=\"8\" y=\"{y}\" font-weight=\"bold\">{word}</text>").ok();
    for (number, column) in observed.columns.iter().enumerate() {
        let x = LEFT + number * CELL + CELL / 2;
        let leaks = Observed::leaks(column);
        writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{leaks}</text>").ok();
    }
    svg + "</svg>\n"
}

fn heads(svg: &mut String, observed: &Observed) {
    for (number, column) in observed.columns.iter().enumerate() {
        let (x, y) = (LEFT + number * CELL + CELL / 2 + 4, TOP - 12);
        let adds = COLUMNS.iter().find(|known| known.name == column.name).map_or("", |known| known.adds);
        let name = escaped(&column.name);
        writeln!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" transform=\"rotate(-60 {x} {y})\">{name}<title>{}</title></text>",
            escaped(adds)
        )
        .ok();
    }
}

fn row(
    svg: &mut String,
    observed: &Observed,
    catalogue: &Catalogue,
    lang: Lang,
    (number, id): (usize, &str),
) {
    let y = TOP + number * LINE;
    let known = catalogue.find(id);
    let what = escaped(known.map(|row| row.what.say(lang)).unwrap_or_default());
    let to = known.map(|row| row.closed.replace(".md#", ".html#")).unwrap_or_default();
    writeln!(svg, "<a href=\"{to}\"><text x=\"8\" y=\"{}\">{id}</text></a>", y + 4).ok();
    writeln!(svg, "<text x=\"52\" y=\"{}\">{what}</text>", y + 4).ok();
    writeln!(
        svg,
        "<path class=\"line\" d=\"M8 {}H{}\" stroke=\"currentColor\" stroke-opacity=\"0.15\"/>",
        y + 9,
        LEFT + observed.columns.len() * CELL
    )
    .ok();
    for (place, column) in observed.columns.iter().enumerate() {
        let x = LEFT + place * CELL + CELL / 2;
        let cell = column.cells.get(id);
        let told = cell.map(|cell| format!("{id}, {}: {}", column.name, cell.verdict)).unwrap_or_default();
        writeln!(svg, "<g>{}<title>{}</title></g>", mark(cell, x, y), escaped(&told)).ok();
    }
}

/// A filled square leaks, a dot is contained, a ring is saved by a mode, a dash is not here: shapes, not colours.
fn mark(cell: Option<&Cell>, x: usize, y: usize) -> String {
    match cell.map(Cell::letter) {
        Some('L') => {
            format!("<rect class=\"leak\" x=\"{}\" y=\"{}\" width=\"14\" height=\"14\"/>", x - 7, y - 7)
        }
        Some('C') => format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"2\" fill-opacity=\"0.5\"/>"),
        Some('m') => format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"5\" fill=\"none\" stroke=\"currentColor\"/>"),
        _ => format!("<path d=\"M{} {y}H{}\" stroke=\"currentColor\" stroke-opacity=\"0.5\"/>", x - 4, x + 4),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
