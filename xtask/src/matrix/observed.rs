//! What was seen: a verdict a cell, to be written down, read again and compared.
//!
//! uname(2). Book: "The matrix".
//! Invariant: more contained than expected is no fault; a leak that nobody expects is.

use super::catalogue::Catalogue;
use crate::Error;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path};

/// How a verdict is written in few letters.
const VERDICTS: [(&str, &str); 4] = [("L", "LEAKS"), ("C", "CONTAINED"), ("m", "MODE"), ("-", "N/A")];

/// One attempt in one column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cell {
    pub verdict: String,
    pub seen: String,
}

impl Cell {
    /// As the table and the catalogue write it.
    pub fn letter(&self) -> char {
        let known = VERDICTS.iter().find(|(_, verdict)| *verdict == self.verdict);
        known.and_then(|(letter, _)| letter.chars().next()).unwrap_or('?')
    }
}

/// A column: its name and its cells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Column {
    pub name: String,
    pub cells: BTreeMap<String, Cell>,
}

/// A run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Observed {
    pub kernel: String,
    pub rows: Vec<String>,
    pub columns: Vec<Column>,
}

impl Observed {
    pub fn new(rows: &[&str]) -> Observed {
        let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
        let rows = rows.iter().map(|row| (*row).to_owned()).collect();
        Observed { kernel: release.unwrap_or_default(), rows, columns: Vec::new() }
    }

    pub fn add(&mut self, name: &str, cells: BTreeMap<String, Cell>) {
        self.columns.push(Column { name: name.to_owned(), cells });
    }

    /// These rows, and of the columns those that are named, if any are.
    pub fn keep(&mut self, rows: &[&str], columns: &[String]) {
        self.rows.retain(|row| rows.contains(&row.as_str()));
        self.columns.retain(|column| columns.is_empty() || columns.contains(&column.name));
        self.columns.iter_mut().for_each(|column| column.cells.retain(|row, _| rows.contains(&row.as_str())));
    }

    pub fn parse(text: &str) -> Result<Observed, Error> {
        serde_json::from_str(text).map_err(|error| Error::Failed(format!("the matrix's JSON: {error}")))
    }

    pub fn read(file: &Path) -> Result<Observed, Error> {
        let text = fs::read_to_string(file)
            .map_err(|error| Error::Usage(format!("open({}): {error}", file.display())))?;
        if text.starts_with('{') { Observed::parse(&text) } else { Observed::from_letters(&text) }
    }

    /// The verdicts alone: the kernel and the columns, then a row a line.
    pub fn letters(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let mut text = format!("{}\t{}\n", self.kernel, names.join("\t"));
        for id in &self.rows {
            let letters = self.columns.iter().map(|column| column.cells.get(id).map_or('?', Cell::letter));
            let letters: Vec<_> = letters.map(String::from).collect();
            text += &format!("{id}\t{}\n", letters.join("\t"));
        }
        text
    }

    fn from_letters(text: &str) -> Result<Observed, Error> {
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
        let wrong = || Error::Failed("neither the matrix's JSON nor its letters".into());
        let (head, rows) = lines.split_first().ok_or_else(wrong)?;
        if rows.is_empty() || rows.iter().any(|row| row.len() != head.len()) {
            return Err(wrong());
        }
        let cell = |letter: &str| {
            let known = VERDICTS.iter().find(|(short, _)| *short == letter);
            Cell { verdict: known.map_or("ERROR", |(_, verdict)| verdict).to_owned(), seen: String::new() }
        };
        let column = |(place, name): (usize, &&str)| Column {
            name: (*name).to_owned(),
            cells: rows.iter().map(|row| (row[0].to_owned(), cell(row[place]))).collect(),
        };
        Ok(Observed {
            kernel: head[0].to_owned(),
            rows: rows.iter().map(|row| row[0].to_owned()).collect(),
            columns: head.iter().enumerate().skip(1).map(column).collect(),
        })
    }

    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    pub fn cell(&self, column: &str, row: &str) -> Option<&Cell> {
        self.columns.iter().find(|known| known.name == column)?.cells.get(row)
    }

    /// What the host has, a column does not lack: there the answer is a filter's.
    pub fn kernel_decides(&mut self) {
        let Some((host, others)) = self.columns.split_first_mut().filter(|(host, _)| host.name == "host")
        else {
            return;
        };
        let has = |id: &str| host.cells.get(id).is_some_and(|cell| cell.letter() != '-');
        let cells = others.iter_mut().flat_map(|column| column.cells.iter_mut());
        for (_, cell) in
            cells.filter(|(id, cell)| has(id) && cell.letter() == '-' && cell.seen.contains("ENOSYS"))
        {
            cell.verdict = "CONTAINED".to_owned();
        }
    }

    /// How many leak in a column.
    pub fn leaks(column: &Column) -> usize {
        column.cells.values().filter(|cell| cell.letter() == 'L').count()
    }

    /// Leaks, and attempts without a verdict, that the catalogue does not expect.
    pub fn unexpected(&self, catalogue: &Catalogue) -> Vec<String> {
        let mut lines = Vec::new();
        for column in &self.columns {
            // A column that cannot be made says the same of all its rows: once is enough.
            let mut said: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for (id, cell) in &column.cells {
                let expected = catalogue.find(id).and_then(|row| row.expected(&column.name));
                let bad = match cell.letter() {
                    '?' => true,
                    'L' => expected.is_some_and(|letter| letter != 'L' && letter != '-'),
                    _ => false,
                };
                if bad {
                    said.entry(format!("{}: {}", cell.verdict, cell.seen)).or_default().push(id);
                }
            }
            lines.extend(
                said.iter().map(|(what, ids)| format!("{} in {}: {what}", ids.join(" "), column.name)),
            );
        }
        lines
    }

    /// Every cell that is not what is expected, whichever way.
    pub fn is_expected(catalogue: &Catalogue, column: &str, id: &str, cell: &Cell) -> bool {
        let expected = catalogue.find(id).and_then(|row| row.expected(column));
        expected.is_none_or(|letter| letter == cell.letter() || letter == '-' || cell.letter() == '-')
    }

    /// Cells that are not as there.
    pub fn differences(&self, there: &Observed) -> Vec<String> {
        let mut lines = Vec::new();
        for column in &self.columns {
            for (id, cell) in &column.cells {
                if let Some(other) =
                    there.cell(&column.name, id).filter(|other| other.verdict != cell.verdict)
                {
                    lines.push(format!(
                        "{id} {}: {} here ({}), {} there ({})",
                        column.name, cell.verdict, cell.seen, other.verdict, other.seen
                    ));
                }
            }
        }
        lines
    }
}
