//! `cargo xtask test`: everything the book claims, proven here.
//!
//! Runs cargo test, the checks of tidy and the book's own. Book: "How to use this book".
//! Invariant: what was skipped is counted and listed again at the end, where it is seen.

mod inside;
mod red;
mod sum;

use crate::{
    Error, Outcome, book, cargo,
    stages::{self, Stage},
    tidy, vm,
};
use clap::{Args, ValueEnum};
use observe::workspace;
use signal_hook::consts::{SIGINT, SIGQUIT};
use std::{
    fs,
    io::{Write, stdout},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
};
use sum::Sum;

/// Run the whole test suite, as root or not; what needs root or a feature skips loudly.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test           the whole suite, the conventions and the book\n  cargo xtask test stage1    the tests of one stage\n  cargo xtask test --vm all  the isolation tests on Debian's kernel, under v1, hybrid and v2\n  cargo xtask test --vm v1,v2    the same under two of them\n  cargo xtask test --prove-red   break each defence of the runtime in a copy: its test must fail\n  cargo xtask test --prove-red --only CVE-2019-5736\n  STAGES_NO_SKIP=1 cargo xtask test   a skip is a failure, as in CI"
)]
pub(crate) struct TestArguments {
    /// stage1, stage2, …; everything when none is named
    stage: Option<String>,
    /// Run what asks the kernel in virtual machines, one for each of these layouts of control groups
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LAYOUT,…")]
    vm: Vec<Layouts>,
    /// The kernel of these machines: an image, or `debian`
    #[arg(long, requires = "vm", default_value = vm::DEBIAN, value_name = "PATH|debian")]
    kernel: PathBuf,
    /// Break each defence of stage4-runtime/weaknesses.toml in a copy of the workspace: its test must turn red
    #[arg(long, conflicts_with_all = ["stage", "vm", "filter"])]
    prove_red: bool,
    /// Of this weakness alone; may be given again
    #[arg(long, requires = "prove_red", value_name = "ID")]
    only: Vec<String>,
    /// Passed on to the tests, for example a name to filter by
    #[arg(last = true)]
    filter: Vec<String>,
}

/// Under which layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layouts {
    V1,
    Hybrid,
    V2,
    /// One machine after the other
    All,
}

impl Layouts {
    fn each(self) -> &'static [vm::Layout] {
        match self {
            Layouts::V1 => &[vm::Layout::V1],
            Layouts::Hybrid => &[vm::Layout::Hybrid],
            Layouts::V2 => &[vm::Layout::V2],
            Layouts::All => &[vm::Layout::V1, vm::Layout::Hybrid, vm::Layout::V2],
        }
    }
}

/// `cargo xtask test`
pub(crate) fn test(arguments: &TestArguments) -> Outcome {
    if arguments.prove_red {
        return red::prove(&arguments.only);
    }
    let stage = arguments.stage.as_deref().map(stages::find).transpose()?;
    if !arguments.vm.is_empty() {
        let layouts = arguments.vm.iter().flat_map(|layouts| layouts.each()).copied().collect::<Vec<_>>();
        return inside::test(&layouts, &arguments.kernel, stage, &arguments.filter);
    }
    let mut sum = Sum::default();
    here(&mut sum, stage, &arguments.filter)?;
    if stage.is_none() && arguments.filter.is_empty() {
        check(&mut sum, "tidy", tidy::check(true)?)?;
        check(&mut sum, "book", book::build(&["build"])?)?;
    }
    sum.tell()
}

fn check(sum: &mut Sum, name: &str, ok: bool) -> Result<(), Error> {
    writeln!(stdout(), "{name}: {}", if ok { "ok" } else { "FAILED" })?;
    if ok {
        sum.passed += 1;
    } else {
        sum.failed += 1;
    }
    Ok(())
}

/// Who was begun with `&` by a shell without job control, or by nohup(1), ignores SIGINT, and so would the tests, which
/// send it. What is caught here is the default's again after execve(2).
fn heed_interrupts() -> Result<(), Error> {
    let status = fs::read_to_string("/proc/self/status")?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default();
    for signal in [SIGINT, SIGQUIT].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 1) {
        signal_hook::flag::register(signal, Arc::default())?;
    }
    Ok(())
}

/// Runs the tests on this machine, with their output passed through and read along.
fn here(sum: &mut Sum, stage: Option<&Stage>, filter: &[String]) -> Result<(), Error> {
    heed_interrupts()?;
    let mut command = cargo::cargo("test");
    command.arg("--no-fail-fast").env("STAGES_PROBE", workspace::probe()?);
    match stage {
        Some(stage) => command.args(["--package", stage.package]),
        None => command.arg("--workspace"),
    };
    command.arg("--").args(filter).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    let mut child =
        child.map_err(|error| Error::Failed(format!("execve({:?}): {error}", command.get_program())))?;
    if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
        sum.read_along(out, err)?;
    }
    sum.ended(0, child.wait()?.success());
    Ok(())
}
