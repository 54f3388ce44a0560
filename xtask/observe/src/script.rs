//! `demo.toml`: the one list of a stage's steps, read and checked.
//!
//! No kernel calls beyond reading the file. Book: "How to use this book".
//! Invariant: an unknown key, an empty promise or a repeated slug is an error, never ignored.

use crate::{Error, Result, need::Need};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::Path};

/// The languages everything is narrated in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// English.
    En,
    /// Korean.
    Ko,
}

/// One sentence or more, in each language.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    en: String,
    ko: String,
}

impl Text {
    /// The text in `lang`.
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => self.en.trim(),
            Lang::Ko => self.ko.trim(),
        }
    }
}

/// A whole script.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The stage it belongs to.
    pub stage: Stage,
    /// Its steps, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// What is said of the stage as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// `stage1`
    pub name: String,
    /// `stage1-chroot`
    pub package: String,
    /// `1979-1991`
    pub years: String,
    /// A title for a heading.
    pub title: Text,
    /// What the stage is about.
    pub intro: Text,
    /// Commands that make the ground of every step (unless the step names its own).
    #[serde(default)]
    pub setup: Vec<String>,
    /// What an ordinary user types instead of some words of the commands.
    pub ordinary: Option<Instead>,
}

/// Words of a command, and what an ordinary user types instead.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instead {
    /// `stage2-namespaces run`
    pub of: String,
    /// `stage2-namespaces run --user --map-root`
    pub types: String,
}

/// One step: one slug, one observation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The name that heading, anchor, test and snapshot share.
    pub slug: String,
    /// Where the blog series tells it.
    pub series: String,
    /// A title for a heading.
    pub title: Text,
    /// What and why, before the commands.
    pub say: Text,
    /// The prediction to ask for.
    pub ask: Text,
    /// What the observation means.
    pub tell: Text,
    /// What the machine must be able to do.
    pub needs: Vec<Need>,
    /// Instead of the stage's set-up.
    pub setup: Option<Vec<String>>,
    /// How the outputs inside and on the host must relate.
    pub relation: Option<Relation>,
    /// Where the letters of the snapshot hold (`debian 12 x86_64`); elsewhere only the promises do.
    pub recorded_on: Option<String>,
    /// Keep `note: …` lines in the snapshot, because they are what the step shows.
    #[serde(default)]
    pub notes: bool,
    /// The commands, in order.
    #[serde(rename = "command")]
    pub commands: Vec<Command>,
    /// What it prints depends on the layout of control groups: a snapshot for each.
    #[serde(default)]
    pub layouts: bool,
    /// What an ordinary user runs or sees instead.
    pub rootless: Option<Variant>,
    /// What is run or seen where control groups are of version 1 only.
    pub v1: Option<Variant>,
    /// What is run or seen where control groups are of version 2 only.
    pub v2: Option<Variant>,
}

/// What is different under some circumstances; the rest is the step's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Instead of the step's needs. An ordinary user who meets the step's own plays the step itself.
    pub needs: Option<Vec<Need>>,
    /// Instead of the step's commands.
    #[serde(default, rename = "command")]
    pub commands: Vec<Command>,
    /// Instead of the step's `tell`.
    pub tell: Option<Text>,
    /// For an ordinary user: what it prints depends on the layout of control groups, too.
    #[serde(default)]
    pub layouts: bool,
}

/// One command as the reader types it, and what it must show.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Given to `sh -c`.
    pub run: String,
    /// Where what it prints was observed.
    #[serde(default)]
    pub on: Place,
    /// The exit status promised.
    #[serde(default)]
    pub status: u8,
    /// Each must appear in what it prints.
    #[serde(default)]
    pub shows: Vec<String>,
    /// None may appear in what it prints.
    #[serde(default)]
    pub hides: Vec<String>,
}

/// Where an output was observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the jail, the namespaces, the container.
    #[default]
    Inside,
    /// Outside of it.
    Host,
}

