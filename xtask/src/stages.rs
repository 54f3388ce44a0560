//! The four stages: their crates, their scripts, and what each needs before its first step.
//!
//! Reads `demo.toml`. Book: the table of contents.
//! Invariant: this list is the only place that names all four.

use crate::Error;
use observe::{need::Need, script::Script, workspace};
use std::path::PathBuf;

/// A stage, whether its demo is written yet or not.
#[derive(Debug)]
pub(crate) struct Stage {
    /// `stage1`
    pub name: &'static str,
    /// `stage1-chroot`
    pub package: &'static str,
    /// What nothing of it works without.
    pub needs: &'static [Need],
}

/// In the order of history.
pub(crate) const STAGES: [Stage; 4] = [
    Stage { name: "stage1", package: "stage1-chroot", needs: &[Need::Ground, Need::Chroot] },
    Stage { name: "stage2", package: "stage2-namespaces", needs: &[Need::Ground, Need::Mounts] },
    Stage { name: "stage3", package: "stage3-cgroups", needs: &[Need::Ground, Need::Mounts] },
    Stage { name: "stage4", package: "stage4-runtime", needs: &[Need::Ground, Need::Container] },
];

impl Stage {
    /// Where its script is.
    pub fn script_path(&self) -> PathBuf {
        workspace::root().join(self.package).join("demo.toml")
    }

    /// Its script; none while the stage is not written yet.
    pub fn script(&self) -> Result<Option<Script>, Error> {
        let path = self.script_path();
        if path.exists() { Ok(Some(Script::load(&path)?)) } else { Ok(None) }
    }
}

/// The stage called `name` (`stage1`, `stage1-chroot` or `1`), or a sentence that lists all.
pub(crate) fn find(name: &str) -> Result<&'static Stage, Error> {
    let named = |stage: &&Stage| {
        stage.name == name || stage.package == name || stage.name.strip_prefix("stage") == Some(name)
    };
    STAGES.iter().find(named).ok_or_else(|| {
        let all: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
        Error::Usage(format!("no stage is called {name:?}; there are: {}", all.join(", ")))
    })
}

/// The stages asked for: one, or all that have a script.
pub(crate) fn chosen(name: Option<&str>) -> Result<Vec<(&'static Stage, Script)>, Error> {
    let Some(name) = name else {
        let scripts = STAGES.iter().map(|stage| Ok(stage.script()?.map(|script| (stage, script))));
        return scripts.filter_map(Result::transpose).collect();
    };
    let stage = find(name)?;
    match stage.script()? {
        Some(script) => Ok(vec![(stage, script)]),
        None => Err(Error::Usage(format!("{}: this stage has no demo yet", stage.package))),
    }
}
