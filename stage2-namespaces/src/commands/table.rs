//! One list, printed as a table for people or as JSON for programs.
//!
//! No kernel calls. Book: "How to use this book".
//! Invariant: both formats hold the same, but that the table is cut at the terminal's edge; the JSON has numbers and
//! lists where the table has text.

use clap::ValueEnum;
use serde_json::{Map, Value};
use stage1_chroot::printable;

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// An array of objects for programs.
    Json,
}

/// Rows under a heading.
#[derive(Debug)]
pub struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(heading: &[&'static str]) -> Self {
        Table { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// Appends a row, one value for each column.
    pub fn push<const N: usize>(&mut self, row: [Value; N]) {
        self.rows.push(row.to_vec());
    }

    /// The text to print.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Table => self.columns(),
            Format::Json => {
                let object = |row: &Vec<Value>| {
                    let fields = self.heading.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned());
                    Value::Object(Map::from_iter(fields))
                };
                format!("{:#}\n", Value::Array(self.rows.iter().map(object).collect()))
            }
        }
    }

    fn columns(&self) -> String {
        let heading = self.heading.iter().map(|name| name.to_uppercase()).collect();
        let cells = |row: &Vec<Value>| row.iter().map(cell).collect();
        let lines: Vec<Vec<String>> = std::iter::once(heading).chain(self.rows.iter().map(cells)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.heading.len()).map(width).collect();
        let number =
            |column: usize| self.rows.iter().all(|row| row[column].is_number() || row[column].is_null());
        let numbers: Vec<bool> =
            (0..self.heading.len()).map(|c| number(c) && !self.rows.is_empty()).collect();
        let padded = |line: &Vec<String>| {
            let cells: Vec<String> = (0..line.len())
                .map(|c| match numbers[c] {
                    true => format!("{:>width$}", line[c], width = widths[c]),
                    false => format!("{:<width$}", line[c], width = widths[c]),
                })
                .collect();
            format!("{}\n", cut(cells.join("  ").trim_end()))
        };
        lines.iter().map(padded).collect()
    }
}

/// A line that fits the terminal, or the columns that the environment speaks of; a pipe gets the whole.
fn cut(line: &str) -> String {
    let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let asked = || std::env::var("COLUMNS").ok()?.parse().ok();
    let columns = terminal.or_else(asked).unwrap_or(usize::MAX).max(40);
    match line.chars().count() > columns {
        true => line.chars().take(columns - 1).chain(['…']).collect(),
        false => line.to_owned(),
    }
}

/// A value as a person reads it; nothing is `-`.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn list_prints_the_same_in_both_formats() {
        let mut table = Table::new(&["name", "pid"]);
        table.push([json!("a\u{1b}[31m"), json!(7)]);
        table.push([json!(["x", "y"]), Value::Null]);
        let lines = ["NAME         PID", "a\\u{1b}[31m    7", "x,y            -", ""];
        assert_eq!(table.render(Format::Table), lines.join("\n"));
        let json: Value = serde_json::from_str(&table.render(Format::Json)).unwrap();
        assert_eq!(json, json!([{"name": "a\u{1b}[31m", "pid": 7}, {"name": ["x", "y"], "pid": null}]));
    }
}
