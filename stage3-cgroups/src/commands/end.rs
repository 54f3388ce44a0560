//! `stage3-cgroups freeze`, `thaw`, `kill` and `delete`: what is done to all of a group at once.
//!
//! freezer.state, cgroup.freeze, cgroup.kill, rmdir(2). Book: "The freezer" (`freezer`), "The whole group" (`kill`).
//! Invariant: each returns when it is done, or says why it is not.

use super::{Named, print, seconds};
use crate::Result;
use std::time::Duration;

/// Stop every process of a group, and of the groups inside it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  stage3-cgroups freeze stage3-lab && stage3-cgroups thaw stage3-lab")]
pub struct FreezeArgs {
    #[command(flatten)]
    named: Named,

    /// Wait so long for all to stop
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    wait: Duration,
}

/// Let the processes of a frozen group go on
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  stage3-cgroups thaw stage3-lab")]
pub struct ThawArgs {
    #[command(flatten)]
    named: Named,
}

/// Kill every process of a group, and of the groups inside it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  stage3-cgroups kill stage3-lab && stage3-cgroups delete stage3-lab")]
pub struct KillArgs {
    #[command(flatten)]
    named: Named,

    /// Wait so long for all to be gone
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    wait: Duration,
}

/// Remove a group, and the groups inside it, once nobody is in it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  stage3-cgroups delete stage3-lab\n  stage3-cgroups delete stage3-lab --wait 60    once the last process has ended"
)]
pub struct DeleteArgs {
    #[command(flatten)]
    named: Named,

    /// Wait so long for it to be empty
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    wait: Duration,
}

/// Stops them.
pub fn freeze(args: &FreezeArgs) -> Result<u8> {
    args.named.open()?.freeze(args.wait).map(|()| 0)
}

/// Lets them go on.
pub fn thaw(args: &ThawArgs) -> Result<u8> {
    args.named.open()?.thaw().map(|()| 0)
}

/// Kills them.
pub fn kill(args: &KillArgs) -> Result<u8> {
    let killed = args.named.open()?.kill(args.wait)?;
    print(&format!("killed: {killed}\n"))
}

/// Removes it.
pub fn delete(args: &DeleteArgs) -> Result<u8> {
    let removed = args.named.open()?.delete(args.wait)?;
    print(&format!("removed directories: {removed}\n"))
}
