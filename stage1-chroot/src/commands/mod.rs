//! What a reader types: the verbs, their options and their help.
//!
//! No kernel calls of its own. Book: "How to use this book".
//! Invariant: every verb is one thin file here; what it does is in the library.

pub mod build;
pub mod escape;
pub mod generate;
pub mod run;

use crate::{exec::Failure, sys};
use clap::{CommandFactory, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  stage1-chroot build new-root bash ls       make a root with two programs
  stage1-chroot run new-root bash            a shell in it
  stage1-chroot escape --help                the ways out of it";

/// 1979: change the root directory. Build a root, run a command in it, break out of it.
#[derive(Debug, Parser)]
#[command(name = "stage1-chroot", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Build(build::BuildArgs),
    Run(run::RunArgs),
    Escape(escape::EscapeArgs),
    #[command(hide = true)]
    Generate(generate::GenerateArgs),
}

impl Cli {
    /// The verb, as typed.
    pub fn name(&self) -> &'static str {
        match self.verb {
            Verb::Build(_) => "build",
            Verb::Run(_) => "run",
            Verb::Escape(_) => "escape",
            Verb::Generate(_) => "generate",
        }
    }

    /// Does what was asked, and gives the exit status.
    pub fn execute(&self) -> Result<u8, Failure> {
        sys::default_sigpipe(); // `stage1-chroot … | head` ends quietly, as other programs do
        let an_error = |error| Failure { status: 1, error };
        match &self.verb {
            Verb::Build(args) => build::build(args).map_err(an_error),
            Verb::Run(args) => Err(run::run(args)),
            Verb::Escape(args) => escape::escape(args),
            Verb::Generate(args) => generate::generate(args, Cli::command()).map_err(an_error),
        }
    }
}
