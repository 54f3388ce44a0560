//! What the test harnesses say, passed on and added up.
//!
//! No kernel calls. Book: "How to use this book".
//! Invariant: every line that is read is passed on, whether it is understood or not.

use crate::{Error, Outcome, status};
use std::{
    io::{BufRead, BufReader, Read, Write, stderr, stdout},
    process::ExitCode,
    thread,
};

/// Results of test programs.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub passed: usize,
    pub failed: usize,
    skips: Vec<String>,
    failures: Vec<String>,
    /// What is run, for the names of failures: `v2 stage3-cgroups`
    pub running: String,
}

impl Sum {
    /// Passes both streams on and adds up what they say, until they end.
    pub fn read_along(&mut self, out: impl Read, err: impl Read + Send + 'static) -> Result<(), Error> {
        let listener = thread::spawn(move || {
            let mut sum = Sum::default();
            sum.read(err, stderr());
            sum
        });
        self.read(out, stdout());
        let other = listener.join().map_err(|_| Error::Failed("reading the tests' stderr failed".into()))?;
        self.skips.extend(other.skips);
        Ok(())
    }

    /// How a run ended that began with so many failures: one that failed to build ran no test.
    pub fn ended(&mut self, before: usize, success: bool) {
        self.failed += usize::from(!success && self.failed == before);
    }

    /// Says it; the exit status.
    pub fn tell(&self) -> Outcome {
        for skip in &self.skips {
            writeln!(stdout(), "{skip}")?;
        }
        for failure in &self.failures {
            writeln!(stdout(), "FAILED {failure}")?;
        }
        writeln!(stdout(), "\n{} passed, {} failed, {} skipped", self.passed, self.failed, self.skips.len())?;
        Ok(if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(status::FAILED) })
    }

    fn read(&mut self, from: impl Read, mut to: impl Write) {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line);
            self.note(&text);
            // Our own reader may be gone (`| head`); the tests are run to their end all the same.
            drop(writeln!(to, "{text}"));
        }
    }

    fn note(&mut self, line: &str) {
        if let Some(skip) = line.find("SKIP ").filter(|_| !line.contains("panicked")) {
            self.skips.push(format!("{}{}", &line[skip..], self.place()));
        }
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(format!("{name}{}", self.place()));
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let number = |word: &str| {
            let before = result.split(word).next()?.trim_end();
            before.rsplit(' ').next()?.parse::<usize>().ok()
        };
        self.passed += number("passed").unwrap_or(0);
        self.failed += number("failed").unwrap_or(0);
    }

    fn place(&self) -> String {
        if self.running.is_empty() { String::new() } else { format!(" ({})", self.running) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_skips_are_kept_and_failures_are_named() {
        let mut sum = Sum { running: "v2".into(), ..Sum::default() };
        sum.note("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        sum.note("test it_holds ... ok");
        sum.note("test it_breaks ... FAILED");
        sum.note("test result: FAILED. 3 passed; 2 failed; 0 ignored");
        sum.note("SKIP network: no namespaces");
        assert_eq!((sum.passed, sum.failed), (15, 2));
        assert_eq!(sum.skips, ["SKIP network: no namespaces (v2)"]);
        assert_eq!(sum.failures, ["it_breaks (v2)"]);
    }
}
