//! The table in letters: for a terminal, for a page, and one operation explained.
//!
//! No kernel calls. Book: "Under podman, Docker and containerd" (`clients`).
//! Invariant: whatever does not work has its reason below the table, or is said to have none.

use super::observed::{Observed, Row};
use observe::{
    clients::{Operations, Verdict},
    script::Lang,
};
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Room for an operation's name, and for both its name and what it is.
const NAME: usize = 18;
const WIDTH: usize = 77;

/// Room for a verdict.
const VERDICT: usize = 8;

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn what(operations: &Operations, row: &Row, lang: Lang) -> String {
    operations.find(&row.operation).map(|one| one.what.get(lang).to_owned()).unwrap_or_default()
}

fn verdict(row: &Row, runtime: &str) -> &'static str {
    row.cells.get(runtime).map_or("", |seen| seen.verdict.name())
}

/// How many of a client's work with a runtime, of how many.
fn total(observed: &Observed, client: &str, runtime: &str) -> String {
    let rows = || observed.rows.iter().filter(|row| row.client == client);
    let works = rows().filter(|row| verdict(row, runtime) == Verdict::Works.name()).count();
    format!("{works}/{}", rows().count())
}

/// For a terminal.
pub(super) fn text(observed: &Observed, operations: &Operations, lang: Lang) -> String {
    let mut text = format!("Linux {}\n", observed.kernel);
    for client in &observed.clients {
        write!(text, "\n{}", padded(&format!("{}: {}", client.name, client.version), WIDTH)).ok();
        observed.runtimes.iter().for_each(|runtime| text += &padded(&runtime.name, VERDICT));
        for row in observed.rows.iter().filter(|row| row.client == client.name) {
            let line = format!("{:NAME$}{}", row.operation, what(operations, row, lang));
            write!(text, "\n{}", padded(&line, WIDTH)).ok();
            observed.runtimes.iter().for_each(|one| text += &padded(verdict(row, &one.name), VERDICT));
        }
        write!(text, "\n{}", padded("works", WIDTH)).ok();
        observed
            .runtimes
            .iter()
            .for_each(|one| text += &padded(&total(observed, &client.name, &one.name), VERDICT));
        text.push('\n');
    }
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let reasons = reasons(observed, operations, lang);
    format!("{}\n\n{}", lines.join("\n"), reasons.join("\n"))
}

/// A line for everything that does not work.
fn reasons(observed: &Observed, operations: &Operations, lang: Lang) -> Vec<String> {
    let mut lines = Vec::new();
    for row in &observed.rows {
        for (runtime, seen) in row.cells.iter().filter(|(_, seen)| seen.verdict != Verdict::Works) {
            let operation = operations.find(&row.operation);
            let known = operation.and_then(|operation| operation.known(runtime, &row.client));
            let why = known.map_or("?", |known| known.why.get(lang));
            let (client, name, verdict) = (&row.client, &row.operation, seen.verdict.name());
            lines.push(format!("{client} {name}, {runtime} {verdict}: {why}"));
        }
    }
    lines
}

/// For a page.
pub(super) fn markdown(observed: &Observed, operations: &Operations, lang: Lang) -> String {
    let mut text = String::new();
    for client in &observed.clients {
        write!(text, "### {}: {}\n\n| | |", client.name, client.version).ok();
        observed.runtimes.iter().for_each(|one| text += &format!(" {} |", one.name));
        text += "\n|---|---|";
        observed.runtimes.iter().for_each(|_| text += "---|");
        for row in observed.rows.iter().filter(|row| row.client == client.name) {
            write!(text, "\n| `{}` | {} |", row.operation, what(operations, row, lang)).ok();
            observed.runtimes.iter().for_each(|one| text += &format!(" {} |", verdict(row, &one.name)));
        }
        text += "\n| | |";
        observed
            .runtimes
            .iter()
            .for_each(|one| text += &format!(" **{}** |", total(observed, &client.name, &one.name)));
        text += "\n\n";
    }
    reasons(observed, operations, lang).iter().for_each(|line| text += &format!("- {line}\n"));
    text
}

/// Each operation: what is typed, what must be said, what was said, and what the client called.
pub(super) fn explained(observed: &Observed, operations: &Operations, lang: Lang) -> String {
    let mut text = String::new();
    for row in &observed.rows {
        let Some(operation) = operations.find(&row.operation) else { continue };
        let (client, name, what) = (&row.client, &row.operation, what(operations, row, lang));
        write!(text, "{client} {name}: {what}\n\n").ok();
        indented(&mut text, "", &operation.run);
        indented(&mut text, "says", &operation.says);
        for runtime in &observed.runtimes {
            let Some(seen) = row.cells.get(&runtime.name) else { continue };
            writeln!(text, "  with {}: {}", runtime.name, seen.verdict.name()).ok();
            if seen.verdict != Verdict::Works {
                indented(&mut text, "said", &seen.said);
                indented(&mut text, "errors", &seen.errors);
            }
            indented(&mut text, "calls", &shortened(&seen.calls));
        }
        text.push('\n');
    }
    text
}

/// The long ids of clients as ID, and of a second thing as ID2.
fn shortened(calls: &str) -> String {
    let mut ids: Vec<&str> = Vec::new();
    let words = calls.split(|letter: char| !letter.is_ascii_hexdigit());
    for id in words.filter(|word| word.len() == 64) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let replace = |text: String, (number, id): (usize, &&str)| {
        let name = if number == 0 { "ID".to_owned() } else { format!("ID{}", number + 1) };
        text.replace(id, &name)
    };
    ids.iter().enumerate().fold(calls.to_owned(), replace)
}

fn indented(text: &mut String, title: &str, lines: &str) {
    if lines.trim().is_empty() {
        return;
    }
    if !title.is_empty() {
        writeln!(text, "  {title}:").ok();
    }
    lines.trim_matches('\n').lines().for_each(|line| writeln!(text, "    {line}").unwrap_or(()));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use observe::clients::CLIENTS;

    #[test]
    fn every_operation_fits_its_line_in_both_languages() {
        let operations = Operations::load().unwrap();
        for operation in CLIENTS.iter().flat_map(|client| operations.of(client)) {
            assert!(operation.name.len() < NAME, "{}", operation.name);
            for lang in [Lang::En, Lang::Ko] {
                assert!(operation.what.get(lang).width() < WIDTH - NAME, "{}", operation.name);
            }
        }
    }

    #[test]
    fn ids_are_shortened_each_to_its_own() {
        let [one, other] = ["a", "b"].map(|letter| letter.repeat(64));
        let calls = format!("exec --process /x/{other}/p {one}\nkill {other} 9");
        assert_eq!(shortened(&calls), "exec --process /x/ID/p ID2\nkill ID 9");
    }
}
