//! The page that narration is written on: wrapped, coloured on terminals, and recorded when asked.
//!
//! isatty(3), TIOCGWINSZ. Book: "How to use this book".
//! Invariant: no line is wider than the page, with Hangul counted as two columns.

use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    path::Path,
    time::Instant,
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How a piece of text looks on a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ink {
    Strong,
    Faint,
    Good,
    Bad,
    Warn,
    Command,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Bad => "1;31",
            Ink::Warn => "33",
            Ink::Command => "36",
        }
    }
}

/// Where narration goes.
#[derive(Debug)]
pub(crate) struct Page {
    width: usize,
    colour: bool,
    cast: Option<Cast>,
}

impl Page {
    /// Standard output, as wide as the terminal is, but no wider than is pleasant to read.
    pub fn new(record: Option<&Path>) -> io::Result<Page> {
        let width = columns().clamp(40, 100);
        let cast = record.map(|path| Cast::create(path, width)).transpose()?;
        Ok(Page { width, colour: colour_wanted(), cast })
    }

    /// The columns of a line.
    pub fn width(&self) -> usize {
        self.width
    }

    /// `text` in this ink, where there is colour.
    pub fn ink(&self, ink: Ink, text: &str) -> String {
        // A recording is for a terminal, so it has a terminal's colours wherever we write besides.
        let colour = self.colour || self.cast.is_some();
        if colour && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", ink.code())
        } else {
            text.to_owned()
        }
    }

    /// One line, as it is.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.write(&format!("{text}\n"))
    }

    /// Text without a line's end, for a question.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let plain = if self.colour { text.to_owned() } else { without_colour(text) };
        out.write_all(plain.as_bytes())?;
        out.flush()?;
        self.cast.as_mut().map_or(Ok(()), |cast| cast.record(text))
    }

    /// A paragraph, wrapped and indented.
    pub fn paragraph(&mut self, indent: usize, text: &str) -> io::Result<()> {
        for line in wrap(text, self.width - indent) {
            self.line(format!("{:indent$}{line}", "").trim_end())?;
        }
        Ok(())
    }

    /// A command as typed, behind its prompt. Never broken: it is there to be copied.
    pub fn command(&mut self, prompt: &str, line: &str, ink: Ink) -> io::Result<()> {
        for (number, line) in line.lines().enumerate() {
            let before =
                if number == 0 { prompt.to_owned() } else { format!("{:>1$} ", ">", prompt.width() - 1) };
            let line = self.ink(ink, line);
            self.line(&format!("{before}{line}"))?;
        }
        Ok(())
    }

    /// Output of a program: every line as it is, one that is too long broken at a blank where it has one.
    pub fn output(&mut self, indent: usize, text: &str) -> io::Result<()> {
        let width = self.width - indent;
        for line in text.lines() {
            let broken = match line {
                line if line.width() <= width => vec![line.to_owned()],
                // Columns that are broken are none: a table ends at the edge, as it does in a terminal.
                line if is_table(line) => vec![cut(line, width)],
                line => wrap(line, width - 2),
            };
            for (number, piece) in broken.iter().enumerate() {
                let hang = if number == 0 { "" } else { "  " };
                self.line(format!("{:indent$}{hang}{piece}", "").trim_end())?;
            }
        }
        Ok(())
    }

    /// Two outputs beside each other, where both fit; false where they do not.
    pub fn columns(&mut self, indent: usize, left: &[&str], right: &[&str]) -> io::Result<bool> {
        let half = (self.width - indent - 3) / 2;
        if left.iter().chain(right).any(|line| line.width() > half) {
            return Ok(false);
        }
        for row in 0..left.len().max(right.len()) {
            let cell = |column: &[&str]| pad(column.get(row).copied().unwrap_or(""), half);
            let line = format!("{:indent$}{} {} {}", "", cell(left), self.ink(Ink::Faint, "│"), cell(right));
            self.line(line.trim_end())?;
        }
        Ok(true)
    }

    /// A heading over the whole width, with a word at its right end.
    pub fn heading(&mut self, title: &str, right: &str) -> io::Result<()> {
        let used = title.width() + right.width() + 6;
        let fill = "─".repeat(self.width.saturating_sub(used).max(1));
        let line = format!(
            "── {} {} {}",
            self.ink(Ink::Strong, title),
            self.ink(Ink::Faint, &fill),
            self.ink(Ink::Faint, right)
        );
        self.line(line.trim_end())
    }
}

