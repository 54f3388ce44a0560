//! The report as a tree: who needs what, and which files that brought.
//!
//! No kernel calls. Book: `build`.
//! Invariant: each path is shown once, below the first that needed it; lines fit 72 columns where paths do.

use crate::closure::trail::Step;
use crate::copy::{Method, Outcome};
use crate::printable;
use crate::rootfs::{Placed, Report, Rootfs};
use std::path::Path;

/// Where the column of outcomes ends: within 80 columns even where a transcript is indented.
const WIDTH: usize = 72;

/// The whole report, ending in a line of sums.
pub fn draw(root: &Rootfs, report: &Report) -> String {
    let mut text = String::new();
    for node in report.closure.children(None) {
        draw_node(&mut text, report, node, "", "");
    }
    text.push_str(&sums(root, report));
    text
}

/// One need, the files it brought, and what it needs itself; `first` opens its line, `rest` all lines below.
fn draw_node(text: &mut String, report: &Report, index: usize, first: &str, rest: &str) {
    let node = &report.closure.nodes[index];
    let children: Vec<usize> = report.closure.children(Some(index)).collect();
    let brought: Vec<&Placed> = report.placed.iter().filter(|placed| placed.node == index).collect();
    let above = if brought.is_empty() { " (above)" } else { "" };
    let name = node.name.to_string_lossy();
    line(text, &format!("{first}{name}"), &format!("{}{above}", node.why));
    let bar = if children.is_empty() { "   " } else { "│  " };
    for placed in brought {
        draw_placed(text, placed, &format!("{rest}{bar}"));
    }
    for (position, child) in children.iter().enumerate() {
        let (branch, below) =
            if position + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        draw_node(text, report, *child, &format!("{rest}{branch}"), &format!("{rest}{below}"));
    }
}

fn draw_placed(text: &mut String, placed: &Placed, indent: &str) {
    let path = inside(placed.step.path());
    let outcome = outcome(placed.outcome);
    let Step::Link(_, target) = &placed.step else {
        return line(text, &format!("{indent}{path}"), &outcome);
    };
    let arrow = format!("{path} -> {}", target.display());
    if width(indent) + width(&arrow) + width(&outcome) + 2 <= WIDTH {
        return line(text, &format!("{indent}{arrow}"), &outcome);
    }
    line(text, &format!("{indent}{path}"), "");
    line(text, &format!("{indent}  -> {}", target.display()), &outcome);
}

/// `left`, and `right` at the right margin.
fn line(text: &mut String, left: &str, right: &str) {
    let (left, right) = (printable(left), printable(right));
    let gap = WIDTH.saturating_sub(width(&left) + width(&right)).max(2);
    let gap = if right.is_empty() { 0 } else { gap };
    text.push_str(&format!("{left}{:gap$}{right}\n", ""));
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Copied(Method::Reflink, bytes) => format!("reflinked {:>9}", size(bytes)),
        Outcome::Copied(_, bytes) => format!("copied {:>9}", size(bytes)),
        Outcome::Linked => "link".to_owned(),
        Outcome::Made => "directory".to_owned(),
        Outcome::Kept => "kept".to_owned(),
    }
}

fn sums(root: &Rootfs, report: &Report) -> String {
    let files = report.count(|outcome| matches!(outcome, Outcome::Copied(..)));
    let links = report.count(|outcome| outcome == Outcome::Linked);
    let kept = report.count(|outcome| outcome == Outcome::Kept);
    let (path, bytes) = (printable(root.path().display()), size(report.bytes()));
    format!(
        "\n{path}: {} copied ({bytes}), {} made, {kept} kept\n",
        count(files, "file"),
        count(links, "link")
    )
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20),
    }
}

fn inside(path: &Path) -> String {
    path.strip_prefix("/").unwrap_or(path).display().to_string()
}

/// Columns; library names with wide characters are not a thing that we align for.
fn width(text: &str) -> usize {
    text.chars().count()
}
