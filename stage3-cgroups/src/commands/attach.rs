//! `stage3-cgroups attach`: running processes go into a group.
//!
//! cgroup.procs, 2008. Book: "The file system as interface" (`info`).
//! Invariant: all threads of a process move together.

use super::Named;
use crate::Result;

/// Move running processes into a group
///
/// What they had taken before stays charged to the group they came from (cgroups(7)).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  stage3-cgroups attach stage3-lab $$    this shell, and what it starts from now on"
)]
pub struct AttachArgs {
    #[command(flatten)]
    named: Named,

    /// The processes, as this pid namespace numbers them
    #[arg(required = true, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    processes: Vec<i32>,
}

/// Moves them.
pub fn attach(args: &AttachArgs) -> Result<u8> {
    let group = args.named.open()?;
    args.processes.iter().try_for_each(|pid| group.attach(*pid)).map(|()| 0)
}
