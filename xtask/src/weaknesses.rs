//! The weaknesses of other runtimes that ours must be immune to: what keeps each out, and the test that shows it.
//!
//! Reads `stage4-runtime/weaknesses.toml`. Book: "Weaknesses, and what turns red" (`weaknesses`).
//! Invariant: each names its test, and a patch that takes the defence away; or says why there is none.

use crate::Error;
use observe::{script::Text, workspace};
use serde::Deserialize;
use std::fs;

/// Where the list is.
pub(crate) const FILE: &str = "stage4-runtime/weaknesses.toml";

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Weakness {
    /// `CVE-2019-5736`
    pub id: String,
    /// Others of the same mechanism.
    #[serde(default)]
    pub also: Vec<String>,
    /// Who had it.
    pub who: String,
    /// How it led out.
    pub mechanism: Text,
    /// What keeps it out here.
    pub defence: Text,
    /// The code that does.
    pub code: Option<Place>,
    /// The section of the book that shows that code.
    pub section: Option<String>,
    /// The test that shows it.
    pub test: Option<Test>,
    /// Takes the defence away.
    #[serde(default, rename = "break")]
    pub breaks: Vec<Patch>,
    /// Why it cannot be taken away by so little.
    pub not: Option<Text>,
}

/// A text that stands once in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub file: String,
    pub text: String,
}

/// A test of stage 4.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    /// `cve`, of `stage4-runtime/tests/cve.rs`.
    pub program: String,
    /// Its function, or its claim.
    pub name: String,
}

/// Another text in the place of one that stands once in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    pub file: String,
    pub from: String,
    pub to: String,
}

/// All of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Weaknesses {
    #[serde(rename = "weakness")]
    pub all: Vec<Weakness>,
}

impl Weaknesses {
    /// Those of the checkout.
    pub fn load() -> Result<Weaknesses, Error> {
        let text = fs::read_to_string(workspace::root().join(FILE));
        text.map_err(|error| Error::Failed(format!("{FILE}: {error}"))).and_then(|text| Self::parse(&text))
    }

    /// From the text of the list.
    pub fn parse(text: &str) -> Result<Weaknesses, Error> {
        toml::from_str(text).map_err(|error| Error::Failed(format!("{FILE}: {error}")))
    }

    /// Those asked for by their names; all where nothing is asked.
    pub fn chosen(&self, only: &[String]) -> Result<Vec<&Weakness>, Error> {
        if let Some(unknown) = only.iter().find(|name| !self.all.iter().any(|one| one.is_called(name))) {
            let all: Vec<_> = self.all.iter().map(|one| one.id.as_str()).collect();
            let all = all.join(", ");
            return Err(Error::Usage(format!("no weakness is called {unknown:?}; there are: {all}")));
        }
        let is_asked = |one: &&Weakness| only.is_empty() || only.iter().any(|name| one.is_called(name));
        Ok(self.all.iter().filter(is_asked).collect())
    }
}

impl Weakness {
    fn is_called(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// All names of it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [&self.id].into_iter().chain(&self.also).map(String::as_str)
    }
}

impl Patch {
    /// `text` with the one place changed; none where it stands there not once.
    pub fn apply(&self, text: &str) -> Option<String> {
        (text.matches(&self.from).count() == 1).then(|| text.replacen(&self.from, &self.to, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_has_one_place() {
        let patch = Patch { file: "a".into(), from: "b".into(), to: "c".into() };
        assert_eq!(patch.apply("a b a").as_deref(), Some("a c a"));
        assert_eq!(patch.apply("a b b"), None);
        assert_eq!(patch.apply("a"), None);
    }

    #[test]
    fn weaknesses_are_chosen_by_any_of_their_names() {
        let said = "{ en = 'a', ko = 'b' }";
        let one = format!(
            "[[weakness]]\nid = 'x-1'\nalso = ['y-2']\nwho = 'z'\nmechanism = {said}\ndefence = {said}\nnot = {said}"
        );
        let list = Weaknesses::parse(&one).unwrap_or_else(|error| panic!("{error}"));
        let chosen = |name: &str| list.chosen(&[name.to_owned()]).map(|all| all.len());
        assert_eq!((chosen("x-1").ok(), chosen("y-2").ok()), (Some(1), Some(1)));
        assert!(chosen("x").is_err_and(|error| error.to_string().contains("there are: x-1")));
    }
}
