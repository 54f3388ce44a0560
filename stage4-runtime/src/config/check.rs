//! Every rule of the specification and of the kernel that can be known before anything is done.
//!
//! No kernel calls; config.md, config-linux.md. Book: "config.json, field by field" (`config`).
//! Invariant: pure; what breaks a rule is refused and never set right, all of it at once; what the specification
//! tells a runtime to ignore is a warning.

mod block_io;
mod devices;
mod hooks;
mod ids;
mod linux;
pub mod mounts;
mod namespaces;
mod network;
mod process;
mod rdt;
mod resources;
mod scheduling;
pub mod sysctl;
mod text;
mod version;

use super::fault::{At, Fault, Faults};
use super::{Config, Process, Resources, Root};
use std::fmt;

pub use mounts::REPLACEABLE;
pub use process::CAPABILITIES;

/// What is about to be done, as far as it decides what has to be in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The container is made; a process may still be missing.
    Create,
    /// The process is started, at once or later.
    Start,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What must not be.
    pub faults: Vec<Fault>,
    /// What is ignored.
    pub warnings: Vec<Fault>,
}

impl Findings {
    /// A rule is broken at `at`.
    pub fn refuse(&mut self, at: &At<'_>, what: impl fmt::Display, source: &'static str) {
        self.faults.push(Fault::new(at.to_string(), what, source));
    }

    /// Something at `at` is ignored.
    pub fn warn(&mut self, at: &At<'_>, what: impl fmt::Display, source: &'static str) {
        self.warnings.push(Fault::new(at.to_string(), what, source));
    }

    /// The warnings, if nothing was wrong.
    ///
    /// # Errors
    /// Everything that was wrong.
    pub fn verdict(self, file: &str) -> Result<Vec<Fault>, Faults> {
        match self.faults.is_empty() {
            true => Ok(self.warnings),
            false => Err(Faults { file: file.to_owned(), list: self.faults }),
        }
    }
}

// ANCHOR: config-check
/// Checks a whole config.json.
pub fn config(config: &Config, verb: Verb) -> Findings {
    let (top, mut found) = (At::Top, Findings::default());
    version::check(&config.oci_version, top.key("ociVersion"), &mut found);
    root(config.root.as_ref(), &mut found);
    match &config.process {
        Some(process) => {
            process::check(process, top.key("process"), &mut found);
            ids::of_process(process, &config.linux, &mut found);
        }
        None if verb == Verb::Create => {}
        None => found.refuse(
            &top.key("process"),
            "is missing, and there is nothing to start",
            "config.md, Process",
        ),
    }
    namespaces::names(config, &mut found);
    mounts::check(config, &mut found);
    hooks::check(&config.hooks, top.key("hooks"), &mut found);
    if config.annotations.contains_key("") {
        found.refuse(&top.key("annotations"), "an annotation's key is empty", "config.md, Annotations");
    }
    linux::check(config, top.key("linux"), &mut found);
    found
}
// ANCHOR_END: config-check

/// Checks the process of `exec --process FILE`.
pub fn process(process: &Process) -> Findings {
    let mut found = Findings::default();
    process::check(process, At::Top, &mut found);
    found
}

/// Checks the limits of `update --resources FILE`.
pub fn resources(resources: &Resources) -> Findings {
    let mut found = Findings::default();
    resources::check(resources, At::Top, &mut found);
    found
}

fn root(root: Option<&Root>, found: &mut Findings) {
    const RULE: &str = "config.md, Root";
    let (top, name) = (At::Top, "root");
    match root {
        None => found.refuse(&top.key(name), "is missing; on Linux every container has a root", RULE),
        Some(root) if root.path.is_empty() => {
            found.refuse(&top.key(name).key("path"), "\"\" is no path", RULE);
        }
        Some(_) => {}
    }
}