/// The text without the escape sequences of [`Ink`].
fn without_colour(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |plain, piece| plain + piece.split_once('m').map_or(piece, |(_, rest)| rest))
}

/// `NO_COLOR` (no-color.org) and `CLICOLOR_FORCE` (bixense.com/clicolors) before the terminal's own answer.
/// The columns of the terminal; where there is none, what COLUMNS says, or 80.
pub(crate) fn columns() -> usize {
    let told = || std::env::var("COLUMNS").ok()?.parse().ok();
    let seen = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    seen.or_else(told).unwrap_or(80)
}

/// Whether there is colour: by what is asked for, else on terminals.
pub(crate) fn colour_wanted() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !set("NO_COLOR") && (forced || (io::stdout().is_terminal() && !dumb))
}

/// `text` filled up with blanks to `width` columns.
pub(crate) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Breaks a text at blanks into lines of at most `width` columns; a longer word is broken anywhere.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut line = String::new();
        for word in paragraph.split_whitespace().flat_map(|word| break_line(word, width)) {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        lines.push(line);
    }
    lines
}

/// Breaks one line into pieces of at most `width` columns.
fn break_line(line: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for character in line.chars() {
        let columns = character.width().unwrap_or(0);
        if used + columns > width {
            pieces.push(String::new());
            used = 0;
        }
        used += columns;
        if let Some(last) = pieces.last_mut() {
            last.push(character);
        }
    }
    pieces
}

/// A recording in asciicast format, version 2 (docs.asciinema.org/manual/asciicast/v2).
#[derive(Debug)]
struct Cast {
    file: File,
    start: Instant,
}

impl Cast {
    fn create(path: &Path, width: usize) -> io::Result<Cast> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("--record {}: {error}", path.display()));
        let mut file = File::create_new(path).map_err(named)?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let header = serde_json::json!({
            "version": 2, "width": width, "height": 40, "timestamp": now.as_secs(),
            "env": { "TERM": "xterm-256color" },
        });
        writeln!(file, "{header}")?;
        Ok(Cast { file, start: Instant::now() })
    }

    fn record(&mut self, text: &str) -> io::Result<()> {
        let seconds = self.start.elapsed().as_secs_f64();
        // A terminal in a player does not turn a line feed into a new line by itself.
        let event = serde_json::json!([seconds, "o", text.replace('\n', "\r\n")]);
        writeln!(self.file, "{event}")
    }
}

/// Three cells or more, parted by two blanks at least.
fn is_table(line: &str) -> bool {
    line.split("  ").filter(|cell| !cell.trim().is_empty()).count() > 2
}

/// As much of a line as there is room for.
fn cut(line: &str, width: usize) -> String {
    let mut room = width - 1;
    let fits = |c: &char| {
        let needed = c.width().unwrap_or(0);
        let fits = needed <= room;
        room = room.saturating_sub(needed);
        fits
    };
    line.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangul_counts_two_columns() {
        let lines = wrap("루트 디렉터리를 바꾼다", 10);
        assert_eq!(lines, ["루트", "디렉터리를", "바꾼다"]);
        assert!(lines.iter().all(|line| line.width() <= 10));
        assert_eq!(pad("루트", 6), "루트  ");
    }

    #[test]
    fn a_table_ends_at_the_edge() {
        assert!(
            is_table("memory      1  /sys/fs/cgroup") && !is_table("two  cells") && !is_table("a sentence")
        );
        assert_eq!(cut("루트  a  b", 6), "루트 …");
    }

    #[test]
    fn a_word_longer_than_the_line_is_broken() {
        assert_eq!(wrap("abcdef gh", 4), ["abcd", "ef", "gh"]);
        assert_eq!(break_line("가나다", 4), ["가나", "다"]);
    }
}
