//! `stage2-namespaces mounts`: the mounts of a process, and which of them propagate.
//!
//! /proc/PID/mountinfo. Book: "Propagation" (`propagation`).
//! Invariant: the process is the reader itself, unless another is named.

use super::print;
use super::table::{Format, Table};
use crate::{Result, mountinfo};
use serde_json::json;

/// Show mounts with their propagation types and peer groups
#[derive(Debug, clap::Args)]
pub struct MountsArgs {
    /// Of this process; without, of this command itself
    pid: Option<i32>,

    /// Only what is mounted at or below this directory
    #[arg(long, value_name = "DIR")]
    below: Option<String>,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the mounts.
pub fn mounts(args: &MountsArgs) -> Result<u8> {
    let mut table = Table::new(&["target", "type", "propagation", "peers", "id", "parent", "source"]);
    let within = |target: &str| {
        args.below.as_deref().is_none_or(|dir| {
            let rest = target.strip_prefix(dir.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let mounts = args.pid.map_or_else(mountinfo::own, mountinfo::read)?;
    for mount in mounts.into_iter().filter(|mount| within(&mount.target)) {
        table.push([
            json!(mount.target),
            json!(mount.kind),
            json!(mount.peers.propagation()),
            json!(mount.peers.to_string()),
            json!(mount.id),
            json!(mount.parent),
            json!(mount.source),
        ]);
    }
    print(&table.render(args.format))
}
