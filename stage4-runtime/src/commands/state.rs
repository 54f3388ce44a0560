//! `state`: what is known of a container, as the specification has it.
//!
//! runtime.md, "State". Book: "The life cycle" (`state`).
//! Invariant: the status is asked of the kernel at this moment.

use super::{Desk, print};
use crate::id::ContainerId;
use crate::{Error, Result};
use serde_json::Value;

/// Print a container's state as JSON
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stage4-runtime state mine")]
pub struct StateArgs {
    /// The container's name
    #[arg(value_name = "ID")]
    id: ContainerId,
}

pub(super) fn state(desk: &Desk, args: &StateArgs) -> Result<u8> {
    let (place, record) = desk.container(&args.id)?;
    let state = record.state(desk.status(&place, &record)?);
    let value: Value = serde_json::from_slice(&state).map_err(|e| Error::refused(format!("state: {e}")))?;
    print(&format!("{value:#}\n")).map(|()| 0)
}
