//! `stage2-namespaces list`: the namespaces there are.
//!
//! /proc/PID/ns, ioctl_ns(2), /proc/self/mountinfo. Book: "Who owns whom" (`list`).
//! Invariant: what could not be looked at is said, on stderr.

use super::table::{Format, Table};
use super::{note, print};
use crate::Result;
use crate::census::{Census, command};
use crate::refusal::require_process;
use serde_json::json;

/// List namespaces: those of all processes that can be seen, or those of one
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only those that this process is in
    pid: Option<i32>,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the list.
pub fn list(args: &ListArgs) -> Result<u8> {
    args.pid.map_or(Ok(()), require_process)?;
    let census = Census::take()?;
    let mut table = Table::new(&["kind", "inode", "owner", "uid", "processes", "pid", "handles", "command"]);
    for resident in census.residents.values() {
        if args.pid.is_some_and(|pid| !resident.pids.contains(&pid)) {
            continue;
        }
        let first = resident.pids.first().copied();
        table.push([
            json!(resident.kind.name()),
            json!(resident.inode),
            json!(resident.owner),
            json!(resident.owner_uid),
            json!(resident.pids.len()),
            json!(first),
            json!(resident.handles),
            json!(first.map(command)),
        ]);
    }
    if census.hidden > 0 {
        note(&format!("not looked into, for they are others' (ptrace(2)): {} processes", census.hidden));
    }
    print(&table.render(args.format))
}
