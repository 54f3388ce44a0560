//! `cargo xtask test`: everything the book claims, proven here.
//!
//! Runs cargo test, the checks of tidy and the book's own. Book: "How to use this book".
//! Invariant: what was skipped is counted and listed again at the end, where it is seen.

use crate::{Error, Outcome, book, cargo, stages, status, tidy};
use clap::Args;
use observe::workspace;
use std::{
    io::{BufRead, BufReader, Read, Write, stdout},
    process::{ExitCode, Stdio},
    thread,
};

/// Run the whole test suite, as root or not; what needs root or a feature skips loudly.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test           the whole suite, the conventions and the book\n  cargo xtask test stage1    the tests of one stage\n  STAGES_NO_SKIP=1 cargo xtask test   a skip is a failure, as in CI"
)]
pub(crate) struct TestArguments {
    /// stage1, stage2, …; everything when none is named
    stage: Option<String>,
    /// Passed on to the tests, for example a name to filter by
    #[arg(last = true)]
    filter: Vec<String>,
}

/// What the test harnesses said, added up.
#[derive(Debug, Default)]
struct Sum {
    passed: usize,
    failed: usize,
    skips: Vec<String>,
}

/// `cargo xtask test`
pub(crate) fn test(arguments: &TestArguments) -> Outcome {
    let stage = arguments.stage.as_deref().map(stages::find).transpose()?;
    let mut command = cargo::cargo("test");
    command.arg("--no-fail-fast").env("STAGES_PROBE", workspace::probe()?);
    match stage {
        Some(stage) => command.args(["--package", stage.package]),
        None => command.arg("--workspace"),
    };
    command.arg("--").args(&arguments.filter);
    let (ok, mut sum) = run(&mut command)?;
    sum.failed += usize::from(!ok && sum.failed == 0); // a build that failed ran no test
    if stage.is_none() && arguments.filter.is_empty() {
        check(&mut sum, "tidy", tidy::check(true)?)?;
        check(&mut sum, "book", book::build(&["build"])?)?;
    }
    for skip in &sum.skips {
        writeln!(stdout(), "{skip}")?;
    }
    writeln!(stdout(), "\n{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skips.len())?;
    Ok(if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(status::FAILED) })
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

/// Runs the tests with their output passed through and read along.
fn run(command: &mut std::process::Command) -> Result<(bool, Sum), Error> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child =
        child.map_err(|error| Error::Failed(format!("execve({:?}): {error}", command.get_program())))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let listener =
        thread::spawn(move || err.map(|err| read_along(err, std::io::stderr())).unwrap_or_default());
    let mut sum = out.map(|out| read_along(out, stdout())).unwrap_or_default();
    let other = listener.join().map_err(|_| Error::Failed("reading the tests' stderr failed".into()))?;
    sum.skips.extend(other.skips);
    Ok((child.wait()?.success(), sum))
}

fn read_along(from: impl Read, mut to: impl Write) -> Sum {
    let mut sum = Sum::default();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        sum.note(&text);
        // Our own reader may be gone (`| head`); the tests are run to their end all the same.
        drop(writeln!(to, "{text}"));
    }
    sum
}

impl Sum {
    fn note(&mut self, line: &str) {
        if let Some(skip) = line.find("SKIP ").filter(|_| !line.contains("panicked")) {
            self.skips.push(line[skip..].to_owned());
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let number = |word: &str| {
            let before = result.split(word).next()?.trim_end();
            before.rsplit(' ').next()?.parse::<usize>().ok()
        };
        self.passed += number("passed").unwrap_or(0);
        self.failed += number("failed").unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_and_skips_are_kept() {
        let mut sum = Sum::default();
        sum.note("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        sum.note("test result: FAILED. 3 passed; 2 failed; 0 ignored");
        sum.note("SKIP network: no namespaces");
        assert_eq!((sum.passed, sum.failed, sum.skips.len()), (15, 2, 1));
    }
}
