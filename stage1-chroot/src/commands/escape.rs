//! `stage1-chroot escape`: a way out, tried from inside.
//!
//! chroot(2), openat(2), /proc. Book: `double-chroot`.
//! Invariant: 0 is a leak seen, 1 is containment seen, and 2 is an attempt that would show nothing.

use crate::escape::{Verdict, Way, attempt};
use crate::exec::Failure;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples (with a file /tmp/canary on the host):
  stage1-chroot build new-root stage1-chroot
  stage1-chroot run new-root -- stage1-chroot escape double-chroot --canary /tmp/canary
  stage1-chroot run --no-chdir new-root -- stage1-chroot escape cwd-outside --canary /tmp/canary
  stage1-chroot run --preserve-fds 1 new-root -- stage1-chroot escape kept-fd --fd 3 --canary /tmp/canary  3</
  stage1-chroot run --proc new-root -- stage1-chroot escape proc-root --pid $$ --canary /tmp/canary

Exit status:
  0 LEAKS: the canary was read; 1 CONTAINED: a call failed; 2 the attempt would show nothing";

/// Break out, and read one file of the host
///
/// To be run inside. Prints the calls it makes, as strace would, and a verdict. It reads the canary's
/// first line, nothing else, and leaves nothing behind.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, subcommand_value_name = "double-chroot|cwd-outside|kept-fd|proc-root")]
#[command(subcommand_help_heading = "Ways", disable_help_subcommand = true)]
pub struct EscapeArgs {
    #[command(subcommand)]
    way: WayArgs,
}

#[derive(Debug, clap::Subcommand)]
enum WayArgs {
    /// A second chroot(2) moves the root below the working directory
    #[command(after_help = "Example:\n  stage1-chroot escape double-chroot --depth 3 --canary /tmp/canary")]
    DoubleChroot {
        /// First go into this many further roots, one in the other
        #[arg(long, value_name = "N", default_value_t = 0)]
        depth: u8,
        #[command(flatten)]
        canary: Canary,
    },
    /// Walk up from a working directory left outside (run --no-chdir)
    #[command(after_help = "Example:\n  stage1-chroot escape cwd-outside --canary /tmp/canary")]
    CwdOutside {
        #[command(flatten)]
        canary: Canary,
    },
    /// Walk up from a descriptor of a directory outside (run --preserve-fds)
    #[command(after_help = "Example:\n  stage1-chroot escape kept-fd --fd 3 --canary /tmp/canary")]
    KeptFd {
        /// The descriptor's number
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(RawFd).range(0..))]
        fd: RawFd,
        #[command(flatten)]
        canary: Canary,
    },
    /// Follow the link to the root of a process outside (run --proc)
    #[command(after_help = "Example:\n  stage1-chroot escape proc-root --pid 4711 --canary /tmp/canary")]
    ProcRoot {
        /// A process of the host
        #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
        pid: i32,
        #[command(flatten)]
        canary: Canary,
    },
}

#[derive(Debug, clap::Args)]
struct Canary {
    /// The file of the host to be read, by its absolute path there
    #[arg(long, value_name = "PATH")]
    canary: PathBuf,
}

impl WayArgs {
    fn way(&self) -> (Way, &Path) {
        match self {
            &WayArgs::DoubleChroot { depth, ref canary } => (Way::DoubleChroot { depth }, &canary.canary),
            WayArgs::CwdOutside { canary } => (Way::CwdOutside, &canary.canary),
            &WayArgs::KeptFd { fd, ref canary } => (Way::KeptFd { fd }, &canary.canary),
            &WayArgs::ProcRoot { pid, ref canary } => (Way::ProcRoot { pid }, &canary.canary),
        }
    }
}

/// Tries the way, and prints the calls and the verdict.
pub fn escape(args: &EscapeArgs) -> Result<u8, Failure> {
    let (way, canary) = args.way.way();
    let verdict = attempt(way, canary, &mut say).map_err(|error| Failure { status: 2, error })?;
    let (line, status) = match verdict {
        Verdict::Leaks(_) => (format!("LEAKS {}: the host's canary was read from inside", way.name()), 0),
        Verdict::Contained(error) => (format!("CONTAINED {}: {error}", way.name()), 1),
    };
    say(&line);
    Ok(status)
}

/// Not println!, which panics where nobody listens: the exit status tells the verdict, too.
fn say(line: &str) {
    writeln!(io::stdout(), "{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command};

    #[test]
    fn every_way_has_a_command() {
        let command = EscapeArgs::augment_args(Command::new("escape"));
        let names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        assert_eq!(names, Way::NAMES);
    }
}
