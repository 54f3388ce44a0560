//! One verb, played under the tracer: what has to be there before, and what is seen of it afterwards.
//!
//! execve(2), kill(2). Book: "Every call that fails" (`faults`).
//! Invariant: whatever is started here ends within a bounded time, by the number of its own process.

use super::{
    ground::{Ground, ID, PLACE, PROGRAM},
    point::Verb,
    tracer::{self, Target, Told},
    world::World,
};
use crate::Error;
use nix::{
    sys::wait::{WaitPidFlag, waitpid},
    unistd::{Pid, getpid},
};
use observe::processes;
use serde_json::Value;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A runtime that takes longer hangs. Ours waits for ten seconds itself where something does not end.
pub(super) const LIMIT: Duration = Duration::from_secs(25);
/// What a signal or a start brings about, it brings about in less.
const MOMENT: Duration = Duration::from_secs(4);

/// What was seen of a verb.
#[derive(Debug)]
pub(super) struct Seen {
    pub told: Told,
    /// What has come of it; none: nothing was begun, or it was not brought to its end.
    pub facts: Option<String>,
    /// What the runtime said.
    pub errors: String,
}

fn at(name: &str) -> PathBuf {
    Path::new(PLACE).join(name)
}

fn read(name: &str) -> String {
    fs::read(at(name)).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}

/// Plays it; `before` is how the sandbox was when nothing had been begun.
pub(super) fn play(
    ground: &Ground,
    verb: Verb,
    target: Option<Target>,
    before: &World,
) -> Result<Seen, Error> {
    File::create(at("output"))?;
    fs::remove_file(at("pid")).ok();
    prepare(ground, verb)?;
    let command = match verb {
        Verb::Run => ground.call(&["run", "--bundle", &format!("{PLACE}/audit"), ID]),
        Verb::Create => ground.create("audit"),
        Verb::Start => ground.call(&["start", ID]),
        Verb::Exec => ground.exec(),
        Verb::Kill => ground.call(&["kill", ID, "KILL"]),
        Verb::Delete => ground.call(&["delete", ID]),
        Verb::Force => ground.call(&["delete", "--force", ID]),
    };
    let streams = (appended("output")?, File::create(at("errors"))?);
    let mut told = tracer::trace(&command, target, PROGRAM, LIMIT, streams)?;
    let mut errors = read("errors").trim().to_owned();
    if verb == Verb::Create && told.status == 0 {
        // What failed in who waits is told by whoever has him go on.
        let (status, said) = within(&ground.call(&["start", ID]), LIMIT)?;
        (told.status, told.hung, errors) = (status.unwrap_or(1), told.hung || status.is_none(), said);
    }
    let facts = if told.hung { None } else { come_of_it(verb, told.status, before)? };
    Ok(Seen { told, facts, errors })
}

fn appended(name: &str) -> Result<File, Error> {
    Ok(File::options().append(true).create(true).open(at(name))?)
}

/// A container in the state that the verb is for.
fn prepare(ground: &Ground, verb: Verb) -> Result<(), Error> {
    match verb {
        Verb::Run | Verb::Create => Ok(()),
        Verb::Start => must(&ground.create("audit")),
        Verb::Exec | Verb::Kill | Verb::Force => idle(ground),
        Verb::Delete => {
            idle(ground)?;
            let pid = pid();
            must(&ground.call(&["kill", ID, "KILL"]))?;
            match until(|| !lives(pid)) {
                true => Ok(()),
                false => Err(Error::Failed("a container does not end".into())),
            }
        }
    }
}

fn idle(ground: &Ground) -> Result<(), Error> {
    must(&ground.create("idle"))?;
    must(&ground.call(&["start", ID]))
}

/// What the verb has brought about, where it says that it has.
fn come_of_it(verb: Verb, status: i32, before: &World) -> Result<Option<String>, Error> {
    match verb {
        Verb::Exec if status != 0 && !lives(pid()) => Ok(Some("the container has ended".to_owned())),
        Verb::Run | Verb::Exec => Ok(facts()),
        _ if status != 0 => Ok(None),
        Verb::Create | Verb::Start => Ok(audited()),
        Verb::Kill => {
            let (pid, dead) = (pid(), "dead".to_owned());
            Ok(Some(if until(|| !lives(pid)) { dead } else { "it lives".to_owned() }))
        }
        Verb::Delete | Verb::Force => {
            let changed = before.changed(false);
            Ok(Some(if changed.is_empty() { "gone".to_owned() } else { changed.join("; ") }))
        }
    }
}

fn audited() -> Option<String> {
    until(|| facts().is_some());
    facts()
}

/// What the program inside has told, if it was whole; namespaces by their relation to ours.
fn facts() -> Option<String> {
    let text = read("output");
    let mut facts: Value = serde_json::from_str(text.lines().find(|line| line.starts_with('{'))?).ok()?;
    for (kind, link) in facts["namespaces"].as_object_mut()? {
        let ours = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
        let same = link.as_str().is_some_and(|link| Path::new(link) == ours);
        *link = Value::from(if same { "the host's" } else { "its own" });
    }
    // The order says in which way the sources of devices were had, and nothing about the container.
    if let Some(mounts) = facts["mounts"].as_array_mut() {
        mounts.sort_by_key(Value::to_string);
    }
    Some(facts.to_string())
}

fn pid() -> i32 {
    read("pid").trim().parse().unwrap_or(i32::MAX)
}

fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn until(done: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + MOMENT;
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}

fn must(command: &Command) -> Result<(), Error> {
    match within(command, LIMIT)? {
        (Some(0), _) => Ok(()),
        (_, errors) => Err(Error::Failed(errors)),
    }
}

/// Removes whatever there is of the container; why not.
pub(super) fn remove(ground: &Ground) -> Result<Option<String>, Error> {
    match within(&ground.call(&["delete", "--force", ID]), LIMIT)? {
        (None, _) => Ok(Some("delete --force does not end".to_owned())),
        _ => Ok(None),
    }
}

/// Orphans come to us: as long as nobody waits for them they are in their groups.
fn bury_others(but: u32) {
    let own = getpid().as_raw();
    let dead = processes::all().into_iter().filter(|one| one.zombie && one.parent == own);
    dead.filter(|one| u32::try_from(one.pid) != Ok(but)).for_each(|one| {
        waitpid(Pid::from_raw(one.pid), Some(WaitPidFlag::WNOHANG)).ok();
    });
}

/// Its exit status, none where it was not to be waited for; and what it said.
fn within(command: &Command, limit: Duration) -> Result<(Option<i32>, String), Error> {
    let mut again = Command::new(command.get_program());
    again.args(command.get_args()).stdin(Stdio::null()).stdout(appended("output")?);
    // A file: whoever inherits it keeps no pipe open.
    let mut child = again.stderr(File::create(at("errors"))?).spawn()?;
    let deadline = Instant::now() + limit;
    loop {
        bury_others(child.id());
        if let Some(status) = child.try_wait()? {
            return Ok((Some(status.code().unwrap_or(1)), read("errors").trim().to_owned()));
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok((None, read("errors").trim().to_owned()));
        }
        thread::sleep(Duration::from_micros(500));
    }
}
