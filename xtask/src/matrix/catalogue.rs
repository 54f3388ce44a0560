//! The rows: what is tried, since when it is closed, by what, and what is expected in each column.
//!
//! Reads `xtask/matrix.toml`. Book: "The matrix".
//! Invariant: an expectation that differs from what history promises has its reason beside it.

use super::columns;
use crate::Error;
use observe::script::Lang;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A sentence in both languages.
#[derive(Debug, Deserialize)]
pub(super) struct Text {
    en: String,
    ko: String,
}

impl Text {
    pub fn say(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Ko => &self.ko,
        }
    }
}

/// One attempt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub id: String,
    /// What is tried, in a few words.
    pub what: Text,
    /// Of what resource.
    pub resource: String,
    /// Since when there is what closes it.
    pub era: String,
    /// Why it works where it does, and what stops it.
    pub why: Text,
    /// The section of the book, below `book/src`.
    pub closed: String,
    /// A letter a column: L C m -.
    expect: String,
    /// Why some of them are not what one might think, by the column's name.
    #[serde(default)]
    pub reason: BTreeMap<String, String>,
}

impl Row {
    /// What is expected in a column.
    pub fn expected(&self, column: &str) -> Option<char> {
        let number = columns::COLUMNS.iter().position(|known| known.name == column)?;
        self.expect.chars().filter(|letter| *letter != ' ').nth(number)
    }
}

/// All rows.
#[derive(Debug, Deserialize)]
pub(super) struct Catalogue {
    #[serde(rename = "row")]
    pub rows: Vec<Row>,
}

impl Catalogue {
    /// Those that this program was built with: in a virtual machine there is no checkout.
    pub fn load() -> Result<Catalogue, Error> {
        let text = include_str!("../../matrix.toml");
        toml::from_str(text).map_err(|error| Error::Failed(format!("xtask/matrix.toml: {error}")))
    }

    pub fn find(&self, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }

    /// The rows whose ids begin as asked; all where nothing is asked.
    pub fn chosen(&self, exactly: &[String], beginnings: &[String]) -> Result<Vec<&str>, Error> {
        let asked = || exactly.iter().chain(beginnings);
        if let Some(unknown) = asked().find(|asked| !self.rows.iter().any(|row| row.id.starts_with(*asked))) {
            return Err(Error::Usage(format!("no row is called {unknown:?}: fs, pr, … and fs-01, fs-02, …")));
        }
        let is_asked = |id: &str| asked().next().is_none() || asked().any(|asked| id.starts_with(asked));
        Ok(self.rows.iter().map(|row| row.id.as_str()).filter(|id| is_asked(id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use observe::workspace;
    use std::fs;

    #[test]
    fn every_row_expects_something_of_every_column_and_names_a_section_that_is_there() {
        let catalogue = Catalogue::load().unwrap();
        assert_eq!(catalogue.rows.len(), 61);
        for row in &catalogue.rows {
            let letters: Vec<_> = row.expect.chars().filter(|letter| *letter != ' ').collect();
            assert_eq!(letters.len(), columns::COLUMNS.len(), "{}", row.id);
            assert!(letters.iter().all(|letter| "LCm-".contains(*letter)), "{}", row.id);
            let (page, section) = row.closed.split_once('#').unwrap();
            let text = fs::read_to_string(workspace::root().join("book/src").join(page)).unwrap();
            assert!(text.contains(&format!("{{#{section}}}")), "{}: {}", row.id, row.closed);
            assert!(
                row.reason.keys().all(|name| columns::COLUMNS.iter().any(|one| one.name == name)),
                "{}",
                row.id
            );
        }
    }
}
