//! `cargo xtask clean`: removes what demos and tests could have left.
//!
//! kill(2), umount2(2), rmdir(2). Book: "How to use this book".
//! Invariant: touches only what is named `stageN-…`. What a living demo or test holds is left alone; but handles,
//! devices and the groups of demos name no holder, so that `clean` is for when no demo of root is running.

use crate::{Error, Outcome, status};
use clap::Args;
use observe::residue::{self, Residue};
use std::{
    io::{Write, stdout},
    process::ExitCode,
};

/// Remove all that demos and tests could have left: processes, mounts, groups, devices, directories.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask clean             find and remove\n  cargo xtask clean --dry-run   only say what would be removed"
)]
pub(crate) struct CleanArguments {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

/// `cargo xtask clean`
pub(crate) fn clean(arguments: &CleanArguments) -> Outcome {
    let found = residue::find()?;
    if found.is_empty() {
        writeln!(stdout(), "nothing was left behind")?;
    }
    let mut failed = false;
    for residue in &found {
        failed |= !clear(residue, arguments.dry_run)?;
    }
    Ok(if failed { ExitCode::from(status::FAILED) } else { ExitCode::SUCCESS })
}

/// Removes one thing and says so; false if it is still there.
fn clear(residue: &Residue, dry_run: bool) -> Result<bool, Error> {
    if dry_run {
        writeln!(stdout(), "would remove {residue}")?;
        return Ok(true);
    }
    match residue.remove() {
        Ok(()) => writeln!(stdout(), "removed {residue}")?,
        Err(error) => {
            writeln!(std::io::stderr(), "xtask: {residue}: {error}").ok();
            return Ok(false);
        }
    }
    Ok(true)
}
