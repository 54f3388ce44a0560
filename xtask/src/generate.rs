//! `cargo xtask completions` and `cargo xtask man`, made from the command definitions.
//!
//! No kernel calls. Book: none.
//! Invariant: nothing is written by hand; the stages generate their own the same way.

use crate::{Error, Outcome, stages::STAGES};
use clap::{Args, Command};
use clap_complete::Shell;
use observe::workspace::{self, Linkage};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Print shell completions for one of the stages' commands, or for xtask run by its own name.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask completions bash stage1-chroot > ~/.local/share/bash-completion/completions/stage1-chroot"
)]
pub(crate) struct CompletionsArguments {
    /// bash, zsh, fish, elvish or powershell
    shell: Shell,
    /// A stage's command; without, `target/debug/xtask`, as `sudo` runs it
    #[arg(value_parser = packages())]
    command: Option<String>,
}

/// Write man pages of xtask and of every stage's command into a directory.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo xtask man target/man && man target/man/stage1-chroot.1")]
pub(crate) struct ManArguments {
    /// Where to; made if it is not there
    directory: PathBuf,
}

fn packages() -> Vec<&'static str> {
    STAGES.iter().filter(|stage| stage.script_path().exists()).map(|stage| stage.package).collect()
}

/// `cargo xtask completions`
pub(crate) fn completions(arguments: &CompletionsArguments, mut own: Command) -> Outcome {
    let mut text = Vec::new();
    match &arguments.command {
        Some(package) => text.extend(ask(package, &["completions", &arguments.shell.to_string()])?.bytes()),
        None => clap_complete::generate(arguments.shell, &mut own, "xtask", &mut text),
    }
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask man`
pub(crate) fn man(arguments: &ManArguments, own: Command) -> Outcome {
    let directory = &arguments.directory;
    fs::create_dir_all(directory)
        .map_err(|error| Error::Failed(format!("mkdir({}): {error}", directory.display())))?;
    let mut page = Vec::new();
    clap_mangen::Man::new(own).title("cargo-xtask").render(&mut page)?;
    write(directory, "cargo-xtask", &page)?;
    for package in packages() {
        write(directory, package, ask(package, &["man"])?.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(directory: &Path, name: &str, page: &[u8]) -> Result<(), Error> {
    let path = directory.join(format!("{name}.1"));
    fs::write(&path, page).map_err(|error| Error::Failed(format!("open({}): {error}", path.display())))?;
    Ok(writeln!(std::io::stdout(), "{}", path.display())?)
}

/// Every stage's command has a hidden `generate`, made from its own definition.
fn ask(package: &str, arguments: &[&str]) -> Result<String, Error> {
    let program = workspace::build(package, Linkage::Host)?;
    let output = std::process::Command::new(&program).arg("generate").args(arguments).output()?;
    if !output.status.success() {
        return Err(Error::Failed(format!("{} generate: {}", program.display(), output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
