//! `stage1-chroot generate`: shell completions and manual pages, from the definition of the commands.
//!
//! man(1) 1971. Book: "How to use this book".
//! Invariant: what is generated says what `--help` says.

use super::Cli;
use crate::{Error, Result};
use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;
use std::io;
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

/// Prints what was asked for.
pub fn generate(args: &GenerateArgs) -> Result<u8> {
    let mut command = Cli::command();
    match &args.what {
        What::Completions { shell } => {
            clap_complete::generate(*shell, &mut command, "stage1-chroot", &mut io::stdout());
            Ok(0)
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
