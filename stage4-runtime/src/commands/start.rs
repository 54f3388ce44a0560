//! `start`: the process of a container that is created is executed.
//!
//! Book: "The life cycle" (`start`).
//! Invariant: when it returns without an error the program runs, or has run.

use super::{Desk, failed};
use crate::id::ContainerId;
use crate::plan::filter;
use crate::plan::hooks::HooksPlan;
use crate::seccomp::Arch;
use crate::{Error, Failure, Result, birth};

/// Execute the process of a created container
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stage4-runtime create --bundle box mine && stage4-runtime start mine")]
pub struct StartArgs {
    /// The container's name
    #[arg(value_name = "ID")]
    id: ContainerId,
}

pub(super) fn start(desk: &Desk, args: &StartArgs) -> Result<u8, Failure> {
    // One at a time: the second one hears that it has been started, and not silence.
    let (place, _lock) = desk.home_of(&args.id).and_then(|home| home.hold(&args.id)).map_err(failed)?;
    let record = desk.record(&place, &args.id).map_err(failed)?;
    let config = desk.config(&place).map_err(failed)?;
    let hooks = HooksPlan::of(&config.hooks)
        .map_err(|fault| failed(Error::refused(format!("config.json: {fault}"))))?;
    let native = Arch::native().map_err(failed)?;
    let (_, agent) = filter(config.linux.seccomp.as_ref(), native).map_err(failed)?;
    birth::start(&place, &record, (&hooks, agent.as_ref())).map(|()| 0)
}
