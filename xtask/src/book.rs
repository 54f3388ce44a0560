//! `cargo xtask book`: builds the book with nothing to install.
//!
//! Runs the book's own small builder, whose dependencies xtask does not carry. Book: the preface.
//! Invariant: the build fails where a listing, a transcript or a link is missing.

use crate::{Error, Outcome, cargo, status};
use clap::Args;
use observe::{script::Lang, workspace};
use std::process::{Command, ExitCode};

/// Build the book into target/book.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask book           build it into target/book\n  cargo xtask book --open    build it and show it in a browser\n  cargo xtask book --serve   build it and serve it on http://127.0.0.1"
)]
pub(crate) struct BookArguments {
    /// Serve it on the loopback address until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// Show it in the browser
    #[arg(long, conflicts_with = "serve")]
    open: bool,
    /// The language of the text
    #[arg(long, value_parser = crate::language::parse, value_name = "en|ko", default_value = "en")]
    lang: Lang,
}

/// `cargo xtask book`
pub(crate) fn book(arguments: &BookArguments) -> Outcome {
    let lang = match arguments.lang {
        Lang::En => "en",
        Lang::Ko => "ko",
    };
    let verb = if arguments.serve { "serve" } else { "build" };
    if !build(&[verb, "--lang", lang])? {
        return Ok(ExitCode::from(status::FAILED));
    }
    if arguments.open {
        open(lang)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the builder; whether it succeeded.
pub(crate) fn build(arguments: &[&str]) -> Result<bool, Error> {
    let mut command = cargo::cargo("run");
    command.args(["--quiet", "--package", "book", "--"]).args(arguments);
    cargo::run(&mut command)
}

fn open(lang: &str) -> Result<(), Error> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace::root().join("target"), Into::into);
    let page = target.join("book").join(lang).join("index.html");
    let opener = if std::env::var_os("WSL_DISTRO_NAME").is_some() { "wslview" } else { "xdg-open" };
    let opened = Command::new(opener).arg(&page).status().is_ok_and(|status| status.success());
    if opened {
        return Ok(());
    }
    Err(Error::Failed(format!("{opener}: no browser could be started; the book is at {}", page.display())))
}
