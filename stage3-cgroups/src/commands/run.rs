//! `stage3-cgroups run`: a command in a group of its own.
//!
//! clone3(2) with CLONE_INTO_CGROUP, 2020. Book: "Born inside" (`born-inside`).
//! Invariant: the group goes with the command, also where we are killed.

use super::create::make;
use super::limit::LimitArgs;
use super::{note, note_left_out, ours, plot};
use crate::events::Counters;
use crate::group::Group;
use crate::layout::Layout;
use crate::name::GroupName;
use crate::record::Recording;
use crate::residence::{PATIENCE, View, Warden, settle};
use crate::{Error, Failure, Result, failed};
use stage1_chroot::rootfs::Rootfs;
use stage1_chroot::{descriptors, exec};
use stage2_namespaces::request::{Mounts, PidOne, Request};
use stage2_namespaces::spawn::Running;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  stage3-cgroups run --memory 100M --swap 0 -- stage3-cgroups hog memory
  stage3-cgroups run --cpus 0.5 --plot cpu.svg -- stage3-cgroups hog cpu
  stage3-cgroups run --pids 64 --root new-root -- sh
  stage3-cgroups run --view own -- cat /proc/self/cgroup

Exit status:
  that of the command, or 128 plus the number of the signal that ended it, as a shell says: 137
  for who was killed for want of memory; 127 if the command is not found, 126 if it cannot be
  executed, 1 for any error before";

/// Run a command in a new group, and remove the group after it
///
/// With version 2 the command is born in the group; with version 1 it goes in before it is executed. What it leaves
/// running is killed with the group.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "stage3-cgroups run [OPTIONS] [--] <CMD>...")]
pub struct RunArgs {
    #[command(flatten)]
    limits: LimitArgs,

    /// The group's name; without, stage3-run-PID
    #[arg(long, value_name = "GROUP", value_parser = ours)]
    group: Option<GroupName>,

    /// Make this directory / by pivot_root, with processes of its own (makes a mount and a pid namespace)
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// What the command sees in /proc/self/cgroup: the host's path, or its own group as the root (a cgroup namespace)
    #[arg(long, value_name = "WHOSE", default_value = "host", value_parser = ["host", "own"])]
    view: String,

    /// Draw use against limit into FILE, and write the numbers beside it into FILE with the ending .tsv
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs the command and gives its status.
pub fn run(args: &RunArgs) -> Result<u8, Failure> {
    let (command, request) = args.prepare().map_err(failed)?;
    let layout = Layout::require().map_err(failed)?;
    let name = args.name().map_err(failed)?;
    let (group, _) = make(&layout, &name, &args.limits, &[]).map_err(failed)?;
    note_left_out(&group);
    let warden = Warden::appoint(&group);
    let status = match &warden {
        Ok(_) => live(args, &group, &request, &command),
        Err(_) => Ok(1),
    };
    let ended = group.kill(PATIENCE).and_then(|_| group.delete(PATIENCE));
    let dismissed = warden.and_then(Warden::dismiss);
    let status = status?;
    ended.map_err(failed)?;
    dismissed.map_err(failed)?;
    Ok(status)
}

/// From the birth of the command to its end.
fn live(args: &RunArgs, group: &Group, request: &Request, command: &exec::Command) -> Result<u8, Failure> {
    let view = if args.view == "own" { View::Own } else { View::Host };
    let running =
        settle(group, request, view, || become_command(command, args.root.is_some())).map_err(failed)?;
    let status = match &args.plot {
        None => running.wait(),
        Some(file) => {
            let (status, recording) = wait_and_record(running, group);
            recording.and_then(|recording| plot::save(file, &recording)).map_err(failed)?;
            status
        }
    };
    tell_what_happened(group).map_err(failed)?;
    status
}

/// How often the group is looked at.
const INTERVAL: Duration = Duration::from_millis(25);

fn wait_and_record(running: Running, group: &Group) -> (Result<u8, Failure>, Result<Recording>) {
    let done = AtomicBool::new(false);
    // A thread, and only now: a process with two of them could not have given birth.
    std::thread::scope(|scope| {
        let recorder = scope.spawn(|| Recording::take(group, INTERVAL, &done));
        let status = running.wait();
        done.store(true, Ordering::Release);
        let recording = recorder.join().unwrap_or_else(|_| Err(Error::refused("the recorder panicked")));
        (status, recording)
    })
}

/// What the limits did, for whom the status alone is a riddle.
fn tell_what_happened(group: &Group) -> Result<()> {
    let now = Counters::of(&group.usage()?, None);
    let nothing =
        Counters { oom_kills: Some(0), refused: Some(0), throttled: Some(0), ..Counters::default() };
    now.since(&nothing).iter().for_each(|event| note(&event.to_string()));
    Ok(())
}

fn become_command(command: &exec::Command, in_another_root: bool) -> Result<u8, Failure> {
    descriptors::close_others_on_exec(0).map_err(failed)?;
    let Failure { status, error } = command.exec();
    let error = match status == 127 && !in_another_root {
        true => error.with_hint("is it spelt right, and in a directory of $PATH?"),
        false => error,
    };
    Err(Failure { status, error })
}

impl RunArgs {
    fn name(&self) -> Result<GroupName> {
        match &self.group {
            Some(name) => Ok(name.clone()),
            None => format!("{}run-{}", GroupName::PREFIX, std::process::id()).parse(),
        }
    }

    // ANCHOR: missing
    /// Looks at the words while an error still has no consequences.
    fn prepare(&self) -> Result<(exec::Command, Request)> {
        let environment = match self.root {
            // In another root the host's variables mean nothing.
            Some(_) => exec::clean_environment(),
            None => std::env::vars_os().collect(),
        };
        let command = exec::Command::new(&self.command, &environment)?;
        let root = self.root.as_deref().map(Rootfs::open).transpose()?;
        let pid = root.is_some().then_some(PidOne::Init);
        let mnt = root.map(|root| Mounts { root: Some(root), ..Mounts::default() });
        Ok((command, Request { mnt, pid, ..Request::default() }))
    }
    // ANCHOR_END: missing
}
