//! `cargo xtask bench`: what our commands cost, side by side with what the host has.
//!
//! fork(2), execve(2), getrusage(2); cgexec(1), systemd-run(1). Book: "How to use this book".
//! Invariant: the two of a pair run in turn, in one go, so that a machine that slows down slows both;
//! medians and ratios are shown, never asserted.

pub(crate) mod bundle;
mod images;
mod inside;
mod measure;
mod runtimes;

use crate::{Error, Outcome, cargo, demo::Format, status};
use clap::{Args, ValueEnum};
use measure::{Cost, WARM_UP, cost, median};
use observe::workspace::Programs;
use runtimes::Case;
use serde_json::{Value, json};
use std::{path::PathBuf, process::ExitCode};

/// Measure our commands beside the host's own: medians of wall and CPU time, and their ratio.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench                           everything, 30 runs each\n  cargo xtask bench commands                  stages 1 to 3 beside the host's tools\n  cargo xtask bench runtimes --case run       stage 4 beside crun, runc and a floor\n  cargo xtask bench images --runs 5           an image unpacked, beside umoci and tar\n  cargo xtask bench runtimes --also static=target/x86_64-unknown-linux-musl/release/stage4-runtime\n\nThe floor is a program in C that asks the kernel for the same container, and reads, decides and checks nothing.\nCPU time counts whatever the command has waited for; it is steadier than wall time where others work, too."
)]
pub(crate) struct BenchArguments {
    /// What is measured [default: all]
    #[arg(value_enum)]
    part: Option<Part>,
    /// Of stage 4 these cases only
    #[arg(long, value_enum)]
    case: Vec<Case>,
    /// The image that is unpacked [default: a Debian of some hundred megabytes, made by mmdebstrap]
    #[arg(long, value_name = "LAYOUT[:NAME]")]
    image: Option<String>,
    /// Another runtime beside ours: another build, another version
    #[arg(long, value_name = "NAME=PROGRAM")]
    also: Vec<String>,
    /// Measure the build that is there, also one that is not optimised: to try it out
    #[arg(long)]
    any_build: bool,
    /// In the sandbox: what was prepared there
    #[arg(long, value_name = "DIR", hide = true)]
    inside: Option<PathBuf>,
    /// How often each command is run, after three runs that are not counted
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    runs: u32,
    /// The form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The three parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The commands of stages 1 to 3 beside the host's own
    Commands,
    /// The runtime of stage 4 beside crun and runc
    Runtimes,
    /// Images unpacked by us, by umoci and by tar
    Images,
}

impl BenchArguments {
    fn cases(&self) -> Vec<Case> {
        if self.case.is_empty() { Case::value_variants().to_vec() } else { self.case.clone() }
    }
}

/// Two ways to the same result: ours, and the host's.
struct Pair {
    name: &'static str,
    ours: &'static str,
    theirs: &'static str,
    /// What the second needs of the host: a program, or a path that is there.
    needs: &'static str,
}

/// What control groups are made with where there is no command of ours: mkdir, write, execute, rmdir. The last word is
/// for libcgroup 2.0, which leaves one of the two directories in a hybrid layout and says that all went well.
const CGEXEC: &str = "limit=memory.max; [ -e /sys/fs/cgroup/memory ] && limit=memory.limit_in_bytes; \
    in=stage3-bench-$$; cgcreate -g memory,pids:$in && cgset -r $limit=100M -r pids.max=64 $in && \
    cgexec -g memory,pids:$in /bin/true; status=$?; cgdelete -g memory,pids:$in; \
    rmdir /sys/fs/cgroup/*/$in 2>/dev/null; exit $status";

const LIMITED: &str = "stage3-cgroups run --memory 100M --pids 64 -- /bin/true";

const PAIRS: [Pair; 5] = [
    Pair {
        name: "a root with bash in it",
        ours: "stage1-chroot build ours bash",
        theirs: "mkdir -p theirs && cp --parents /bin/bash $(ldd /bin/bash | grep -o '/[^ ]*') theirs",
        needs: "ldd",
    },
    Pair {
        name: "eight new namespaces, and true in them",
        ours: "stage2-namespaces run --all --map-root -- true",
        theirs: "unshare --user --map-root-user --mount --uts --ipc --net --pid --fork --cgroup --time -- true",
        needs: "unshare",
    },
    Pair {
        name: "true in a group of its own, and without one",
        ours: LIMITED,
        theirs: "/bin/true",
        needs: "/bin/true",
    },
    Pair { name: "true with two limits, beside libcgroup", ours: LIMITED, theirs: CGEXEC, needs: "cgexec" },
    Pair {
        name: "true with two limits, beside systemd",
        ours: LIMITED,
        theirs: "systemd-run --quiet --scope -p MemoryMax=100M -p TasksMax=64 -- /bin/true",
        needs: "/run/systemd/system",
    },
];

