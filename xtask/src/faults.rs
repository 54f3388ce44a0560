//! `cargo xtask faults`: every call of a runtime fails once, and once its caller is killed; what comes of it.
//!
//! Drives the runtime's command line in sandboxes. Book: "Every call that fails" (`faults`).
//! Invariant: what the program inside has is compared, not what the runtime says; the machine is as before.

mod carried;
mod ground;
mod inside;
mod names;
mod observed;
mod play;
mod point;
mod pool;
mod registers;
mod table;
mod tracer;
mod world;

use crate::{Error, Outcome, status};
use carried::Carried;
use clap::{Args, ValueEnum};
use observe::{
    sandbox::Sandbox,
    skip,
    workspace::{self, Programs},
};
use observed::{Observed, Swept};
use point::{Count, Fault, Point, Verb};
use pool::Pool;
use std::{
    io::{Write, stderr, stdout},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

/// The name of ours in the table.
const OURS: &str = "ours";

/// Prove that a failure at any system call leaves nothing and opens nothing: of our runtime, and of others beside it.
#[derive(Debug, Args)]
#[command(after_help = "\
A point is the how-manieth call of its name in one process of one verb: there it fails, or its caller is killed.
clean: an error, and all is as before; deleted: an error, and `delete --force` had something to remove; carried on: it
did what was asked all the same, and xtask/faults.toml says why; missed: the call was not made this time.
Must not be: unlisted: carried on, and nobody knows why; left: something is there after `delete --force`; hung;
fail-open: success was said, or the program ran, and something that was asked for was not done.
A point takes about a tenth of a second on each processor; all 30,000 take about half an hour on two.

Exit status: 0 nothing is that must not be; 1 something is; 2 usage; 77 not possible here.

Examples:
  sudo target/debug/xtask faults --sample 50
  sudo target/debug/xtask faults --verb create --call mount_setattr --error EIO
  sudo target/debug/xtask faults --verb delete --kill
  sudo target/debug/xtask faults --sample 10 --runtime ours --runtime runc --runtime crun
  sudo target/debug/xtask faults --format json >here.json; cargo xtask faults --from here.json")]
pub(crate) struct FaultsArguments {
    /// Only this verb (repeatable)
    #[arg(long, value_enum)]
    verb: Vec<Verb>,
    /// Only this system call (repeatable)
    #[arg(long, value_name = "NAME")]
    call: Vec<String>,
    /// Only this error, and none is killed (repeatable)
    #[arg(long, value_enum, ignore_case = true)]
    error: Vec<Fault>,
    /// Callers are killed; alone: and no call fails
    #[arg(long)]
    kill: bool,
    /// Every so-manieth point only
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    sample: u32,
    /// Which of them
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u32,
    /// A runtime: `ours`, a program in PATH, or a path (repeatable) [default: ours]
    #[arg(long, value_name = "NAME|PATH")]
    runtime: Vec<String>,
    /// Read what was seen from a file of `--format json`, and try nothing
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The inner one, in a sandbox
    #[arg(long, hide = true)]
    inside: bool,
}

/// How the table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// Everything that was seen
    Json,
    /// A table of Markdown
    Md,
}

/// `cargo xtask faults`
pub(crate) fn faults(arguments: &FaultsArguments) -> Outcome {
    if arguments.inside {
        let runtime = arguments.runtime.first().map(String::as_str).unwrap_or_default();
        return inside::work(Path::new(runtime)).map(|()| ExitCode::SUCCESS);
    }
    if let Some(unknown) = arguments.call.iter().find(|call| names::number(call).is_none()) {
        return Err(Error::Usage(format!("no system call is called {unknown:?}")));
    }
    let observed = match &arguments.from {
        Some(file) => Observed::read(file)?,
        None => match observe(arguments)? {
            Some(observed) => observed,
            None => return Ok(ExitCode::from(status::IMPOSSIBLE)),
        },
    };
    let text = match arguments.format {
        Format::Json => observed.json(),
        Format::Md => table::markdown(&observed),
        Format::Text => table::text(&observed),
    };
    writeln!(stdout(), "{}", text.trim_end())?;
    let bad = table::bad(&observed);
    bad.iter().try_for_each(|line| writeln!(stderr(), "xtask: faults: {line}"))?;
    Ok(ExitCode::from(if bad.is_empty() { 0 } else { status::FAILED }))
}

