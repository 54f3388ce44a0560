//! `generate`: shell completions and manual pages, from the definition of a stage's commands.
//!
//! man(1) 1971. Book: "How to use this book".
//! Invariant: what is generated says what `--help` says.

use crate::{Error, Result};
use clap::{Command, Subcommand};
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;

/// Print shell completions or manual pages
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Shell completions, to stdout
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The manual page, to stdout; or all pages, into a directory
    Man {
        /// Where to put a page for each verb
        directory: Option<PathBuf>,
    },
}

/// Prints what was asked for of `command`; later stages hand in theirs.
pub fn generate(args: &GenerateArgs, mut command: Command) -> Result<u8> {
    let name = command.get_name().to_owned();
    match &args.what {
        What::Completions { shell } => {
            // Not straight to stdout: clap_complete panics when it cannot write.
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut command, name, &mut text);
            io::stdout().write_all(&text).map(|()| 0).map_err(|error| Error::io("write(1)", &error))
        }
        What::Man { directory } => {
            let done = match directory {
                Some(directory) => clap_mangen::generate_to(command, directory),
                None => clap_mangen::Man::new(command).render(&mut io::stdout()),
            };
            done.map(|()| 0).map_err(|error| Error::io("write()", &error))
        }
    }
}
