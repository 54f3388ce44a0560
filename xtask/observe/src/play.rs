//! A step's commands, run for real, and the verdict.
//!
//! setpgid(2), kill(2), waitpid(2). Book: "How to use this book".
//! Invariant: when a command is over, so is everything it started; what was left is a broken promise.

use crate::{
    Error, Result,
    scene::Scene,
    script::{Command, Place, Relation, Script, Step},
};
use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    io::Read,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, ExitStatus},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The longest a command may take; a demo that hangs is a broken promise, not a wait.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A command that ran.
#[derive(Clone, Debug)]
pub struct Ran {
    /// As the script has it, and so the snapshot.
    pub script: String,
    /// As typed: an ordinary user may have to ask for more.
    pub run: String,
    /// Where what it printed was observed.
    pub on: Place,
    /// The exit status, with 128+n for a signal as a shell has it.
    pub status: i32,
    /// What it printed on stdout and stderr, in order.
    pub output: String,
    /// The promises it broke.
    pub broken: Vec<String>,
}

/// A step that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its commands, in order.
    pub commands: Vec<Ran>,
    /// What the outputs inside and on the host broke together.
    pub broken: Vec<String>,
}

impl Played {
    /// Every broken promise; none means observed as promised.
    pub fn broken(&self) -> impl Iterator<Item = &str> {
        let each = self.commands.iter().flat_map(|command| &command.broken);
        each.chain(&self.broken).map(String::as_str)
    }

    /// The first output observed at `place`.
    pub fn seen(&self, place: Place) -> Option<&Ran> {
        self.commands.iter().find(|command| command.on == place)
    }
}

/// Makes the ground of a step: each command must succeed.
///
/// # Errors
/// When one fails, with what it printed.
pub fn set_up(commands: &[String], scene: &mut Scene, stop: &AtomicBool) -> Result<()> {
    for line in commands {
        let (status, output, _) = run(line, scene, stop)?;
        if status != 0 {
            return Err(Error::Build(format!("{line}: exit status {status}\n{output}")));
        }
    }
    Ok(())
}

/// Plays `step` for root or for an ordinary user.
///
/// # Errors
/// When a command cannot be started or `stop` was raised; never for what was observed.
pub fn play(
    script: &Script,
    step: &Step,
    rootless: bool,
    scene: &mut Scene,
    stop: &AtomicBool,
) -> Result<Played> {
    let mut commands = Vec::new();
    for command in step.commands(rootless) {
        commands.push(observe(command, script.typed(&command.run, rootless), scene, stop)?);
        scene.bury_canary();
    }
    let mut played = Played { commands, broken: Vec::new() };
    played.broken = relate(step.relation, &played).into_iter().collect();
    Ok(played)
}

fn observe(command: &Command, typed: String, scene: &Scene, stop: &AtomicBool) -> Result<Ran> {
    let (status, output, mut broken) = run(&typed, scene, stop)?;
    if status != i32::from(command.status) {
        broken.push(format!("`{}` promised exit status {}, was {status}", command.run, command.status));
    }
    for text in command.shows.iter().filter(|text| !output.contains(*text)) {
        broken.push(format!("`{}` promised to show {text:?}", command.run));
    }
    for text in command.hides.iter().filter(|text| output.contains(*text)) {
        broken.push(format!("`{}` promised not to show {text:?}", command.run));
    }
    Ok(Ran {
        script: command.run.trim().to_owned(),
        run: typed.trim().to_owned(),
        on: command.on,
        status,
        output,
        broken,
    })
}

fn relate(relation: Option<Relation>, played: &Played) -> Option<String> {
    let seen = |place| played.seen(place).map(|ran| without_notes(&ran.output));
    let (inside, host) = (seen(Place::Inside), seen(Place::Host));
    match relation? {
        Relation::Same if inside != host => Some("promised to be the same inside and on the host".into()),
        Relation::Differs if inside == host => Some("promised to differ inside and on the host".into()),
        _ => None,
    }
}

/// What was observed, without the `note: …` lines that speak to the reader.
pub fn without_notes(output: &str) -> String {
    output.lines().filter(|line| !line.starts_with("note: ")).map(|line| format!("{line}\n")).collect()
}

fn run(line: &str, scene: &Scene, stop: &AtomicBool) -> Result<(i32, String, Vec<String>)> {
    let failed = |error| Error::Path { call: "sh -c", path: line.to_owned(), source: error };
    let (mut reader, writer) = std::io::pipe().map_err(failed)?;
    let mut shell = scene.shell(line);
    shell.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    // A group of its own: Ctrl-C reaches us alone, and we end the whole group.
    let mut child = shell.process_group(0).spawn().map_err(failed)?;
    drop(shell); // our copies of the pipe's writing end
    let output = thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(reader.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let ended = wait(&mut child, stop);
    let left = end_group(&child);
    let output = output.join().unwrap_or_default();
    let mut broken: Vec<_> = left.then(|| format!("`{line}` left a process behind")).into_iter().collect();
    match ended {
        Some(status) => Ok((shell_status(status), output, broken)),
        None if stop.load(Ordering::Relaxed) => Err(Error::Interrupted),
        None => {
            broken.push(format!("`{line}` did not end within {} s", LIMIT.as_secs()));
            Ok((-1, output, broken))
        }
    }
}

fn shell_status(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Waits until the child ends, `stop` is raised or the time is over; the child is dead afterwards.
fn wait(child: &mut Child, stop: &AtomicBool) -> Option<ExitStatus> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if stop.load(Ordering::Relaxed) || start.elapsed() > LIMIT {
            end_group(child);
            drop(child.wait());
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Kills what is left of the child's process group; true if there was something.
fn end_group(child: &Child) -> bool {
    let Ok(group) = i32::try_from(child.id()) else { return false };
    killpg(Pid::from_raw(group), Signal::SIGKILL) != Err(Errno::ESRCH)
}
