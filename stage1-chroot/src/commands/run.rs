//! `stage1-chroot run`: a command in a new root, in place of this process.
//!
//! chroot(2) 1979. Book: `run`.
//! Invariant: what can fail for a plain reason has failed before the root changes.

use crate::chroot::{WorkingDirectory, chroot};
use crate::exec::{self, Command, Failure};
use crate::identity::{User, drop_groups};
use crate::loan::{self, Capability};
use crate::rootfs::Rootfs;
use crate::{Error, Result, descriptors, proc};
use clap::builder::{OsStringValueParser, TypedValueParser};
use nix::unistd::{getegid, getgroups};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples (after `stage1-chroot build new-root bash ls stage1-chroot`):
  stage1-chroot run new-root bash
  stage1-chroot run --user 1000:1000 new-root -- ls -l /
  stage1-chroot run --env LANG=C.UTF-8 new-root -- bash -c 'echo $LANG'
  stage1-chroot run --no-chdir new-root -- stage1-chroot escape cwd-outside --canary /tmp/canary
  stage1-chroot run --proc --preserve-fds 1 new-root -- ls -l /proc/self/fd  3</etc

Exit status:
  that of the command, or 128 plus the number of the signal that ended it, as a shell says;
  127 if the command is not found, 126 if it cannot be executed, 1 for any error before that";

/// Run a command in a new root
///
/// Without CAP_SYS_CHROOT this borrows a user namespace (Linux 3.8, 2013), and says so. The command
/// gets an environment of PATH, HOME and TERM, and no open file but the standard three.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "stage1-chroot run [OPTIONS] <NEW_ROOT> [--] <CMD>...")]
pub struct RunArgs {
    /// Become this user and group, given as numbers (GID is UID if left out), and leave all other groups
    #[arg(long, value_name = "UID[:GID]")]
    user: Option<User>,

    /// Leave the working directory outside, as many did in that era
    #[arg(long)]
    no_chdir: bool,

    /// Keep N descriptors after the standard three open, from 3 on
    #[arg(long, value_name = "N", default_value_t = 0)]
    preserve_fds: u16,

    /// Show the host's /proc and /sys inside, in a mount namespace borrowed from 2002
    #[arg(long)]
    proc: bool,

    /// Set a variable of the command's environment (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = OsStringValueParser::new().try_map(variable))]
    env: Vec<(OsString, OsString)>,

    /// The directory that becomes `/`
    new_root: PathBuf,

    /// The command and its arguments; a name is looked for in the new root's PATH
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

fn variable(text: OsString) -> Result<(OsString, OsString)> {
    let bytes = text.as_bytes();
    match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) if at > 0 => {
            Ok((OsString::from_vec(bytes[..at].to_vec()), OsString::from_vec(bytes[at + 1..].to_vec())))
        }
        _ => Err(Error::refused(format!("{text:?} is not NAME=VALUE"))),
    }
}

/// Runs the command; comes back only if that fails.
pub fn run(args: &RunArgs) -> Failure {
    match enter(args) {
        Ok(command) => command.exec(),
        Err(error) => Failure { status: 1, error },
    }
}

/// Everything up to execve(2).
fn enter(args: &RunArgs) -> Result<Command> {
    descriptors::check_preserved(args.preserve_fds)?; // before a file of ours takes such a number
    let mut environment = exec::clean_environment();
    environment.extend(args.env.iter().cloned());
    let command = Command::new(&args.command, &environment)?;
    let mut root = Rootfs::open(&args.new_root)?;

    let borrowed = borrow_what_is_lacking(args)?;
    if args.proc {
        proc::private_mounts()?;
        root = Rootfs::open(&args.new_root)?; // the same directory, in the new mount namespace
        proc::show(&root)?;
        note("/proc and /sys are the host's, in a mount namespace borrowed from 2002 (mount_namespaces(7))");
    }
    descriptors::close_others_on_exec(args.preserve_fds)?;

    let directory = if args.no_chdir { WorkingDirectory::Outside } else { WorkingDirectory::Inside };
    chroot(&root, directory)?;
    if let Some(user) = args.user {
        if !borrowed {
            drop_groups()?;
        }
        user.assume()?; // last of all: it takes the right to do any of the above
    }
    Ok(command)
}

/// Borrows a user namespace unless we may do all that is asked for; tells whether it did.
fn borrow_what_is_lacking(args: &RunArgs) -> Result<bool> {
    let mut needed = vec![Capability::SYS_CHROOT];
    needed.extend(args.proc.then_some(Capability::SYS_ADMIN));

    let Some(lacking) = loan::lacking(&needed)? else { return Ok(false) };
    let groups = getgroups().map_err(|errno| Error::call("getgroups()", errno))?;
    let others = groups.iter().any(|&group| group != getegid());
    loan::borrow(args.user.unwrap_or(User::ROOT))?;
    note(&format!(
        "{} needs {}; borrowed a user namespace from 2013 (user_namespaces(7))",
        lacking.call, lacking.name
    ));
    if args.user.is_some() && others {
        note("supplementary groups stay: a borrowed user namespace must deny setgroups(2) (CVE-2014-8989)");
    }
    Ok(true)
}

fn note(text: &str) {
    // In one write(2), so that no output of a child gets into it; a note that nobody reads is no error.
    io::stderr().write_all(format!("note: {text}\n").as_bytes()).ok();
}
