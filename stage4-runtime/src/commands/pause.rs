//! `pause` and `resume`: all processes of a container stop, and go on.
//!
//! freezer.state 2008, cgroup.freeze 2019. Book: "The life cycle" (`pause`).
//! Invariant: when `pause` returns without an error nobody in the container runs.

use super::Desk;
use crate::id::ContainerId;
use crate::state::Status;
use crate::{Error, Result};
use std::time::Duration;

/// Stop all processes of a container
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stage4-runtime pause mine; stage4-runtime state mine; stage4-runtime resume mine"
)]
pub struct PauseArgs {
    /// The container's name
    #[arg(value_name = "ID")]
    id: ContainerId,
}

/// Let the processes of a paused container go on
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stage4-runtime resume mine")]
pub struct ResumeArgs {
    /// The container's name
    #[arg(value_name = "ID")]
    id: ContainerId,
}

/// A process in the middle of a call to a slow device stops only after it.
const PATIENCE: Duration = Duration::from_secs(10);

// ANCHOR: pause
pub(super) fn pause(desk: &Desk, args: &PauseArgs) -> Result<u8> {
    let (place, record) = desk.container(&args.id)?;
    match desk.status(&place, &record)? {
        Status::Created | Status::Running => desk.group(&place)?.freeze(PATIENCE).map(|()| 0),
        status => Err(Error::refused(format!("container not running or created: {status}"))),
    }
}
// ANCHOR_END: pause

pub(super) fn resume(desk: &Desk, args: &ResumeArgs) -> Result<u8> {
    let (place, record) = desk.container(&args.id)?;
    match desk.status(&place, &record)? {
        Status::Paused => desk.group(&place)?.thaw().map(|()| 0),
        status => Err(Error::refused(format!("container not paused: {status}"))),
    }
}