/// `cargo xtask bench`
pub(crate) fn bench(arguments: &BenchArguments) -> Outcome {
    if let Some(ground) = &arguments.inside {
        print(&Value::from(runtimes::inside(arguments, ground)?).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if cfg!(debug_assertions) && !arguments.any_build {
        return in_release();
    }
    let mut rows = Vec::new();
    let asked = |part: Part| arguments.part.is_none_or(|asked| asked == part);
    if asked(Part::Commands) {
        rows.extend(commands(arguments)?);
    }
    let first = rows.len();
    if asked(Part::Runtimes) {
        rows.extend(runtimes::runtimes(arguments)?);
    }
    if asked(Part::Images) {
        rows.extend(images::images(arguments)?);
    }
    match arguments.format {
        Format::Json => print(&format!("{:#}", Value::from(rows)))?,
        Format::Text => {
            let (commands, runtimes) = rows.split_at(first);
            commands.iter().try_for_each(|row| print(&told(row)))?;
            runtimes.iter().try_for_each(|row| print(&runtimes::told(row)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Stages 1 to 3.
fn commands(arguments: &BenchArguments) -> Result<Vec<Value>, Error> {
    let programs = Programs::build("stage3-cgroups")?;
    let ground = observe::scene::Scene::new("stage2", &programs)?;
    let mut rows = Vec::new();
    for pair in &PAIRS {
        match is_there(pair.needs) {
            true => rows.push(measure(pair, arguments.runs, &ground)?),
            false => observe::skip::skip(pair.name, &format!("there is no {} here", pair.needs)),
        }
    }
    Ok(rows)
}

/// What a debug build takes is nobody's measure: the same once more, by an optimised one.
fn in_release() -> Outcome {
    let mut command = cargo::cargo("run");
    command.args(["--release", "--quiet", "--package", "xtask", "--"]);
    let ok = cargo::run(command.args(std::env::args_os().skip(1)))?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(status::FAILED) })
}

fn measure(pair: &Pair, runs: u32, ground: &observe::scene::Scene) -> Result<Value, Error> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let errors = ground.directory().join("errors");
    for run in 0..runs + WARM_UP {
        let of = |line: &str| cost(ground.shell(&fresh(line)), &errors);
        let costs = (of(pair.ours)?, of(pair.theirs)?);
        if run >= WARM_UP {
            ours.push(costs.0);
            theirs.push(costs.1);
        }
    }
    let [wall, cpu]: [fn(&Cost) -> f64; 2] = [|cost| cost.wall, |cost| cost.cpu];
    let of = |costs: &[Cost], which: fn(&Cost) -> f64| median(costs.iter().map(which));
    let side = |run: &str, costs: &[Cost]| {
        let mut side = measure::medians(costs);
        side["run"] = json!(run);
        side
    };
    Ok(json!({
        "name": pair.name, "runs": runs, "ours": side(pair.ours, &ours), "theirs": side(pair.theirs, &theirs),
        "wall_ratio": of(&ours, wall) / of(&theirs, wall),
        "cpu_ratio": of(&ours, cpu) / of(&theirs, cpu),
    }))
}

/// Each run begins with nothing made; the shell and the removal weigh the same on both sides.
fn fresh(line: &str) -> String {
    format!("rm -rf ours theirs; {line}")
}

fn told(row: &Value) -> String {
    let side = |name: &str| {
        let side = &row[name];
        let number = |key: &str| side[key].as_f64().unwrap_or(f64::NAN);
        let run = side["run"].as_str().unwrap_or_default();
        format!("  {:>8.2} ms wall {:>8.2} ms CPU   {run}\n", number("wall_ms"), number("cpu_ms"))
    };
    let ratio = |key: &str| row[key].as_f64().unwrap_or(f64::NAN);
    format!(
        "{} (medians of {} runs in turn)\n{}{}  {:>8.2} x wall  {:>8.2} x CPU\n",
        row["name"].as_str().unwrap_or_default(),
        row["runs"],
        side("ours"),
        side("theirs"),
        ratio("wall_ratio"),
        ratio("cpu_ratio")
    )
}

/// A program in PATH; a name that is a path already stands for itself.
fn is_there(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

fn print(text: &str) -> Result<(), Error> {
    use std::io::Write;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
