//! `cargo xtask bench`: what our commands cost, side by side with what the host has.
//!
//! fork(2), execve(2), getrusage(2); cgexec(1), systemd-run(1). Book: "How to use this book".
//! Invariant: the two of a pair run in turn, in one go, so that a machine that slows down slows both;
//! medians and ratios are shown, never asserted.

use crate::{Error, Outcome, cargo, demo::Format, status};
use clap::Args;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use observe::workspace::Programs;
use serde_json::{Value, json};
use std::{
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

/// Measure our commands beside the host's own: medians of wall and CPU time, and their ratio.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench              every pair, 30 runs each\n  cargo xtask bench --runs 200   more runs, on a busy machine"
)]
pub(crate) struct BenchArguments {
    /// How often each command is run, after three runs that are not counted
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(3..=10_000))]
    runs: u32,
    /// The form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Two ways to the same result: ours, and the host's.
struct Pair {
    name: &'static str,
    ours: &'static str,
    theirs: &'static str,
    /// What the second needs of the host: a program, or a path that is there.
    needs: &'static str,
}

/// What control groups are made with where there is no command of ours: mkdir, write, execute, rmdir.
const CGEXEC: &str = "limit=memory.max; [ -e /sys/fs/cgroup/memory ] && limit=memory.limit_in_bytes; \
    in=stage3-bench-$$; cgcreate -g memory,pids:$in && cgset -r $limit=100M -r pids.max=64 $in && \
    cgexec -g memory,pids:$in /bin/true; status=$?; cgdelete -g memory,pids:$in; exit $status";

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

/// Milliseconds of one run.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

/// `cargo xtask bench`
pub(crate) fn bench(arguments: &BenchArguments) -> Outcome {
    if cfg!(debug_assertions) {
        return in_release(arguments);
    }
    let programs = Programs::build("stage3-cgroups")?;
    let ground = observe::scene::Scene::new("stage2", &programs)?;
    let mut rows = Vec::new();
    for pair in &PAIRS {
        match is_there(pair.needs) {
            true => rows.push(measure(pair, arguments.runs, &ground)?),
            false => observe::skip::skip(pair.name, &format!("there is no {} here", pair.needs)),
        }
    }
    match arguments.format {
        Format::Json => print(&format!("{:#}", Value::from(rows)))?,
        Format::Text => rows.iter().try_for_each(|row| print(&told(row)))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a debug build takes is nobody's measure.
fn in_release(arguments: &BenchArguments) -> Outcome {
    let format = if arguments.format == Format::Json { "json" } else { "text" };
    let mut command = cargo::cargo("run");
    command.args(["--release", "--quiet", "--package", "xtask", "--", "bench", "--format", format]);
    let ok = cargo::run(command.args(["--runs", &arguments.runs.to_string()]))?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(status::FAILED) })
}

fn measure(pair: &Pair, runs: u32, ground: &observe::scene::Scene) -> Result<Value, Error> {
    const WARM_UP: u32 = 3;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 0..runs + WARM_UP {
        let costs = (cost(ground.shell(&fresh(pair.ours)))?, cost(ground.shell(&fresh(pair.theirs)))?);
        if run >= WARM_UP {
            ours.push(costs.0);
            theirs.push(costs.1);
        }
    }
    let median = |costs: &[Cost], which: fn(&Cost) -> f64| {
        let mut values: Vec<_> = costs.iter().map(which).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let [wall, cpu]: [fn(&Cost) -> f64; 2] = [|cost| cost.wall, |cost| cost.cpu];
    let side = |run: &str, costs: &[Cost]| json!({ "run": run, "wall_ms": median(costs, wall), "cpu_ms": median(costs, cpu) });
    Ok(json!({
        "name": pair.name, "runs": runs, "ours": side(pair.ours, &ours), "theirs": side(pair.theirs, &theirs),
        "wall_ratio": median(&ours, wall) / median(&theirs, wall),
        "cpu_ratio": median(&ours, cpu) / median(&theirs, cpu),
    }))
}

/// Each run begins with nothing made; the shell and the removal weigh the same on both sides.
fn fresh(line: &str) -> String {
    format!("rm -rf ours theirs; {line}")
}

fn cost(mut command: Command) -> Result<Cost, Error> {
    let used = || -> Result<f64, Error> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(std::io::Error::from)?;
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Ok(micros as f64 / 1000.0)
    };
    let (before, start) = (used()?, Instant::now());
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    let cost = Cost { wall: start.elapsed().as_secs_f64() * 1000.0, cpu: used()? - before };
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Failed(format!("{command:?}: {}: {told}", output.status)));
    }
    Ok(cost)
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
