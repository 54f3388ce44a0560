//! The project's own commands: `cargo xtask …`.
//!
//! Drives the stages' command lines as a reader does; links none of them. Book: "How to use this book".
//! Invariant: whatever is set up for a demo or a test is set up here, and taken away again.

mod bench;
mod book;
mod cargo;
mod clean;
mod clients;
mod demo;
mod doctor;
mod faults;
mod generate;
mod language;
mod matrix;
mod page;
mod stages;
mod suite;
mod tidy;
mod vm;
mod weaknesses;

use clap::{CommandFactory, Parser, Subcommand};
use std::{io::Write, process::ExitCode};

/// The history of Linux containers, shown live, tested and told.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, arg_required_else_help = true)]
#[command(
    after_help = "Start here:\n  cargo xtask demo stage1    the first step of history, live on this machine\n  cargo xtask test           everything the book claims, proven here"
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::DemoArguments),
    Doctor(doctor::DoctorArguments),
    Test(suite::TestArguments),
    Matrix(matrix::MatrixArguments),
    Clients(clients::ClientsArguments),
    Faults(faults::FaultsArguments),
    Bench(bench::BenchArguments),
    Book(book::BookArguments),
    Tidy(tidy::TidyArguments),
    Vm(vm::VmArguments),
    Clean(clean::CleanArguments),
    Completions(generate::CompletionsArguments),
    Man(generate::ManArguments),
}

/// Why a command of xtask ends without success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The observer's side could not do its part.
    #[error(transparent)]
    Observe(#[from] observe::Error),
    /// The reader pressed Ctrl-C: what is left of what was under way.
    #[error("interrupted")]
    Interrupted(Vec<String>),
    /// Reading or writing failed: the narration, a recording, a program's pipe.
    #[error("{0}")]
    Write(#[from] std::io::Error),
    /// Asked for something that is not there.
    #[error("{0}")]
    Usage(String),
    /// Something else that has a sentence of its own.
    #[error("{0}")]
    Failed(String),
}

/// The exit status, or what went wrong.
pub(crate) type Outcome = Result<ExitCode, Error>;

/// Exit statuses that callers rely on (`ARCHITECTURE.md`).
pub(crate) mod status {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const IMPOSSIBLE: u8 = 77;
    pub(crate) const INTERRUPTED: u8 = 130;
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Demo(arguments) => demo::demo(&arguments),
        Verb::Doctor(arguments) => doctor::doctor(&arguments),
        Verb::Test(arguments) => suite::test(&arguments),
        Verb::Matrix(arguments) => matrix::matrix(&arguments),
        Verb::Clients(arguments) => clients::clients(&arguments),
        Verb::Faults(arguments) => faults::faults(&arguments),
        Verb::Bench(arguments) => bench::bench(&arguments),
        Verb::Book(arguments) => book::book(&arguments),
        Verb::Tidy(arguments) => tidy::tidy(&arguments),
        Verb::Vm(arguments) => vm::vm(&arguments),
        Verb::Clean(arguments) => clean::clean(&arguments),
        Verb::Completions(arguments) => generate::completions(&arguments, Arguments::command()),
        Verb::Man(arguments) => generate::man(&arguments, Arguments::command()),
    };
    outcome.unwrap_or_else(|error| report(&error))
}

fn report(error: &Error) -> ExitCode {
    let (text, status) = match error {
        // The reader of our pipe has seen enough (`| head`).
        Error::Write(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Error::Interrupted(left) if left.is_empty() => {
            ("\nxtask: interrupted; nothing was left behind".to_owned(), status::INTERRUPTED)
        }
        Error::Interrupted(left) => {
            let text = format!("\nxtask: interrupted; left behind:\n  {}", left.join("\n  "));
            (format!("{text}\nhint: `cargo xtask clean` removes what is left"), status::INTERRUPTED)
        }
        Error::Usage(text) => (format!("xtask: {text}"), status::USAGE),
        other => (format!("xtask: {other}"), status::FAILED),
    };
    // Not eprintln!, which panics where nobody listens: the exit status must still be ours.
    writeln!(std::io::stderr(), "{text}").ok();
    ExitCode::from(status)
}
