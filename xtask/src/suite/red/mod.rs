//! `cargo xtask test --prove-red`: a test that cannot fail shows nothing, so each defence is taken away once.
//!
//! Runs cargo, and the tests in sandboxes. Book: "Weaknesses, and what turns red" (`weaknesses`).
//! Invariant: what is broken is a copy below `target`, and it runs only where all that it does ends with it; red is an
//! assertion of the test itself, which was green before.

mod tree;
mod verdict;

use crate::{
    Error, Outcome, language, status,
    weaknesses::{Test, Weakness, Weaknesses},
};
use observe::{
    sandbox::Sandbox,
    skip::{Runner, skip, skip_for},
    workspace,
};
use std::{
    collections::BTreeSet,
    io::{Write, stdout},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};
use tree::Tree;
use verdict::Verdict;

/// How long a test may take: a broken runtime may wait for ever.
const LIMIT: Duration = Duration::from_secs(100);

/// Breaks, builds and runs, one weakness after the other.
pub(super) fn prove(only: &[String]) -> Outcome {
    let list = Weaknesses::load()?;
    let chosen = list.chosen(only)?;
    let Some(sandbox) = sandbox() else { return Ok(ExitCode::from(status::IMPOSSIBLE)) };
    let start = Instant::now();
    let bench = Bench { tree: Tree::copy()?, sandbox, probe: workspace::probe()? };
    if let [one] = chosen[..] {
        tell(one)?;
    }
    bench.begin(&chosen)?;
    writeln!(stdout(), "{:24}{:12}{:>8}  test", "weakness", "broken", "seconds")?;
    let (mut red, mut not, mut mend) = (0, 0, 0);
    for weakness in chosen {
        let (Some(test), None) = (&weakness.test, &weakness.not) else {
            not += 1;
            let why = weakness.not.as_ref().map_or("", |not| not.get(language::choose(None)));
            writeln!(stdout(), "{:24}{:12}{:8}  {why}", weakness.id, "not", "")?;
            continue;
        };
        let begun = Instant::now();
        let verdict = bench.broken(weakness, test)?;
        let (name, seconds) = (verdict.name(), begun.elapsed().as_secs_f64());
        writeln!(stdout(), "{:24}{name:12}{seconds:8.1}  {} {}", weakness.id, test.program, test.name)?;
        writeln!(stdout(), "{:46}{}", "", verdict.why())?;
        *(if verdict.is_red() { &mut red } else { &mut mend }) += 1;
    }
    let (minutes, seconds) = (start.elapsed().as_secs() / 60, start.elapsed().as_secs() % 60);
    writeln!(stdout(), "\n{red} red, {not} not to be broken, {mend} to mend; {minutes} min {seconds} s")?;
    Ok(if mend == 0 { ExitCode::SUCCESS } else { ExitCode::from(status::FAILED) })
}

/// What is about to be taken away.
fn tell(weakness: &Weakness) -> Result<(), Error> {
    let lang = language::choose(None);
    let names: Vec<&str> = weakness.names().collect();
    let (way, defence) = (weakness.mechanism.get(lang), weakness.defence.get(lang));
    writeln!(stdout(), "{} ({})\n{way}\n{defence}\n", names.join(", "), weakness.who)?;
    weakness.code.iter().try_for_each(|code| writeln!(stdout(), "{}: {}\n", code.file, code.text))?;
    Ok(())
}

/// None, and it was said, where there is no sandbox.
fn sandbox() -> Option<Sandbox> {
    let what = "test --prove-red";
    match Sandbox::here() {
        Ok(sandbox) => return Some(sandbox),
        Err(answer) if nix::unistd::geteuid().is_root() => skip(what, &answer.to_string()),
        Err(answer) => skip_for(Runner::Root, what, &answer.to_string()),
    }
    None
}

/// What breaks are made on.
struct Bench {
    tree: Tree,
    sandbox: Sandbox,
    probe: PathBuf,
}

impl Bench {
    /// Unbroken, all of them are green: else red would say nothing.
    fn begin(&self, chosen: &[&Weakness]) -> Result<(), Error> {
        let tests: Vec<&Test> = chosen.iter().filter_map(|weakness| weakness.test.as_ref()).collect();
        let programs: BTreeSet<&str> = tests.iter().map(|test| test.program.as_str()).collect();
        writeln!(stdout(), "building the copy in {}", self.tree.path().display())?;
        if let Err(said) = self.tree.build(&programs)? {
            return Err(Error::Failed(format!(
                "the copy is not built, though nothing is broken yet:\n{said}"
            )));
        }
        for test in tests {
            match self.run(test)? {
                Verdict::Green => (),
                other => {
                    let (name, why) = (&test.name, other.why());
                    return Err(Error::Failed(format!(
                        "{name} is {} before anything is broken: {why}",
                        other.name()
                    )));
                }
            }
        }
        Ok(())
    }

    /// The defence is taken away; what becomes of the test.
    fn broken(&self, weakness: &Weakness, test: &Test) -> Result<Verdict, Error> {
        let _mended = self.tree.take_away(&weakness.breaks)?;
        match self.tree.build(&BTreeSet::from([test.program.as_str()]))? {
            Ok(()) => self.run(test),
            Err(said) => Ok(Verdict::NotBuilt(said)),
        }
    }

    fn run(&self, test: &Test) -> Result<Verdict, Error> {
        let Some(program) = self.tree.program(&test.program) else {
            return Ok(Verdict::NotBuilt(format!("cargo names no program {:?}", test.program)));
        };
        let mut command = self.sandbox.command(program, LIMIT);
        command.arg(&test.name).current_dir(self.tree.path().join("stage4-runtime"));
        // A skip has to be seen as one, and an assertion as one line.
        command.env_remove("STAGES_NO_SKIP").env("RUST_BACKTRACE", "0").env("STAGES_PROBE", &self.probe);
        let (ended, said) = self.tree.said_by(command)?;
        Ok(Verdict::of(&test.name, ended, &said))
    }
}
