//! `stage2-namespaces pod`: commands with their own pids and mounts that share net, ipc and uts.
//!
//! clone3(2). Book: "Composing" (`pod`).
//! Invariant: the pod ends with its holder.

use super::{Inherit, become_command, checked, note, prepare};
use crate::pod::Pod;
use crate::users::Users;
use crate::uts::Hostname;
use crate::{Error, Failure, Result, failed};
use std::ffi::OsString;

const EXAMPLES: &str = "\
Examples:
  stage2-namespaces pod -- sleep 60 --- sleep 60
  stage2-namespaces pod --hostname pod --user --map-root -- hostname --- ps -ef
  stage2-namespaces enter PID --all -- sh            PID of a member, from `stage2-namespaces list`

Exit status:
  0, or that of the first command that ended otherwise";

/// Run several commands, parted by ---, that share a network, a host name and ipc objects
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "stage2-namespaces pod [OPTIONS] -- <CMD>... [--- <CMD>...]...")]
pub struct PodArgs {
    /// The host name they all see
    #[arg(long, value_name = "NAME", value_parser = checked::<Hostname>)]
    hostname: Option<Hostname>,

    /// Make a user namespace as well, as an ordinary user must
    #[arg(long, short = 'U', requires = "map_root")]
    user: bool,

    /// Root inside is who you are outside
    #[arg(long, requires = "user")]
    map_root: bool,

    /// The commands, parted by ---
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    commands: Vec<OsString>,
}

/// Runs the pod.
pub fn pod(args: &PodArgs) -> Result<u8, Failure> {
    let words = args.commands.split(|word| word == "---");
    let commands: Vec<_> = words
        .map(|words| prepare(words, Inherit::Everything))
        .collect::<Result<_>>()
        .map_err(|error: Error| {
            failed(error.with_hint("write pod -- CMD1 --- CMD2; between two --- there is a command"))
        })?;
    let members = commands.iter().map(|command| || become_command(command, Inherit::Everything)).collect();
    let pod = Pod { hostname: args.hostname.clone(), users: args.user.then(Users::root_is_me) };
    let running = pod.spawn(members).map_err(failed)?;
    note(&format!("process {} holds the pod of {}", running.pid(), commands.len()));
    running.wait()
}
