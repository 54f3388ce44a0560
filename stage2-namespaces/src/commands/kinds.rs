//! `stage2-namespaces kinds`: the table of the eight kinds.
//!
//! /proc/self/ns. Book: "The eight kinds" (`kinds`).
//! Invariant: prints the table the code itself uses.

use super::print;
use super::table::{Format, Table};
use crate::Result;
use crate::kind::KINDS;
use crate::refusal::require_proc;
use serde_json::json;

/// Show the eight kinds of namespace, and which of them this kernel has
#[derive(Debug, clap::Args)]
pub struct KindsArgs {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the table.
pub fn kinds(args: &KindsArgs) -> Result<u8> {
    require_proc()?;
    let mut table = Table::new(&["kind", "year", "kernel", "here", "flag", "isolates"]);
    for facts in &KINDS {
        table.push([
            json!(facts.name),
            json!(facts.year),
            json!(facts.kernel),
            json!(facts.kind.known_here()),
            json!(facts.flag_name),
            json!(facts.isolates),
        ]);
    }
    print(&table.render(args.format))
}
