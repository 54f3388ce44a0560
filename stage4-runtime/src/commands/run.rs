//! `run`: create, start, wait, delete.
//!
//! poll(2), pidfd_open(2), signalfd(2). Book: "The life cycle" (`run`).
//! Invariant: the exit status is the process's own, and nothing of the container is left when it is known.

use super::create::{Made, Making, Manner, Terminal, make, write_whole};
use super::{Desk, failed};
use crate::attendance::{attend_until, pass_on};
use crate::birth::{self, Begin};
use crate::console::{relay, socket};
use crate::id::ContainerId;
use crate::log::Level;
use crate::trace::{Trace, svg};
use crate::{Error, Failure, Result, death};
use stage2_namespaces::birth::Child;
use stage2_namespaces::signals::Signals;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

const AFTER: &str = "\
A bundle with rootfs and no config.json is run as `spec` would describe it, or `spec --rootless`
for an ordinary user.

Examples:
  stage4-runtime run --bundle box mine; echo $?     what box/config.json says
  stage4-runtime run --bundle box mine -- ls /      without a config.json";

/// Create a container, start it, and delete it when it has ended
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct RunArgs {
    #[command(flatten)]
    making: Making,
    /// Return when it runs; whoever wants it gone deletes it
    #[arg(long, short)]
    detach: bool,
    /// Do not delete it when it has ended
    #[arg(long)]
    keep: bool,
    /// Write down what was done until it ran, by whom, and when: FILE.json for programs, FILE.svg as a picture
    #[arg(long, value_name = "FILE", value_parser = Paper::named)]
    trace: Option<Paper>,
    /// What is run instead of a shell, where there is no config.json
    #[arg(last = true)]
    command: Vec<String>,
}

impl RunArgs {
    /// With no option.
    pub(super) fn plain(id: ContainerId, bundle: PathBuf) -> Self {
        let (detach, keep, trace, command) = (false, false, None, Vec::new());
        RunArgs { making: Making::plain(id, bundle), detach, keep, trace, command }
    }
}

/// Where a trace is written, and as what.
#[derive(Debug, Clone)]
struct Paper {
    path: PathBuf,
    picture: bool,
}

impl Paper {
    fn named(name: &str) -> Result<Self, String> {
        let path = PathBuf::from(name);
        let picture = match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("json") => false,
            Some("svg") => true,
            _ => return Err("a name that ends in .json or .svg is wanted".to_owned()),
        };
        Ok(Paper { path, picture })
    }

    fn write(&self, id: &str, trace: &Trace) -> Result<()> {
        let deeds = trace.deeds();
        let text = match self.picture {
            true => svg(id, &deeds),
            false => serde_json::to_string_pretty(&deeds).map_err(|e| Error::refused(e.to_string()))? + "\n",
        };
        write_whole(&self.path, &text)
    }
}

pub(super) fn run(desk: &Desk, args: &RunArgs) -> Result<u8, Failure> {
    let terminal = if args.detach { Terminal::Sent } else { Terminal::Attended };
    let trace = if args.trace.is_some() { Trace::begin().map_err(failed)? } else { Trace::off() };
    let (begin, unwritten) = (Begin::AtOnce, Some(args.command.as_slice()));
    let made = make(desk, &args.making, &Manner { begin, terminal, unwritten, trace: &trace })
        .inspect_err(|_| write_trace(desk, args, &trace))?;
    // From here on what is sent to us is meant for it; and when it has ended, for nobody: it is removed all the same.
    let signals = Signals::hold().map_err(failed).inspect(Signals::keep_held);
    let started =
        signals.and_then(|signals| birth::release(&made.born, &made.plan, &trace).map(|()| signals));
    write_trace(desk, args, &trace);
    let done = started
        .and_then(|signals| if args.detach { Ok(()) } else { attend(&made, &signals).map_err(failed) });
    match done {
        Ok(()) if args.detach => Ok(0),
        Ok(()) if args.keep => made.born.child.wait().map_err(failed),
        done => end(desk, made, done),
    }
}

/// It runs, or does not, whether or not that can be written.
fn write_trace(desk: &Desk, args: &RunArgs, trace: &Trace) {
    let written = args.trace.as_ref().map_or(Ok(()), |paper| paper.write(args.making.id.as_str(), trace));
    if let Err(error) = written {
        desk.log.say(Level::Warning, &format!("--trace: {error}"));
    }
}

/// However it ended, nothing stays; the first error is the one that is told.
fn end(desk: &Desk, made: Made, done: Result<(), Failure>) -> Result<u8, Failure> {
    let Made { born, home, plan, .. } = made;
    // After an error it may still live; its parent alone can make its number free.
    if done.is_err() {
        born.child.signal(libc::SIGKILL).ok();
    }
    let ended = born.child.wait();
    let deleted = death::delete(&home, &plan.id, true, &desk.log);
    match (done, ended.and_then(|status| deleted.map(|()| status))) {
        (Ok(()), ended) => ended.map_err(failed),
        (Err(failure), Ok(_)) => Err(failure),
        (Err(failure), Err(error)) => {
            desk.log.say(Level::Warning, &error.to_string());
            Err(failure)
        }
    }
}

/// Returns when it has ended, and can be waited for.
fn attend(made: &Made, signals: &Signals) -> Result<()> {
    let child = &made.born.child;
    if let Some(socket) = &made.terminal {
        let (master, _) = socket::receive(socket.as_fd())?;
        relay_to(&master, child, signals)?;
    }
    attend_until(child.pidfd.as_fd(), child, signals)
}

/// Returns when the process has ended, or nobody holds its terminal any more.
pub(super) fn relay_to(master: &OwnedFd, child: &Child, signals: &Signals) -> Result<()> {
    let (input, output) = (std::io::stdin(), std::io::stdout());
    let others = [child.pidfd.as_fd(), signals.as_fd()];
    relay::attend(master, (input.as_fd(), output.as_fd()), &others, |which| match which {
        0 => Ok(ControlFlow::Break(())),
        _ => pass_on(child, signals).map(ControlFlow::Continue),
    })
    .map(drop)
}
