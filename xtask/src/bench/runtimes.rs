//! The runtime of stage 4 beside runc, crun and a floor, in one sandbox.
//!
//! unshare(1), cc(1). Book: "How to use this book".
//! Invariant: whatever is measured and whatever is left by it is in the sandbox; who is not installed is named.

use super::BenchArguments;
use super::bundle;
use super::inside::{FLOOR, Ground, Runtime, Session};
use crate::Error;
use clap::ValueEnum;
use nix::unistd::geteuid;
use observe::{
    sandbox::Sandbox,
    scene::Scene,
    skip::{Runner, skip, skip_for},
    workspace,
};
use serde_json::Value;
use std::{
    fmt, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// What of stage 4 is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Case {
    /// A container that ends at once
    Run,
    /// The same under the profile of containers-common
    Seccomp,
    /// create, start, state, kill, delete
    Life,
    /// A second process in a container
    Exec,
    /// Many in a row, the first quarter beside the last
    Sequential,
    /// One while fifty others live
    Alive,
    /// One with 250 mounts, and with 500
    Mounts,
    /// The largest process
    Memory,
    /// System calls, counted by strace
    Calls,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// Prints the largest process of a command.
pub(super) const WEIGH: (&str, &str) = ("weigh", include_str!("weigh.c"));

const PROGRAMS: [(&str, &str); 3] =
    [(FLOOR, include_str!("floor.c")), WEIGH, ("idle", include_str!("idle.c"))];

/// Makes the ground, and has everything measured in a sandbox. Rows of JSON, as the inner one prints them.
pub(super) fn runtimes(arguments: &BenchArguments) -> Result<Vec<Value>, Error> {
    let what = "the runtimes side by side";
    let sandbox = match Sandbox::here() {
        Ok(sandbox) => sandbox,
        Err(answer) => {
            match geteuid().is_root() {
                true => skip(what, &answer.to_string()),
                false => skip_for(Runner::Root, what, &answer.to_string()),
            }
            return Ok(Vec::new());
        }
    };
    if !workspace::installed("cc") {
        skip(what, "the floor is a program in C, and there is no cc: apt-get install gcc libc6-dev");
        return Ok(Vec::new());
    }
    let programs = workspace::Programs::build("stage4-runtime")?;
    let scene = Scene::new("stage4", &programs)?;
    let ground = Ground(scene.work());
    let ours =
        programs.find("stage4-runtime").ok_or_else(|| Error::Failed("stage4-runtime is not built".into()))?;
    prepare(&ground, &ours)?;

    // Twenty minutes are enough for all cases with runs of the default number, on a slow machine.
    let mut command = sandbox.command(std::env::current_exe()?, Duration::from_secs(20 * 60));
    command.args(["bench", "--inside"]).arg(&ground.0).args(["--runs", &arguments.runs.to_string()]);
    command.args(arguments.case.iter().flat_map(|case| ["--case".to_owned(), case.to_string()]));
    command.arg("--also").arg(format!("ours={}", ours.display()));
    command.args(arguments.also.iter().flat_map(|one| ["--also", one]));
    let output = command.current_dir(&ground.0).stderr(std::process::Stdio::inherit()).output()?;
    match output.status.success() {
        true => {
            serde_json::from_slice(&output.stdout).map_err(|error| Error::Failed(format!("bench: {error}")))
        }
        false => Err(Error::Failed(format!("bench in a sandbox: {}", output.status))),
    }
}

/// A root with one program in it, the programs that measure, and the bundles.
fn prepare(ground: &Ground, ours: &Path) -> Result<(), Error> {
    for name in ["bin", "proc", "sys", "dev", "etc"] {
        fs::create_dir_all(ground.root().join(name))?;
    }
    for (name, source) in PROGRAMS {
        compile(&ground.0, name, source)?;
    }
    fs::copy(ground.0.join("idle"), ground.root().join("bin/idle"))?;
    fs::set_permissions(&ground.0, fs::Permissions::from_mode(0o755))?;

    let at = ground.bundle("spec");
    fs::create_dir_all(&at)?;
    let done = Command::new(ours).args(["spec", "--bundle"]).arg(&at).status()?;
    if !done.success() {
        return Err(Error::Failed(format!("stage4-runtime spec: {done}")));
    }
    bundle::make(ground, &fs::read_to_string(at.join("config.json"))?)
}

/// A program in C, put into a directory.
pub(super) fn compile(directory: &Path, name: &str, source: &str) -> Result<PathBuf, Error> {
    let program = directory.join(name);
    let file = program.with_extension("c");
    fs::write(&file, source)?;
    let done = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(&file).status()?;
    match done.success() {
        true => Ok(program),
        false => Err(Error::Failed(format!("cc -O2 -static {}: {done}", file.display()))),
    }
}

/// The inner one's part: measures, and gives the rows.
pub(super) fn inside(arguments: &BenchArguments, ground: &Path) -> Result<Vec<Value>, Error> {
    let mut runtimes = vec![Runtime { name: FLOOR.to_owned(), program: ground.join(FLOOR) }];
    for also in &arguments.also {
        let (name, program) = also.split_once('=').unwrap_or((also, also));
        runtimes.push(Runtime { name: name.to_owned(), program: program.into() });
    }
    for name in ["crun", "runc"] {
        match found(name) {
            Some(program) => runtimes.push(Runtime { name: name.to_owned(), program }),
            None => skip(&format!("{name} beside ours"), &format!("it is not here: apt-get install {name}")),
        }
    }
    let session = Session { ground: Ground(ground.to_owned()), runtimes, runs: arguments.runs };
    let mut rows = Vec::new();
    for case in arguments.cases() {
        match missing(case) {
            Some(reason) => skip(&case.to_string(), reason),
            None => rows.extend(session.measure(case)?),
        }
    }
    Ok(rows)
}

fn missing(case: Case) -> Option<&'static str> {
    match case {
        Case::Calls if found("strace").is_none() => Some("there is no strace: apt-get install strace"),
        Case::Seccomp if !bundle::has_profile() => Some(
            "there is no /usr/share/containers/seccomp.json: apt-get install golang-github-containers-common",
        ),
        _ => None,
    }
}

fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// A table of one row: each side's numbers, and ours in relation to them.
pub(super) fn told(row: &Value) -> String {
    let keys = ["wall_ms", "cpu_ms", "peak_kib", "calls"];
    let sides = row["sides"].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown: Vec<&str> =
        keys.into_iter().filter(|key| sides.iter().any(|side| side[*key].is_number())).collect();
    let number = |side: &Value, key: &str| side[key].as_f64().unwrap_or(f64::NAN);
    let mut text =
        format!("{} (medians of {})\n  {:24}", row["what"].as_str().unwrap_or_default(), row["runs"], "");
    shown.iter().for_each(|key| text += &format!("{key:>10}  ours/it"));
    let ours = sides.iter().find(|side| side["name"] == "ours");
    for side in sides {
        text += &format!("\n  {:24}", side["name"].as_str().unwrap_or_default());
        for key in &shown {
            let ratio = ours.map_or(f64::NAN, |ours| number(ours, key) / number(side, key));
            let digits = if key.ends_with("_ms") { 2 } else { 0 };
            text += &format!("{:>10.digits$}  {ratio:>6.2}x", number(side, key));
        }
    }
    text + "\n"
}
