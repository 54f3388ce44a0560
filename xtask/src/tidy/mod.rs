//! `cargo xtask tidy`: the house's conventions check themselves.
//!
//! Reads the checkout as text. Book: none; the rules are in `ARCHITECTURE.md`.
//! Invariant: what can be checked is not left to memory; each finding names file, line and rule.

mod code;
mod layout;
mod slugs;
pub(crate) mod sources;
mod weaknesses;

use crate::{Error, Outcome, book, status};
use clap::Args;
use sources::Sources;
use std::{
    io::{Write, stdout},
    process::ExitCode,
};

/// Check the conventions: layout, slugs in five places, module heads, rooms of unsafe, sizes, the list of weaknesses, the book.
#[derive(Debug, Args)]
pub(crate) struct TidyArguments {
    /// Leave out the book's own check, which has to compile its builder
    #[arg(long)]
    no_book: bool,
}

/// `cargo xtask tidy`
pub(crate) fn tidy(arguments: &TidyArguments) -> Outcome {
    let ok = check(arguments.no_book)?;
    if ok {
        writeln!(stdout(), "tidy: ok")?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(status::FAILED) })
}

/// Runs every check and prints what it found; whether nothing was found.
pub(crate) fn check(no_book: bool) -> Result<bool, Error> {
    let sources = Sources::read()?;
    let mut findings = layout::check(&sources);
    findings.extend(code::check(&sources));
    findings.extend(slugs::check(&sources)?);
    findings.extend(weaknesses::check(&sources)?);
    findings.iter().try_for_each(|finding| writeln!(stdout(), "tidy: {finding}"))?;
    let book = no_book || book::build(&["check"])?;
    Ok(findings.is_empty() && book)
}
