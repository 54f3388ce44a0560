//! What a reader types: the verbs, their options and their help.
//!
//! No kernel calls of its own. Book: "How to use this book".
//! Invariant: every verb is one thin file here; what it does is in the library.

pub mod diff;
pub mod enter;
pub mod ipc;
pub mod kinds;
pub mod list;
pub mod mounts;
pub mod net;
pub mod pod;
pub mod run;
pub mod table;
pub mod tree;
pub mod which;

use crate::{Error, Failure, Result, failed};
use clap::{CommandFactory, Parser, Subcommand};
use stage1_chroot::commands::generate::{GenerateArgs, generate};
use stage1_chroot::{descriptors, exec};
use std::ffi::OsString;
use std::io::{self, Write};
use std::str::FromStr;

const EXAMPLES: &str = "\
Examples:
  stage2-namespaces kinds                                      the eight kinds
  stage2-namespaces run --uts --hostname inside -- hostname    a host name of its own
  stage2-namespaces run --all --map-root --mount-proc -- sh    as an ordinary user, too
  stage2-namespaces list                                       who is where
  stage2-namespaces net --help                                 links, addresses, named namespaces";

/// 2002-2020: namespaces. Make them, join them, furnish them, see who is in which.
#[derive(Debug, Parser)]
#[command(name = "stage2-namespaces", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Kinds(kinds::KindsArgs),
    Run(Box<run::RunArgs>),
    Enter(enter::EnterArgs),
    List(list::ListArgs),
    Tree(tree::TreeArgs),
    Diff(diff::DiffArgs),
    Mounts(mounts::MountsArgs),
    Net(net::NetArgs),
    Ipc(ipc::IpcArgs),
    Pod(pod::PodArgs),
    #[command(hide = true)]
    Generate(GenerateArgs),
}

impl Cli {
    /// The verb, as typed.
    pub fn name(&self) -> &'static str {
        match self.verb {
            Verb::Kinds(_) => "kinds",
            Verb::Run(_) => "run",
            Verb::Enter(_) => "enter",
            Verb::List(_) => "list",
            Verb::Tree(_) => "tree",
            Verb::Diff(_) => "diff",
            Verb::Mounts(_) => "mounts",
            Verb::Net(_) => "net",
            Verb::Ipc(_) => "ipc",
            Verb::Pod(_) => "pod",
            Verb::Generate(_) => "generate",
        }
    }

    /// Does what was asked, and gives the exit status.
    pub fn execute(&self) -> Result<u8, Failure> {
        match &self.verb {
            Verb::Kinds(args) => kinds::kinds(args).map_err(failed),
            Verb::Run(args) => run::run(args),
            Verb::Enter(args) => enter::enter(args),
            Verb::List(args) => list::list(args).map_err(failed),
            Verb::Tree(args) => tree::tree(args).map_err(failed),
            Verb::Diff(args) => diff::diff(args).map_err(failed),
            Verb::Mounts(args) => mounts::mounts(args).map_err(failed),
            Verb::Net(args) => net::net(args),
            Verb::Ipc(args) => ipc::ipc(args).map_err(failed),
            Verb::Pod(args) => pod::pod(args),
            Verb::Generate(args) => generate(args, Cli::command()).map_err(failed),
        }
    }
}

/// What the command gets of our environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inherit {
    /// All of it, as from unshare(1) and nsenter(1).
    Everything,
    /// PATH, HOME and TERM: in another root the host's variables mean nothing.
    Nothing,
}

/// Looks at the words while an error still has no consequences.
fn prepare(words: &[OsString], inherit: Inherit) -> Result<exec::Command> {
    let environment = match inherit {
        Inherit::Everything => std::env::vars_os().collect(),
        Inherit::Nothing => exec::clean_environment(),
    };
    exec::Command::new(words, &environment)
}

// ANCHOR: contained
/// Becomes the command; comes back only if that fails.
fn become_command(command: &exec::Command, inherit: Inherit) -> Result<u8, Failure> {
    descriptors::close_others_on_exec(0).map_err(failed)?;
    let Failure { status, error } = command.exec();
    // Stage 1 advises to bring the program into the root; but this root is the host's.
    let error = match (status, inherit) {
        (127, Inherit::Everything) => error.with_hint("is it spelt right, and in a directory of $PATH?"),
        _ => error,
    };
    Err(Failure { status, error })
}
// ANCHOR_END: contained

/// Parses an argument; clap prints what is wrong with it, so the advice must be in the same text.
fn checked<T: FromStr<Err = Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(with_advice)
}

fn with_advice(error: Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}: {hint}"),
        None => error.to_string(),
    }
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
