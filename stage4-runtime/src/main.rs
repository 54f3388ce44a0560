//! The command `stage4-runtime`: reads its arguments, does what they ask, and says what went wrong.
//!
//! No kernel calls of its own. Book: "How to use this book".
//! Invariant: the exit status is the container's own, or says in which way there was none.

use clap::Parser;
use stage4_runtime::commands::Cli;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.execute() {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            let hint = failure.error.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
            let text = format!("stage4-runtime: {}: {}\n{hint}", cli.name(), failure.error);
            // Not eprint!, which panics where nobody listens: the exit status must still be ours.
            std::io::stderr().write_all(text.as_bytes()).ok();
            ExitCode::from(failure.status)
        }
    }
}
