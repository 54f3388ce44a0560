//! Running cargo.
//!
//! execve(2) of cargo. Book: none.
//! Invariant: the same profile as xtask's own.

use crate::Error;
use observe::workspace;
use std::{ffi::OsString, process::Command};

/// `cargo VERB` in the workspace, in xtask's own profile.
pub(crate) fn cargo(verb: &str) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.arg(verb).current_dir(workspace::root());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command
}

/// Runs it; whether it succeeded.
pub(crate) fn run(command: &mut Command) -> Result<bool, Error> {
    let told = format!("{command:?}");
    command.status().map(|status| status.success()).map_err(|error| Error::Failed(format!("{told}: {error}")))
}
