//! The observer inside: prints facts, and makes one bounded break-out attempt by name.
//!
//! Small and, where the host allows it, static, so that it runs inside any root. Book: "How to use this book".
//! Invariant: it touches only what it is given: a canary's path, pid or descriptor.

mod attempt;
mod audit;
mod canary;
mod capability;
mod compare;
mod facts;
mod host;
mod matrix;
mod sys;

use lexopt::prelude::*;
use std::{ffi::OsString, fmt::Display, io::Write, process::ExitCode};

const HELP: &str = "\
The observer inside: facts about where it runs, and bounded break-out attempts.

Usage:
  probe facts [--format text|json] [--proc-fd N] [FACT...]
                        what is visible from here; --proc-fd reads /proc through
                        an inherited descriptor where the root has none
  probe audit [PATH...] what a runtime has applied, and what those paths hold, as JSON
  probe compare HOST.json INSIDE.json
                        each fact inside, by its relation to the host's
  probe sees PID        is that process visible from here? (exit 0 yes, 1 no)
  probe try ROW [--canary PATH] [--pid PID] [--fd N]
                        one attempt: LEAKS (exit 0), CONTAINED (exit 1), or
                        one that would show nothing (exit 2)
  probe rows            the attempts there are
  probe can NEED        try out what a demo needs: chroot, mounts, userns,
                        users, namespaces
  probe matrix GROUND [ROW...]
                        attempts of the isolation matrix, each in a process of its
                        own, as JSON; GROUND is what `probe host` prints
  probe attempt GROUND ROW
                        one of them, in this process
  probe host DIRECTORY  what the attempts may reach; ends with its standard input
  probe launch DIRECTORY -- COMMAND...
                        run it as a careless caller does: with an open directory,
                        a key, a group
  probe canary SECONDS  a process that waits to be found; ends with its parent
";

/// What ends the probe before it could observe anything.
#[derive(Debug)]
pub(crate) enum Failure {
    Usage(String),
    Failed(String),
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Failure::Usage(error.to_string())
    }
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(Failure::Usage(text)) => fail(&format!("{text}\nsee `probe --help`")),
        Err(Failure::Failed(text)) => fail(&text),
    }
}

/// 2 whatever it was: 1 is what was observed, for example containment.
fn fail(text: &str) -> ExitCode {
    writeln!(std::io::stderr(), "probe: {text}").ok();
    ExitCode::from(2)
}

/// A line on stdout; not println!, which panics where it cannot be written.
pub(crate) fn say(line: impl Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(|error| Failure::Failed(format!("write(1): {error}")))
}

fn run() -> Result<ExitCode> {
    let mut arguments = lexopt::Parser::from_env();
    let verb = match arguments.next()? {
        Some(Value(verb)) => verb.string()?,
        Some(Long("help") | Short('h')) | None => {
            return say(HELP.trim_end()).map(|()| ExitCode::SUCCESS);
        }
        Some(other) => return Err(other.unexpected().into()),
    };
    let options = Options::parse(arguments)?;
    match verb.as_str() {
        "facts" => facts::print(&options),
        "audit" => audit::print(&options),
        "compare" => compare::print(&options),
        "sees" => attempt::sees(options.pid_value()?),
        "try" => attempt::print(&options),
        "rows" => attempt::rows(),
        "can" => capability::print(&options),
        "canary" => canary::wait(&options),
        "matrix" => matrix::print(&options),
        "attempt" => matrix::attempt_one(&options),
        "orphan" => matrix::orphaned(&options),
        "whoami" => matrix::whoami(),
        "host" => host::host(&options),
        "launch" => host::launch(&options),
        other => Err(Failure::Usage(format!("unknown command {other:?}"))),
    }
}

/// Everything that can stand behind a verb.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub json: bool,
    pub proc_fd: Option<i32>,
    pub canary: Option<std::path::PathBuf>,
    pub pid: Option<i32>,
    pub fd: Option<i32>,
    pub values: Vec<OsString>,
}

impl Options {
    fn parse(mut arguments: lexopt::Parser) -> Result<Options> {
        let mut options = Options::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("format") => options.json = format(&arguments.value()?.string()?)?,
                Long("proc-fd") => options.proc_fd = Some(arguments.value()?.parse()?),
                Long("canary") => options.canary = Some(arguments.value()?.into()),
                Long("pid") => options.pid = Some(arguments.value()?.parse()?),
                Long("fd") => options.fd = Some(arguments.value()?.parse()?),
                Value(value) => options.values.push(value),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }

    /// The values as text, each of which must be UTF-8.
    pub fn words(&self) -> Result<Vec<&str>> {
        let wrong = |value: &OsString| Failure::Usage(format!("not UTF-8: {value:?}"));
        self.values.iter().map(|value| value.to_str().ok_or_else(|| wrong(value))).collect()
    }

    fn pid_value(&self) -> Result<i32> {
        let [word] = self.words()?[..] else { return Err(Failure::Usage("one PID is wanted".into())) };
        word.parse().map_err(|_| Failure::Usage(format!("not a pid: {word:?}")))
    }
}

fn format(name: &str) -> Result<bool> {
    match name {
        "text" => Ok(false),
        "json" => Ok(true),
        other => Err(Failure::Usage(format!("unknown format {other:?}: text or json"))),
    }
}
