//! Pictures drawn from snapshots: what each kind has in common, and the pieces they are drawn with.
//!
//! No kernel calls. Book: every `{{#picture KIND FILE…}}`.
//! | Kind | From | Shows |
//! |---|---|---|
//! | `shared` | one `probe compare` | [`shared`]: what is one with the host |
//! | `change` | two of them | [`change`]: what flipped |
//! | `pod` | members' links | [`pod`]: who shares what |
//! | `pids` | the step `pid` | [`pids`]: one process, two numbers |
//! | `network` | pings | [`network`]: who was answered by whom |
//! | `matrix` | the verdicts of `xtask matrix` | [`matrix`]: what leaks where |
//! | `plot` | a recording of stage 3 and its picture | [`plot`]: use against limit over time |
//!
//! Invariant: nothing is drawn that was not observed, and the same is written in a table beside it.

mod change;
mod facts;
mod matrix;
mod network;
mod pids;
mod plot;
mod pod;
mod shared;

use crate::markup::escape;
use crate::words::Words;
pub use matrix::html as matrix;
pub use plot::html as plot;

/// Units of the drawing; it is scaled to the width of the page.
const WIDTH: usize = 440;
const EDGE: usize = 10;
const LINE: usize = 17;
const SPACE: usize = 10;
const TOP: usize = 30;

/// A snapshot to draw from.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    /// Its name, for messages and the caption.
    pub file: &'a str,
    /// Its text without insta's header.
    pub body: &'a str,
}

/// A picture, and the same in words.
#[derive(Debug)]
struct Drawing {
    title: &'static str,
    height: usize,
    shapes: String,
    /// The facts as sentences, for those who hear the picture.
    spoken: Vec<String>,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// The picture of `kind` and its table as one line of HTML. `id` must be unique on the page.
pub fn html(id: &str, kind: &str, snapshots: &[Snapshot<'_>], words: &Words) -> Result<String, String> {
    let drawing = match (kind, snapshots) {
        ("shared", [one]) => shared::draw(one.body, words),
        ("change", [before, after]) => change::draw(before.body, after.body, words),
        ("pod", [one]) => pod::draw(one.body, words),
        ("pids", [one]) => pids::draw(one.body, words),
        ("network", [one]) => network::draw(one.body, words),
        _ => {
            return Err(format!(
                "no picture is called {kind:?}, or it is drawn from another number of snapshots"
            ));
        }
    };
    let files: Vec<String> = snapshots.iter().map(|one| escape(one.file)).collect();
    let drawing = drawing.map_err(|why| format!("{}: {why}", files.join(", ")))?;
    Ok(figure(id, &drawing, &files.join("<br>"), words))
}

fn figure(id: &str, drawing: &Drawing, files: &str, words: &Words) -> String {
    format!(
        "<figure class=\"picture\">{}<figcaption><span class=\"what\">{}</span> <span class=\"where\">{files}</span></figcaption>\
         <details><summary>{}</summary>{}</details></figure>",
        svg(id, drawing),
        words.picture_drawn,
        words.picture_text,
        table(drawing),
    )
}

fn svg(id: &str, drawing: &Drawing) -> String {
    format!(
        "<svg class=\"facts\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
         <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>{}</svg>",
        drawing.height,
        drawing.title,
        escape(&drawing.spoken.join("; ")),
        drawing.shapes,
    )
}

fn table(drawing: &Drawing) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>()
    };
    let rows = drawing
        .rows
        .iter()
        .map(|row| format!("<tr>{}</tr>", cells("td", &mut row.iter().map(String::as_str))));
    format!(
        "<div class=\"table-wrapper\"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
        cells("th", &mut drawing.head.iter().map(String::as_str)),
        rows.collect::<String>()
    )
}

/// The middle of column `place` of `number`.
fn middle(place: usize, number: usize) -> usize {
    WIDTH * (2 * place + 1) / (2 * number)
}

fn text(class: &str, x: usize, y: usize, words: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escape(words))
}

fn bar(class: &str, x: usize, y: usize, width: usize, height: usize) -> String {
    format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>")
}

/// The dashed line around what is inside, down to `foot`.
fn wall(x: usize, width: usize, foot: usize) -> String {
    format!("<rect class=\"wall\" x=\"{x}\" y=\"1\" width=\"{width}\" height=\"{}\" rx=\"8\"/>", foot - 2)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    const BODY: &str = "$ probe facts\nroot: own (bin dev etc)\nnet:          host's\npid: hidden\nprocesses: host's, canary visible\nuid: 0\n";

    fn draw(kind: &str, bodies: &[&str]) -> Result<String, String> {
        let snapshots: Vec<_> = bodies.iter().map(|body| Snapshot { file: "facts.snap", body }).collect();
        html("p", kind, &snapshots, Lang::En.words())
    }

    #[test]
    fn the_picture_says_all_it_shows() {
        let html = draw("shared", &[BODY]).unwrap();
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
    fn a_picture_names_what_it_cannot_be_drawn_from() {
        assert!(draw("shared", &["$ true\nuid: 0\n"]).unwrap_err().starts_with("facts.snap: no line"));
        assert!(draw("shared", &[BODY, BODY]).unwrap_err().contains("another number of snapshots"));
        assert!(draw("dream", &[BODY]).unwrap_err().contains("\"dream\""));
    }

    #[test]
    fn long_values_are_wrapped_between_words() {
        assert_eq!(wrap("own (bin, dev, etc, lib, usr)", 12), ["own (bin,", "dev, etc,", "lib, usr)"]);
    }
}
