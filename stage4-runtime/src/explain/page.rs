//! The story as a page for people.
//!
//! No kernel calls. Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; no line is wider than it was asked to be, but for a word that has no place to break; nothing that
//! a configuration holds reaches the terminal as a control character.

use super::Step;
use stage1_chroot::printable;

/// How it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Columns.
    pub width: usize,
    /// With escape sequences for the terminal?
    pub colour: bool,
}

/// So many calls in a row that differ in their last argument only are shown as one.
const MANY: usize = 4;

/// All steps under their headings, numbered; what is `ignored` at the end.
pub fn page(steps: &[Step], ignored: &[String], look: Look) -> String {
    let mut page = Page { text: String::new(), look };
    let mut before: Option<&Step> = None;
    for (place, step) in steps.iter().enumerate() {
        if before.is_none_or(|other| other.act != step.act) {
            page.heading(step.act.heading());
        }
        page.step(
            place + 1,
            step,
            before.is_some_and(|other| other.act == step.act && other.why == step.why),
        );
        before = Some(step);
    }
    if !ignored.is_empty() {
        page.heading("What is ignored");
        ignored.iter().for_each(|what| page.paragraph("   !  ", what, Ink::Plain));
    }
    page.text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ink {
    Plain,
    Bold,
    Faint,
}

struct Page {
    text: String,
    look: Look,
}

impl Page {
    fn heading(&mut self, heading: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        self.text.push_str(gap);
        self.paragraph("", heading, Ink::Bold);
    }

    fn step(&mut self, number: usize, step: &Step, same: bool) {
        self.paragraph(&format!("{number:>4}  "), &step.field, Ink::Plain);
        for call in folded(&step.call) {
            self.paragraph("      ", &call, Ink::Plain);
        }
        self.paragraph("    $ ", step.command.as_deref().unwrap_or("—"), Ink::Plain);
        // What was said of the one before is not said again.
        if !same {
            self.paragraph("    # ", &step.why, Ink::Faint);
        }
    }

    /// `text` behind `margin`; what does not fit goes on below, four columns further in.
    fn paragraph(&mut self, margin: &str, text: &str, ink: Ink) {
        let text = printable(text);
        let (on, off) = match ink {
            _ if !self.look.colour => ("", ""),
            Ink::Plain => ("", ""),
            Ink::Bold => ("\u{1b}[1m", "\u{1b}[0m"),
            Ink::Faint => ("\u{1b}[2m", "\u{1b}[0m"),
        };
        let room = self.look.width.max(40) - margin.chars().count();
        for (place, line) in wrapped(&text, room).into_iter().enumerate() {
            let margin = if place == 0 { margin.to_owned() } else { " ".repeat(margin.chars().count() + 4) };
            self.text.push_str(&format!("{margin}{on}{line}{off}\n"));
        }
    }
}

/// Lines of at most `room` characters, the first one, and of four less; broken behind a blank, a comma or a `|`.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    loop {
        let room = if lines.is_empty() { room } else { room - 4 };
        if rest.len() <= room {
            lines.push(rest.into_iter().collect());
            return lines;
        }
        let behind = |ends: &[char]| (room / 3..room).rev().find(|place| ends.contains(&rest[*place]));
        let end = behind(&[' ', '|']).or_else(|| behind(&['/', ','])).map_or(room, |place| place + 1);
        let line: String = rest.drain(..end).collect();
        lines.push(line.trim_end().to_owned());
    }
}

/// Runs of calls that differ in their last argument only, as one call and the other arguments.
fn folded(calls: &[String]) -> Vec<String> {
    let head = |call: &String| call.rsplit_once(", ").map(|(head, _)| head.to_owned());
    let last = |call: &String| call.rsplit_once(", ").map(|(_, last)| last.trim_end_matches(')').to_owned());
    let mut folded = Vec::new();
    let mut rest = calls;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|call| head(call).is_some() && head(call) == head(first)).count();
        let shown = if run > MANY { 1 } else { run.max(1) };
        folded.extend(rest[..shown].iter().cloned());
        if run > MANY {
            let others: Vec<String> = rest[1..run].iter().filter_map(last).collect();
            folded.push(format!("… and the same with {}", others.join(", ")));
        }
        rest = &rest[run.max(1)..];
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explain_breaks_lines_where_a_reader_would() {
        assert_eq!(wrapped("one two three", 40), ["one two three"]);
        let text = format!("call({})", ["FLAG_ONE|FLAG_TWO"; 6].join("|"));
        let lines = wrapped(&text, 40);
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= 40), "{lines:?}");
        assert_eq!(lines.concat(), text);
        assert!(wrapped(&"x".repeat(200), 40).iter().all(|line| line.len() <= 40));
    }

    #[test]
    fn explain_folds_calls_that_differ_in_one_argument() {
        let calls: Vec<String> = (0..6).map(|n| format!("prctl(PR_CAPBSET_DROP, {n})")).collect();
        assert_eq!(folded(&calls), ["prctl(PR_CAPBSET_DROP, 0)", "… and the same with 1, 2, 3, 4, 5"]);
        assert_eq!(folded(&calls[..3]), calls[..3]);
        assert_eq!(folded(&["setsid()".to_owned(), "setsid()".to_owned()]).len(), 2);
    }
}