/// How the output of the first command inside relates to that of the first on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// Letter for letter the same.
    Same,
    /// Not the same.
    Differs,
}

impl Script {
    /// Reads and checks the script at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or says something that `ARCHITECTURE.md` does not know.
    pub fn load(path: &Path) -> Result<Script> {
        let text = std::fs::read_to_string(path).map_err(Error::path("open", path))?;
        Script::parse(&text).map_err(|reason| Error::Script { path: path.display().to_string(), reason })
    }

    pub(crate) fn parse(text: &str) -> std::result::Result<Script, String> {
        let script: Script = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut seen = BTreeSet::new();
        for step in &script.steps {
            step.check().map_err(|reason| format!("step {:?}: {reason}", step.slug))?;
            if !seen.insert(&step.slug) {
                return Err(format!("step {:?}: this slug is there twice", step.slug));
            }
        }
        Ok(script)
    }

    /// A command's words as root or as an ordinary user types them.
    pub fn typed(&self, run: &str, rootless: bool) -> String {
        match &self.stage.ordinary {
            // The first time only: what it starts has the rights already. Nor where they are asked for anyway.
            Some(instead) if rootless && !asks(run, &instead.of) => {
                run.replacen(&instead.of, &instead.types, 1)
            }
            _ => run.to_owned(),
        }
    }

    /// The commands that make the ground of a step.
    pub fn setup<'a>(&'a self, step: &'a Step) -> &'a [String] {
        step.setup.as_ref().unwrap_or(&self.stage.setup)
    }

    /// The step with this slug.
    pub fn step(&self, slug: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.slug == slug)
    }
}

/// Whether the first `command` in a line asks for a user namespace by its own options.
fn asks(line: &str, command: &str) -> bool {
    let after = line.split_once(command).map_or("", |(_, after)| after);
    let options = after.split(" -- ").next().unwrap_or_default();
    options.split_whitespace().any(|word| word == "--user" || word == "--all")
}

impl Step {
    fn check(&self) -> std::result::Result<(), String> {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.slug.is_empty() || !self.slug.chars().all(letters) {
            return Err("a slug is made of a-z, 0-9 and -".into());
        }
        if !self.layouts && (self.v1.is_some() || self.v2.is_some()) {
            return Err("a step that differs by layout says `layouts = true`".into());
        }
        for part in self.parts() {
            let commands = part.commands();
            if commands.is_empty() {
                return Err("a step runs at least one command".into());
            }
            let promises = |c: &Command| c.status != 0 || !c.shows.is_empty() || !c.hides.is_empty();
            if self.relation.is_none() && !commands.iter().any(promises) {
                return Err("nothing is promised, so nothing could fail".into());
            }
            let both = |place| commands.iter().any(|c| c.on == place);
            if self.relation.is_some() && !(both(Place::Inside) && both(Place::Host)) {
                return Err("a relation needs a command inside and one on the host".into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: &str = r#"
        [stage]
        name = "s"
        package = "p"
        years = "1979"
        title = { en = "t", ko = "t" }
        intro = { en = "t", ko = "t" }
        [[step]]
        slug = "a"
        series = "Part I"
        title = { en = "t", ko = "t" }
        say = { en = "t", ko = "t" }
        ask = { en = "t", ko = "t" }
        tell = { en = "t", ko = "t" }
        needs = []
        [[step.command]]
        run = "true"
    "#;

    #[test]
    fn a_step_that_promises_nothing_is_refused() {
        assert!(Script::parse(STEP).unwrap_err().contains("nothing is promised"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = format!("{STEP}\nshowz = ['x']");
        assert!(Script::parse(&text).unwrap_err().contains("showz"));
    }

    #[test]
    fn a_promise_is_accepted() {
        let text = format!("{STEP}\nshows = ['x']");
        assert_eq!(Script::parse(&text).unwrap().steps.len(), 1);
    }
}
