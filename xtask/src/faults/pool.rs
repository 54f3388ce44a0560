//! Workers side by side, each in a sandbox of its own: what is to be tried, handed out one by one.
//!
//! unshare(1), by the sandbox. Book: "Every call that fails" (`faults`).
//! Invariant: a worker ends with the thread that drives it, and its sandbox with the worker.

use super::{
    inside::{Answer, Ask},
    point::{Count, Outcome, Point, Verb, process_name},
};
use crate::Error;
use observe::{sandbox::Sandbox, workspace::Programs};
use std::{
    io::{BufRead, BufReader, IsTerminal, Write, stderr},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

/// What a sweep is made with.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    pub sandbox: &'a Sandbox,
    pub programs: &'a Programs,
    pub runtime: &'a Path,
    /// What is said while it is under way begins so.
    pub name: &'a str,
}

/// The calls of a verb, or why it does not work here.
type Learnt = Result<Vec<Count>, String>;

/// Longer than any sweep.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// So many points are tried between two lines that nobody watches.
const SELDOM: usize = 500;

struct Worker {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(pool: &Pool<'_>) -> Result<Worker, Error> {
        let mut command = pool.sandbox.command(std::env::current_exe()?, LIMIT);
        command.args(["faults", "--inside", "--runtime"]).arg(pool.runtime);
        command.env("PATH", pool.programs.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (ask, answers) = (child.stdin.take(), child.stdout.take());
        let missing = || Error::Failed("a worker without pipes".into());
        let answers = BufReader::new(answers.ok_or_else(missing)?);
        Ok(Worker { child, ask: ask.ok_or_else(missing)?, answers })
    }

    fn asked(&mut self, ask: &Ask) -> Result<Answer, Error> {
        let wrong = |error: serde_json::Error| Error::Failed(format!("a worker: {error}"));
        writeln!(self.ask, "{}", serde_json::to_string(ask).map_err(wrong)?)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(wrong)
    }

    fn end(self) -> Result<(), Error> {
        let Worker { mut child, ask, .. } = self;
        drop(ask);
        child.wait()?;
        Ok(())
    }
}

impl Pool<'_> {
    /// Which calls each of the verbs makes; or why it cannot be had.
    pub fn learn(&self, verbs: &[Verb]) -> Result<Vec<(Verb, Learnt)>, Error> {
        let mut worker = Worker::start(self)?;
        let mut all = Vec::new();
        for verb in verbs {
            let learnt = match worker.asked(&Ask::Learn(*verb))? {
                Answer::Learnt(counts) => Ok(counts),
                Answer::Impossible(why) => Err(why),
                Answer::Tried(outcome) => Err(format!("an answer to another question: {}", outcome.point)),
            };
            all.push((*verb, learnt));
        }
        worker.end()?;
        Ok(all)
    }

    /// Tries all of them, with as many workers as there are processors.
    pub fn sweep(&self, points: &[Point]) -> Result<Vec<Outcome>, Error> {
        let workers = thread::available_parallelism().map_or(1, usize::from).min(points.len());
        let (next, outcomes) = (Mutex::new(points.iter()), Mutex::new(Vec::new()));
        let begun = Instant::now();
        let drive = || -> Result<(), Error> {
            let mut worker = Worker::start(self)?;
            while let Some(point) = next.lock().ok().and_then(|mut next| next.next()) {
                let answer = match worker.asked(&Ask::Try(point.clone()))? {
                    // What the last one left has been removed by now.
                    Answer::Impossible(_) => worker.asked(&Ask::Try(point.clone()))?,
                    answer => answer,
                };
                let Ok(mut outcomes) = outcomes.lock() else { break };
                outcomes.push(outcome(point, answer)?);
                self.progress(outcomes.len(), points.len(), point, begun);
            }
            worker.end()
        };
        thread::scope(|scope| {
            let drivers: Vec<_> = (0..workers).map(|_| scope.spawn(drive)).collect();
            let ended = drivers.into_iter().map(|driver| driver.join());
            ended
                .map(|end| end.unwrap_or_else(|_| Err(Error::Failed("a worker's thread panicked".into()))))
                .collect::<Result<Vec<()>, Error>>()
        })?;
        if stderr().is_terminal() {
            write!(stderr(), "\r\x1b[K")?;
        }
        Ok(outcomes.into_inner().unwrap_or_default())
    }

    /// On a terminal, one line that is written over; elsewhere one now and then.
    fn progress(&self, done: usize, all: usize, point: &Point, begun: Instant) {
        let terminal = stderr().is_terminal();
        if !terminal && !done.is_multiple_of(SELDOM) {
            return;
        }
        let share = (all - done) as f64 / done.max(1) as f64;
        let rest = begun.elapsed().mul_f64(share).as_secs();
        let now = format!("{}: {} {}", point.verb.name(), process_name(point.process), point.call);
        let line = format!("{} {done}/{all}, {}:{:02} to go: {now}", self.name, rest / 60, rest % 60);
        match terminal {
            true => write!(stderr(), "\r\x1b[K{line}").ok(),
            false => writeln!(stderr(), "{line}").ok(),
        };
    }
}

fn outcome(point: &Point, answer: Answer) -> Result<Outcome, Error> {
    match answer {
        Answer::Tried(outcome) => Ok(outcome),
        Answer::Impossible(why) => Err(Error::Failed(format!("{point}: {why}"))),
        Answer::Learnt(_) => Err(Error::Failed(format!("{point}: an answer to another question"))),
    }
}
