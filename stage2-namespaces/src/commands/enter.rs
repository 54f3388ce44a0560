//! `stage2-namespaces enter`: a command in the namespaces of a running process.
//!
//! setns(2) by pidfd, 2020. Book: "Joining" (`enter`).
//! Invariant: only kinds in which the process differs from us are joined.

use super::which::Which;
use super::{Inherit, become_command, prepare};
use crate::join::Target;
use crate::request::Request;
use crate::spawn::spawn;
use crate::{Error, Failure, Kinds, Result, failed};
use std::ffi::OsString;

const EXAMPLES: &str = "\
Examples:
  stage2-namespaces enter 4711 --all -- ps -ef
  stage2-namespaces enter 4711 --net -- stage2-namespaces net show
  stage2-namespaces enter 4711 --user --mount -- sh       as its owner, without being root

Exit status: as of `run`";

/// Run a command in the namespaces of a process
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "stage2-namespaces enter <PID> [OPTIONS] [--] <CMD>...")]
pub struct EnterArgs {
    /// The process, as this pid namespace numbers it
    #[arg(value_name = "PID")]
    process: i32,

    #[command(flatten)]
    which: Which,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Joins, and runs the command.
pub fn enter(args: &EnterArgs) -> Result<u8, Failure> {
    let kinds = args.which.kinds();
    if kinds == Kinds::NONE {
        return Err(failed(
            Error::refused("no namespace was named").with_hint("add --all, or --mount, --net, …"),
        ));
    }
    let command = prepare(&args.command, Inherit::Everything).map_err(failed)?;
    let joined = Target::open(args.process).and_then(|target| target.join(kinds)).map_err(failed)?;
    match joined.needs_child() {
        true => spawn(&Request::default(), || become_command(&command, Inherit::Everything))
            .map_err(failed)?
            .wait(),
        false => become_command(&command, Inherit::Everything),
    }
}
