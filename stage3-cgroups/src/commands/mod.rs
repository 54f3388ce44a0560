//! What a reader types: the verbs, their options and their help.
//!
//! No kernel calls of its own. Book: "How to use this book".
//! Invariant: every verb is one thin file here; what it does is in the library; only groups named `stage3-…` are touched.

pub mod attach;
pub mod create;
pub mod end;
pub mod hog;
pub mod info;
pub mod limit;
pub mod plot;
pub mod run;
pub mod stat;

use crate::group::Group;
use crate::layout::{Base, Layout};
use crate::name::GroupName;
use crate::{Error, Failure, Result, failed};
use clap::{CommandFactory, Parser, Subcommand};
use stage1_chroot::commands::generate::{GenerateArgs, generate};
use std::io::{self, Write};
use std::str::FromStr;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  stage3-cgroups info                                             the layout, and what we may do
  stage3-cgroups run --memory 100M --swap 0 -- stage3-cgroups hog memory
  stage3-cgroups run --cpus 0.5 --pids 64 -- sh                   limits for a shell
  stage3-cgroups create stage3-lab --pids 10                      a group that stays
  stage3-cgroups attach stage3-lab $$                             this shell goes in
  stage3-cgroups stat stage3-lab --watch                          what happens in it
  stage3-cgroups delete stage3-lab";

/// 2008-2016: control groups. How much a group of processes may take.
#[derive(Debug, Parser)]
#[command(name = "stage3-cgroups", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Info(info::InfoArgs),
    Run(Box<run::RunArgs>),
    Create(Box<create::CreateArgs>),
    Set(Box<create::SetArgs>),
    Attach(attach::AttachArgs),
    Stat(stat::StatArgs),
    Freeze(end::FreezeArgs),
    Thaw(end::ThawArgs),
    Kill(end::KillArgs),
    Delete(end::DeleteArgs),
    Hog(hog::HogArgs),
    Plot(plot::PlotArgs),
    #[command(hide = true)]
    Generate(GenerateArgs),
}

impl Cli {
    /// The verb, as typed.
    pub fn name(&self) -> &'static str {
        match self.verb {
            Verb::Info(_) => "info",
            Verb::Run(_) => "run",
            Verb::Create(_) => "create",
            Verb::Set(_) => "set",
            Verb::Attach(_) => "attach",
            Verb::Stat(_) => "stat",
            Verb::Freeze(_) => "freeze",
            Verb::Thaw(_) => "thaw",
            Verb::Kill(_) => "kill",
            Verb::Delete(_) => "delete",
            Verb::Hog(_) => "hog",
            Verb::Plot(_) => "plot",
            Verb::Generate(_) => "generate",
        }
    }

    /// Does what was asked, and gives the exit status.
    pub fn execute(&self) -> Result<u8, Failure> {
        match &self.verb {
            Verb::Info(args) => info::info(args).map_err(failed),
            Verb::Run(args) => run::run(args),
            Verb::Create(args) => create::create(args).map_err(failed),
            Verb::Set(args) => create::set(args).map_err(failed),
            Verb::Attach(args) => attach::attach(args).map_err(failed),
            Verb::Stat(args) => stat::stat(args).map_err(failed),
            Verb::Freeze(args) => end::freeze(args).map_err(failed),
            Verb::Thaw(args) => end::thaw(args).map_err(failed),
            Verb::Kill(args) => end::kill(args).map_err(failed),
            Verb::Delete(args) => end::delete(args).map_err(failed),
            Verb::Hog(args) => hog::hog(args).map_err(failed),
            Verb::Plot(args) => plot::plot(args).map_err(failed),
            Verb::Generate(args) => generate(args, Cli::command()).map_err(failed),
        }
    }
}

/// The group that a verb is about.
#[derive(Debug, clap::Args)]
pub struct Named {
    /// The group: stage3-NAME, or stage3-NAME/INSIDE
    #[arg(value_name = "GROUP", value_parser = ours)]
    group: GroupName,
}

impl Named {
    /// It must be there.
    fn open(&self) -> Result<Group> {
        let layout = Layout::require()?;
        Group::open(&layout, Base::of(&layout, &self.group), &self.group)
    }
}

/// Whatever else lives on this machine is not ours to limit, to freeze or to kill.
fn ours(text: &str) -> Result<GroupName, String> {
    let name: GroupName = checked(text)?;
    match name.is_ours() {
        true => Ok(name),
        false => {
            Err(format!("{text:?} is not named as a group of ours: begin it with {:?}", GroupName::PREFIX))
        }
    }
}

/// Parses an argument; clap prints what is wrong with it, so the advice must be in the same text.
fn checked<T: FromStr<Err = Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: Error| match error.hint() {
        Some(hint) => format!("{error}: {hint}"),
        None => error.to_string(),
    })
}

/// Seconds with a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=3600.0).contains(number));
    number
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("{text:?} is no number of seconds from 0 to 3600"))
}

/// Prints to stdout. A reader that has gone, as `head` does, is no error.
fn print(text: &str) -> Result<u8> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("write(stdout)", &error)),
        _ => Ok(0),
    }
}

fn note(text: &str) {
    // In one write(2), so that no output of a child gets into it; a note that nobody reads is no error.
    io::stderr().write_all(format!("note: {text}\n").as_bytes()).ok();
}

/// What was not done, and was not asked for either.
fn note_left_out(group: &Group) {
    let left_out: Vec<_> = group.left_out().iter().map(|(h, _)| h.mount.display().to_string()).collect();
    if !left_out.is_empty() {
        note(&format!(
            "{} was not made in {}: that is not delegated to us",
            group.name(),
            left_out.join(", ")
        ));
    }
}
