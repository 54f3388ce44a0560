//! A trace as a picture: the parent's lane, and init's below it, over one time.
//!
//! No kernel calls; SVG 1.1. Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the same trace is the same picture, to the byte.

use super::{Done, Who};
use std::fmt::Write;

/// The measures of the picture.
const WIDTH: f64 = 560.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 110.0;
const ROW: f64 = 20.0;
/// Above a lane: its name.
const HEAD: f64 = 30.0;

const STYLE: &str = "\
<style>
svg { background: #fff; color: #222; font: 12px sans-serif; }
text { fill: currentColor; }
.lane { font-weight: bold; }
.axis { stroke: currentColor; opacity: .4; }
.parent { fill: #0b5394; }
.init { fill: #b45f06; }
.failed { fill: #b00020; }
@media (prefers-color-scheme: dark) {
svg { background: #16181d; color: #ddd; }
.parent { fill: #6fa8dc; }
.init { fill: #f6b26b; }
.failed { fill: #ff6b7a; }
}
</style>
";

/// The picture of `deeds`, which are in the order of their begin.
pub fn svg(id: &str, deeds: &[Done]) -> String {
    let end = deeds.iter().map(|one| one.end_ns.unwrap_or(one.begin_ns)).max().unwrap_or(0);
    let height = HEAD * 2.0 + ROW * (deeds.len() as f64 + 1.0) + 16.0;
    let width = LEFT + WIDTH + RIGHT;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"title story\">\n<title id=\"title\">The birth of {}</title>\n\
         <desc id=\"story\">{}</desc>\n{STYLE}",
        escaped(id),
        story(deeds)
    );
    let mut top = 0.0;
    for (who, name) in [(Who::Parent, "parent"), (Who::Init, "init")] {
        writeln!(text, "<text class=\"lane\" x=\"12\" y=\"{:.0}\">{name}</text>", top + 20.0).ok();
        top += HEAD;
        for one in deeds.iter().filter(|one| one.who == who) {
            bar(&mut text, one, name, top, end);
            top += ROW;
        }
    }
    axis(&mut text, top, end);
    text + "</svg>\n"
}

/// A row: its name, when, and for how long.
fn bar(text: &mut String, one: &Done, lane: &str, top: f64, whole: u64) {
    let x = |at: u64| LEFT + WIDTH * at as f64 / whole.max(1) as f64;
    let (from, to) = (x(one.begin_ns), x(one.end_ns.unwrap_or(whole)));
    let class = if one.failed { "failed" } else { lane };
    let (y, base, width) = (top + 3.0, top + 14.0, (to - from).max(1.5));
    // The name stands left of all bars, and how long it took right of its own.
    writeln!(
        text,
        "<text x=\"{:.0}\" y=\"{base:.0}\" text-anchor=\"end\">{}</text>\
         <rect class=\"{class}\" x=\"{from:.1}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"14\" rx=\"2\"/>\
         <text x=\"{:.1}\" y=\"{base:.0}\">{}</text>",
        LEFT - 8.0,
        one.deed,
        from + width + 5.0,
        took(one)
    )
    .ok();
}

fn axis(text: &mut String, top: f64, whole: u64) {
    let (y, right) = (top + 8.0, LEFT + WIDTH);
    writeln!(
        text,
        "<path class=\"axis\" d=\"M{LEFT} {y:.0}H{right}\"/>\
         <text x=\"{LEFT}\" y=\"{base:.0}\">0</text>\
         <text x=\"{right}\" y=\"{base:.0}\" text-anchor=\"end\">{} µs</text>",
        whole / 1000,
        base = y + 16.0
    )
    .ok();
}

/// The picture in words.
fn story(deeds: &[Done]) -> String {
    let word = |one: &Done| {
        let who = if one.who == Who::Parent { "parent" } else { "init" };
        format!("{who}: {} at {} µs, {}.", one.deed, one.begin_ns / 1000, took(one))
    };
    deeds.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn took(one: &Done) -> String {
    let failed = if one.failed { ", failed" } else { "" };
    match one.end_ns {
        Some(end) => format!("{} µs{failed}", (end - one.begin_ns) / 1000),
        None => "not ended".to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Act;

    #[test]
    fn explain_draws_a_lane_for_each_of_the_two_and_marks_what_failed() {
        let deed = |who, deed, begin_ns, end_ns, failed| Done {
            who,
            deed,
            act: Act::Birth,
            field: "",
            begin_ns,
            end_ns,
            failed,
        };
        let deeds = [
            deed(Who::Parent, "bear", 0, Some(5000), false),
            deed(Who::Init, "mounts", 2000, Some(9000), true),
            deed(Who::Init, "execute", 9500, None, false),
        ];
        let picture = svg("a<b", &deeds);
        assert!(
            picture.contains("The birth of a&lt;b")
                && picture.contains("init: mounts at 2 µs, 7 µs, failed.")
        );
        for (class, count) in [("parent", 1), ("init", 1), ("failed", 1)] {
            assert_eq!(picture.matches(&format!("<rect class=\"{class}\"")).count(), count, "{class}");
        }
        assert!(picture.contains(">not ended</text>") && svg("x", &[]).ends_with("</svg>\n"));
    }
}
