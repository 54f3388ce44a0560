//! `cargo xtask matrix`: every attempt of the catalogue, made in every step of history, on this machine.
//!
//! Drives the stages' command lines in a sandbox. Book: "The matrix".
//! Invariant: what is attempted reaches only canaries of the run's own; the machine is as before.

mod bundle;
mod catalogue;
mod columns;
mod inside;
mod machine;
mod observed;
mod picture;
mod table;

use crate::{Error, Outcome, language, status, vm};
use catalogue::Catalogue;
use clap::{Args, ValueEnum};
use observe::{sandbox::Sandbox, script::Lang, skip, workspace::Programs};
use observed::Observed;
use std::{
    fs,
    io::{Write, stderr, stdout},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

/// Show which step of history closed which leak: every attempt, in every stage, on this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
X leaks, . contained, m only the mode of a file saved it, - not here. ! differs from what is expected.
Everything is bounded and reaches canaries of the run's own, in a sandbox; it takes about half a minute.

Exit status: 0 nothing leaks that is expected not to; 1 something does; 77 not possible here.

Examples:
  sudo target/debug/xtask matrix
  sudo target/debug/xtask matrix --runtime $(command -v crun)
  cargo xtask matrix --explain fs-13
  cargo xtask matrix --row fs --column default
  cargo xtask matrix --vm v2
  cargo xtask matrix --format json > here.json; cargo xtask matrix --compare there.json")]
pub(crate) struct MatrixArguments {
    /// Only rows whose id begins so (repeatable)
    #[arg(long, value_name = "ID")]
    row: Vec<String>,
    /// Only these columns (repeatable)
    #[arg(long, value_name = "NAME")]
    column: Vec<String>,
    /// A column more: this OCI runtime with the default configuration (repeatable)
    #[arg(long, value_name = "PATH")]
    runtime: Vec<PathBuf>,
    /// What is tried in a row, why it works, what stops it, and what was seen in each column
    #[arg(long, value_name = "ID")]
    explain: Option<String>,
    /// What differs from another machine's JSON
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Read the observations from a file of `--format json` or `tsv`, and observe nothing
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The language of the rows: en or ko
    #[arg(long, value_parser = language::parse)]
    lang: Option<Lang>,
    /// In a virtual machine, under this layout of control groups
    #[arg(long, value_enum, value_name = "LAYOUT", conflicts_with_all = ["from", "compare", "runtime"])]
    vm: Option<vm::Layout>,
    /// The inner one, in the sandbox
    #[arg(long, hide = true)]
    inside: bool,
}

/// How the matrix is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for a terminal
    Text,
    /// Everything that was seen
    Json,
    /// The verdicts alone, a letter each, by tabs
    Tsv,
    /// A table of Markdown
    Md,
    /// A picture
    Svg,
}

/// `cargo xtask matrix`
pub(crate) fn matrix(arguments: &MatrixArguments) -> Outcome {
    let catalogue = Catalogue::load()?;
    let lang = language::choose(arguments.lang);
    let rows = catalogue.chosen(arguments.explain.as_slice(), &arguments.row)?;
    if arguments.inside {
        let observed = inside::observe(&rows, &columns::chosen(&arguments.column, &arguments.runtime)?)?;
        writeln!(stdout(), "{}", observed.json())?;
        return Ok(ExitCode::SUCCESS);
    }
    columns::chosen(&arguments.column, &arguments.runtime)?;
    if let Some(layout) = arguments.vm {
        return machine::observe(arguments, layout, lang);
    }
    let Some(mut observed) = observations(arguments)? else { return Ok(ExitCode::from(status::IMPOSSIBLE)) };
    if arguments.from.is_some() {
        observed.keep(&rows, &arguments.column);
    }
    if let Some(file) = &arguments.compare {
        return compared(&observed, &Observed::read(file)?);
    }
    let text = match arguments.format {
        Format::Json => observed.json(),
        Format::Tsv => observed.letters(),
        Format::Svg => picture::svg(&observed, &catalogue, lang),
        Format::Md => table::markdown(&observed, &catalogue, lang),
        Format::Text if arguments.explain.is_some() => table::explained(&observed, &catalogue, lang),
        Format::Text => table::text(&observed, &catalogue, lang),
    };
    writeln!(stdout(), "{}", text.trim_end())?;
    let leaks = observed.unexpected(&catalogue);
    leaks.iter().try_for_each(|leak| writeln!(stderr(), "xtask: matrix: {leak}"))?;
    Ok(ExitCode::from(if leaks.is_empty() { 0 } else { status::FAILED }))
}

fn compared(here: &Observed, there: &Observed) -> Outcome {
    let lines = here.differences(there);
    lines.iter().try_for_each(|line| writeln!(stdout(), "{line}"))?;
    Ok(ExitCode::from(if lines.is_empty() { 0 } else { status::FAILED }))
}

/// What was seen, now or before; none where it cannot be seen here.
fn observations(arguments: &MatrixArguments) -> Result<Option<Observed>, Error> {
    if let Some(file) = &arguments.from {
        return Observed::read(file).map(Some);
    }
    let sandbox = match Sandbox::here() {
        Ok(sandbox) => sandbox,
        Err(answer) => {
            let what = "the isolation matrix";
            match nix::unistd::geteuid().is_root() {
                true => skip::skip(what, &answer.to_string()),
                false => skip::skip_for(skip::Runner::Root, what, &answer.to_string()),
            }
            return Ok(None);
        }
    };
    let programs = Programs::build("stage4-runtime")?;
    let output = command(arguments, &sandbox)?.env("PATH", programs.path()).output()?;
    match output.status.success() {
        true => Observed::parse(&String::from_utf8_lossy(&output.stdout)).map(Some),
        false => Err(Error::Failed(format!("the matrix in its sandbox: {}", output.status))),
    }
}

/// A hierarchy for the row of the release agent, which can be made in the first control group namespace only; then
/// ourselves in the sandbox.
fn command(arguments: &MatrixArguments, sandbox: &Sandbox) -> Result<Command, Error> {
    let inner = sandbox.command(std::env::current_exe()?, Duration::from_secs(600));
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", HIERARCHY, "stage4-matrix"])
        .arg(inner.get_program())
        .args(inner.get_args());
    command.args(["matrix", "--inside"]);
    command.args(arguments.row.iter().chain(&arguments.explain).flat_map(|row| ["--row", row]));
    command.args(arguments.column.iter().flat_map(|column| ["--column", column]));
    for runtime in &arguments.runtime {
        command.arg("--runtime").arg(fs::canonicalize(runtime)?);
    }
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    Ok(command)
}

/// The mount point is in this mount namespace only; where version 1 is not known the row is not there.
const HIERARCHY: &str = "
name=stage4-matrix-$$
mount -t tmpfs stage4-matrix /mnt &&
    mount -t cgroup -o none,name=$name stage4-matrix /mnt 2>/dev/null && export STAGE4_HIERARCHY=$name
exec \"$@\"
";
