//! `stage2-namespaces diff`: in which namespaces two processes are together.
//!
//! /proc/PID/ns. Book: "Who owns whom" (`list`).
//! Invariant: the same number means the same namespace, on one machine at one time.

use super::print;
use super::table::{Format, Table};
use crate::Result;
use crate::kind::Kind;
use crate::nsfs::Namespace;
use serde_json::json;

/// Show which namespaces two processes share
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// One process
    a: i32,
    /// The other
    b: i32,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the comparison.
pub fn diff(args: &DiffArgs) -> Result<u8> {
    let mut table = Table::new(&["kind", "shared", "a", "b"]);
    for kind in Kind::ALL.into_iter().filter(|kind| kind.known_here()) {
        let (a, b) = (Namespace::of(args.a, kind)?.inode(), Namespace::of(args.b, kind)?.inode());
        table.push([json!(kind.name()), json!(a == b), json!(a), json!(b)]);
    }
    print(&table.render(args.format))
}