/// None where there cannot be one, or calls cannot be spoilt: then it has been said.
fn sandbox() -> Option<Sandbox> {
    let what = "faults at every system call";
    if !registers::POSSIBLE {
        skip::skip(what, "a call is taken back by the registers of x86_64, and this is another machine");
        return None;
    }
    let found = Sandbox::here().inspect_err(|answer| match nix::unistd::geteuid().is_root() {
        true => skip::skip(what, &answer.to_string()),
        false => skip::skip_for(skip::Runner::Root, what, &answer.to_string()),
    });
    found.ok()
}

/// What was seen; none where it cannot be seen here.
fn observe(arguments: &FaultsArguments) -> Result<Option<Observed>, Error> {
    let Some(sandbox) = sandbox() else { return Ok(None) };
    let programs = Programs::build("stage4-runtime")?;
    let ours = [OURS.to_owned()];
    let asked = if arguments.runtime.is_empty() { &ours[..] } else { &arguments.runtime[..] };
    let kernel = nix::sys::utsname::uname().map_err(|error| Error::Failed(format!("uname: {error}")))?;
    let mut observed =
        Observed { kernel: kernel.release().to_string_lossy().into_owned(), runtimes: Vec::new() };
    for name in asked {
        let runtime = found(name, &programs)?;
        let name = Path::new(name).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pool = Pool { sandbox: &sandbox, programs: &programs, runtime: &runtime, name: &name };
        observed.runtimes.push(sweep(arguments, &pool)?);
    }
    Ok(Some(observed))
}

fn found(name: &str, programs: &Programs) -> Result<PathBuf, Error> {
    let found = match name {
        OURS => programs.find("stage4-runtime"),
        path if path.contains('/') => Path::new(path).canonicalize().ok(),
        name => workspace::found(name),
    };
    found.ok_or_else(|| Error::Usage(format!("there is no runtime {name:?} here")))
}

fn sweep(arguments: &FaultsArguments, pool: &Pool<'_>) -> Result<Swept, Error> {
    let begun = Instant::now();
    let verbs = if arguments.verb.is_empty() { &Verb::ALL[..] } else { &arguments.verb[..] };
    let (mut points, mut impossible) = (Vec::new(), Vec::new());
    for (verb, learnt) in pool.learn(verbs)? {
        match learnt {
            Ok(counts) => points.extend(counts.iter().flat_map(|count| asked(arguments, verb, count))),
            Err(why) => impossible.push((verb, why)),
        }
    }
    let all = points.len();
    let seed = arguments.seed % arguments.sample;
    let is_chosen = |place: usize| scattered(place) % u64::from(arguments.sample) == u64::from(seed);
    let numbered = points.into_iter().enumerate();
    let chosen: Vec<_> = numbered.filter(|(place, _)| is_chosen(*place)).map(|(_, point)| point).collect();
    let mut outcomes = pool.sweep(&chosen)?;
    let carried = Carried::load()?;
    if pool.name == OURS {
        outcomes.iter_mut().for_each(|one| carried.weigh(one));
    }
    outcomes.sort_by(|one, other| one.point.cmp(&other.point));
    let version = Command::new(pool.runtime).arg("--version").output()?.stdout;
    let version = String::from_utf8_lossy(&version).lines().next().unwrap_or_default().to_owned();
    let (name, seconds) = (pool.name.to_owned(), begun.elapsed().as_secs());
    Ok(Swept { name, version, seconds, points: all, sample: arguments.sample, impossible, outcomes })
}

/// So that a sample meets all seven faults, whatever its step: Knuth's multiplier.
fn scattered(place: usize) -> u64 {
    (place as u64).wrapping_mul(2_654_435_761) >> 8 & 0xff_ffff
}

/// The points of a call, as far as they are asked for.
fn asked(arguments: &FaultsArguments, verb: Verb, count: &Count) -> Vec<Point> {
    if !arguments.call.is_empty() && !arguments.call.contains(&count.call) {
        return Vec::new();
    }
    let all = arguments.error.is_empty() && !arguments.kill;
    let errors = if all { &Fault::ERRORS[..] } else { &arguments.error[..] };
    let faults: Vec<_> =
        errors.iter().copied().chain((all || arguments.kill).then_some(Fault::Kill)).collect();
    let Count { process, call, times } = count;
    let point = |number, fault| Point { verb, process: *process, call: call.clone(), number, fault };
    (1..=*times).flat_map(|number| faults.iter().map(move |fault| point(number, *fault))).collect()
}
