//! A step's commands, run for real, and the verdict.
//!
//! setpgid(2), poll(2), waitid(2), kill(2). Book: "How to use this book".
//! Invariant: when a command is over, so is everything it started; what was left is a broken promise.

use crate::{
    Error, Result,
    part::Part,
    processes,
    scene::Scene,
    script::{Command, Place, Relation, Script},
};
use nix::{
    poll::{PollFd, PollFlags, poll},
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};
use std::{
    io::{self, ErrorKind, PipeReader, Read},
    os::{
        fd::AsFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, ExitStatus},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The longest a command may take; a demo that hangs is a broken promise, not a wait.
pub const LIMIT: Duration = Duration::from_secs(60);

/// How long its output may stay open when a command is over and its group is killed.
const GRACE: Duration = Duration::from_secs(3);

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

/// Plays a step for whoever its part is.
///
/// # Errors
/// When a command cannot be started or `stop` was raised; never for what was observed.
pub fn play(script: &Script, part: Part<'_>, scene: &mut Scene, stop: &AtomicBool) -> Result<Played> {
    let mut commands = Vec::new();
    for command in part.commands() {
        commands.push(observe(command, script.typed(&command.run, part.ordinary), scene, stop)?);
        scene.bury_canary();
    }
    let mut played = Played { commands, broken: Vec::new() };
    played.broken = relate(part.step.relation, &played).into_iter().collect();
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
    let (reader, writer) = io::pipe().map_err(failed)?;
    let mut shell = scene.shell(line);
    shell.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    // A group of its own: Ctrl-C reaches us alone, and we end the whole group.
    let child = shell.process_group(0).spawn().map_err(failed)?;
    drop(shell); // our copies of the pipe's writing end
    let ended = attend(child, reader, LIMIT, stop).map_err(failed)?;
    let output = String::from_utf8_lossy(&ended.output).into_owned();
    let mut broken: Vec<_> =
        ended.left.then(|| format!("`{line}` left a process behind")).into_iter().collect();
    match ended.status {
        Some(status) => Ok((shell_status(status), output, broken)),
        None if stop.load(Ordering::Relaxed) => Err(Error::Interrupted),
        None => {
            broken.push(format!("`{line}` did not end within {} s", LIMIT.as_secs()));
            Ok((-1, output, broken))
        }
    }
}

/// How a command ended.
struct Ended {
    /// None when it had to be killed.
    status: Option<ExitStatus>,
    output: Vec<u8>,
    /// Something it started was still there.
    left: bool,
}

/// Reads what the child prints until it is over and its output is closed, `stop` is raised or the time
/// is up. Whatever still holds the output then is not waited for: it may never let go.
fn attend(mut child: Child, mut pipe: PipeReader, limit: Duration, stop: &AtomicBool) -> io::Result<Ended> {
    let group = Pid::from_raw(child.id().cast_signed());
    let mut deadline = Instant::now() + limit;
    let (mut output, mut closed, mut over, mut left) = (Vec::new(), false, false, false);
    while !(over && closed) {
        if stop.load(Ordering::Relaxed) || Instant::now() > deadline {
            break;
        }
        if closed {
            thread::sleep(Duration::from_millis(1));
        } else {
            closed = drain(&mut pipe, &mut output)?;
        }
        // Looked at, not collected: until then the number of its group means nobody else.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        if !over && waitid(Id::Pid(group), flags) != Ok(WaitStatus::StillAlive) {
            over = true;
            left = end_group(group);
            deadline = deadline.min(Instant::now() + GRACE);
        }
    }
    left |= (over && !closed) | (!over && end_group(group));
    let status = child.wait()?;
    Ok(Ended { status: over.then_some(status), output, left })
}

/// Reads what is there, waiting 20 ms for more; true at the end.
fn drain(pipe: &mut PipeReader, output: &mut Vec<u8>) -> io::Result<bool> {
    // A signal ends the wait early, and the caller looks at `stop`.
    if poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], 20_u8).unwrap_or(0) == 0 {
        return Ok(false);
    }
    let mut bytes = [0; 1 << 14];
    match pipe.read(&mut bytes) {
        Ok(length) => {
            output.extend(&bytes[..length]);
            Ok(length == 0)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

fn shell_status(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Kills a group, whose leader has not been collected; true if there was more of it than its leader.
fn end_group(group: Pid) -> bool {
    let others = processes::all().into_iter();
    let left = others
        .filter(|process| process.group == group.as_raw() && process.pid != group.as_raw() && !process.zombie)
        .count();
    // Fails only when a member has become somebody whom we may not kill.
    killpg(group, Signal::SIGKILL).ok();
    left > 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]
mod tests {
    use super::*;

    /// `sh -c LINE` attended for so long; `stop` is raised after the first second.
    fn attended(line: &str, limit: Duration, interrupted: bool) -> (Ended, Duration) {
        let (reader, writer) = io::pipe().unwrap();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", line]).stdout(writer).process_group(0);
        let child = shell.spawn().unwrap();
        drop(shell);
        let (start, stop) = (Instant::now(), AtomicBool::new(false));
        let ended = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_secs(1));
                stop.store(interrupted, Ordering::Relaxed);
            });
            attend(child, reader, limit, &stop).unwrap()
        });
        (ended, start.elapsed())
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_command_is_read_to_its_end() {
        let (ended, _) = attended("head -c 300000 /dev/zero; exit 3", MINUTE, false);
        assert_eq!((ended.status.unwrap().code(), ended.output.len(), ended.left), (Some(3), 300_000, false));
    }

    #[test]
    fn a_process_in_the_background_is_noticed() {
        let (ended, time) = attended("sleep 20 & echo x", MINUTE, false);
        assert!(ended.left && ended.status.is_some() && time < GRACE, "{time:?}");
    }

    #[test]
    fn whoever_left_the_group_and_holds_the_output_is_not_waited_for() {
        // It lives on for its time: only a subreaper knows of it (processes::end_children).
        let escapee = "setsid sleep 5 &";
        let (ended, time) = attended(&format!("{escapee} echo x"), MINUTE, false);
        assert!(ended.left && ended.output == b"x\n" && time < GRACE * 2, "{time:?}");
        let (ended, time) = attended(&format!("{escapee} sleep 9"), MINUTE, true);
        assert!(ended.status.is_none() && time < GRACE, "{time:?}");
        let (ended, time) = attended(&format!("{escapee} sleep 9"), Duration::from_secs(2), false);
        assert!(ended.status.is_none() && time < GRACE, "{time:?}");
    }
}
