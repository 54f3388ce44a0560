//! `delete`: nothing of a container is left.
//!
//! Book: "The life cycle" (`delete`).
//! Invariant: begun again, it goes on where it was broken off.

use super::Desk;
use crate::id::ContainerId;
use crate::{Result, death};

/// Remove a container that has stopped
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stage4-runtime delete --force mine")]
pub struct DeleteArgs {
    /// Kill it first; remove it even if it is half made or damaged; no error if it is not there
    #[arg(long, short)]
    force: bool,
    /// The container's name
    #[arg(value_name = "ID")]
    id: ContainerId,
}

pub(super) fn delete(desk: &Desk, args: &DeleteArgs) -> Result<u8> {
    if args.force && desk.home()?.is_none() {
        return Ok(0);
    }
    death::delete(&desk.home_of(&args.id)?, &args.id, args.force, &desk.log).map(|()| 0)
}
