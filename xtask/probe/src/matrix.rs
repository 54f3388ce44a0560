//! The rows of the isolation matrix: one bounded attempt a process, what came of it as JSON.
//!
//! fork(2), execve(2), waitpid(2). Book: "The matrix".
//! Invariant: an attempt touches only what the ground names; one that hangs is killed, one that is killed is told of.

mod files;
mod groups;
mod inherited;
mod kernel;
mod names;
mod processes;
mod resources;
mod users;

pub(crate) use processes::orphaned;
pub(crate) use users::print as whoami;

use crate::{Failure, Options, Result, attempt, say};
use nix::errno::Errno;
use serde_json::{Value, json};
use std::{
    fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// The longest an attempt may take.
const LIMIT: Duration = Duration::from_secs(20);

/// What came of an attempt.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The host was reached: how.
    Leaks(String),
    /// What stopped it.
    Contained(String),
    /// Only the mode of a file stopped it.
    Mode(String),
    /// This kernel, or this column, has no such thing.
    Absent(String),
    /// It went well here; whether the host was reached is seen there.
    Ask(String),
}

type Attempt = fn(&Ground) -> Seen;

const ROWS: [(&str, Attempt); 61] = [
    ("fs-01", |ground| ground.old("fs-01")),
    ("fs-02", |ground| ground.old("fs-02")),
    ("fs-03", files::descriptor),
    ("fs-04", |ground| ground.old("fs-04")),
    ("fs-05", |ground| ground.old("fs-05")),
    ("fs-06", files::old_root),
    ("fs-07", files::null_device),
    ("fs-08", files::loop_device),
    ("fs-09", files::mount_memory),
    ("fs-10", files::mount_shared),
    ("fs-11", files::hard_link),
    ("fs-12", files::setuid_file),
    ("fs-13", files::by_handle),
    ("fs-14", files::sysctls),
    ("fs-15", files::sysfs),
    ("fs-16", files::controls),
    ("fs-17", files::information),
    ("fs-18", files::disk),
    ("pr-01", |ground| ground.old("pr-01")),
    ("pr-02", processes::signal),
    ("pr-03", processes::memory),
    ("pr-04", processes::environment),
    ("pr-05", processes::orphan),
    ("pr-06", processes::join),
    ("ut-01", names::hostname),
    ("ip-01", names::objects),
    ("ip-02", names::shared_memory),
    ("nt-01", names::addresses),
    ("nt-02", names::loopback),
    ("nt-03", names::abstract_socket),
    ("nt-04", names::raw_sockets),
    ("nt-05", names::families),
    ("us-01", users::root_outside),
    ("us-02", users::set_groups),
    ("us-03", users::capabilities),
    ("us-04", users::setuid),
    ("us-05", users::nested),
    ("us-06", users::inherited_group),
    ("us-07", users::ambient),
    ("rs-01", resources::tasks),
    ("rs-02", resources::memory),
    ("rs-03", resources::processor),
    ("rs-04", resources::descriptors),
    ("rs-05", resources::io),
    ("rs-06", resources::realtime),
    ("rs-07", resources::huge_pages),
    ("rs-08", resources::total),
    ("cg-01", groups::path),
    ("cg-02", groups::own_limit),
    ("cg-03", groups::release_agent),
    ("tm-01", names::clock),
    ("tm-02", names::wall_clock),
    ("ky-01", users::user_keyring),
    ("ky-02", users::session_keyring),
    ("kn-01", kernel::log),
    ("kn-02", kernel::io_uring),
    ("kn-03", kernel::bpf),
    ("kn-04", kernel::control),
    ("kn-05", kernel::terminal),
    ("in-01", inherited::strays),
    ("in-02", inherited::executable),
];

/// What the run made to be reached, and where; `probe host` says it.
#[derive(Debug)]
pub(crate) struct Ground(Value);

impl Ground {
    pub fn parse(text: &str) -> Result<Ground> {
        let value = serde_json::from_str(text).map_err(|error| Failure::Usage(format!("GROUND: {error}")))?;
        Ok(Ground(value))
    }

    /// A word of it; empty where it is not there.
    pub fn word(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// A number of it, if it is there.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    pub fn pid(&self) -> i32 {
        self.number("pid").and_then(|pid| i32::try_from(pid).ok()).unwrap_or(i32::MAX)
    }

    /// A path of the root that this column was given; the host column has its own beside.
    pub fn at(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("{}{path}", self.word("base")))
    }

    /// Is this namespace the host's? True where nobody can tell.
    pub fn is_hosts(&self, kind: &str) -> bool {
        let own = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
        own.as_os_str().is_empty()
            || own.to_string_lossy() == self.0["namespaces"][kind].as_str().unwrap_or_default()
    }

    /// `what` is the host's where the namespace is.
    pub fn by_namespace(&self, kind: &str, what: &str) -> Seen {
        match self.is_hosts(kind) {
            true => Seen::Leaks(format!("{what}, in the host's {kind} namespace")),
            false => Seen::Contained(format!("{what}, in a {kind} namespace of its own")),
        }
    }

    /// The device as (major, minor), if the run could make one.
    pub fn device(&self) -> Option<(u64, u64)> {
        Some((self.number("major")?, self.number("minor")?))
    }

    /// One of the attempts that `probe try` makes by name.
    fn old(&self, id: &str) -> Seen {
        let options = Options {
            canary: Some(self.word("canary").into()),
            pid: Some(self.pid()),
            fd: Some(3),
            ..Options::default()
        };
        match attempt::make(id, &options) {
            Ok(attempt::Cell::Leaks(how)) => Seen::Leaks(how),
            Ok(attempt::Cell::Contained(why)) => Seen::Contained(why),
            Err(Failure::Usage(why) | Failure::Failed(why)) => Seen::Contained(why),
        }
    }
}

/// Several ways to one end: one that succeeds is a leak; where the kernel knows none, nothing can be said.
pub(crate) fn any<T>(tries: Vec<(&str, std::result::Result<T, Errno>)>) -> Seen {
    let open: Vec<_> = tries.iter().filter(|(_, tried)| tried.is_ok()).map(|(name, _)| *name).collect();
    if !open.is_empty() {
        return Seen::Leaks(open.join(", "));
    }
    let errors: Vec<_> =
        tries.iter().filter_map(|(name, tried)| Some((name, tried.as_ref().err()?))).collect();
    let told = errors.iter().map(|(name, errno)| format!("{name}: {errno:?}")).collect::<Vec<_>>().join("; ");
    let unknown = |errno: &Errno| matches!(errno, Errno::ENOSYS | Errno::EAFNOSUPPORT | Errno::ENODEV);
    match errors.iter().all(|(_, errno)| unknown(errno)) {
        true => Seen::Absent(told),
        false => Seen::Contained(told),
    }
}

/// Tells a refusal by its errno.
pub(crate) fn one<T>(name: &str, tried: std::result::Result<T, Errno>) -> Seen {
    any(vec![(name, tried)])
}

/// The errno of an error of std's.
pub(crate) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// `probe matrix GROUND ROW…`: each in a process of its own.
pub(crate) fn print(options: &Options) -> Result<ExitCode> {
    let [ground, ids @ ..] = &options.words()?[..] else {
        return Err(Failure::Usage("matrix GROUND ROW…".into()));
    };
    let own = Ground::parse(ground)?.at("/bin/probe");
    for (id, _) in ROWS.iter().filter(|(id, _)| ids.is_empty() || ids.contains(id)) {
        say(apart(&own, ground, id)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn apart(own: &PathBuf, ground: &str, id: &str) -> Result<String> {
    let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", own.display()));
    let mut command = Command::new(own);
    command.args(["attempt", ground, id]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    let end = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() > end {
            child.kill().map_err(failed)?;
        }
        sleep(Duration::from_millis(1));
    };
    let mut text = String::new();
    child.stdout.take().map(|mut out| out.read_to_string(&mut text)).transpose().map_err(failed)?;
    if let Some(line) = text.lines().rev().find(|line| line.starts_with('{')) {
        return Ok(line.to_owned());
    }
    let late = Instant::now() > end;
    let (verdict, seen) = match status.signal() {
        Some(signal) if !late => ("CONTAINED", format!("killed by signal {signal}")),
        _ => ("ERROR", format!("no answer; {status}")),
    };
    Ok(json!({ "id": id, "verdict": verdict, "seen": seen }).to_string())
}

/// `probe attempt GROUND ROW`: the one attempt.
pub(crate) fn attempt_one(options: &Options) -> Result<ExitCode> {
    let [ground, id] = options.words()?[..] else { return Err(Failure::Usage("attempt GROUND ROW".into())) };
    let row = ROWS.iter().find(|(name, _)| *name == id);
    let (_, attempt) = row.ok_or_else(|| Failure::Usage(format!("no row is called {id:?}")))?;
    let (verdict, seen) = match attempt(&Ground::parse(ground)?) {
        Seen::Leaks(seen) => ("LEAKS", seen),
        Seen::Contained(seen) => ("CONTAINED", seen),
        Seen::Mode(seen) => ("MODE", seen),
        Seen::Absent(seen) => ("N/A", seen),
        Seen::Ask(seen) => ("ASK", seen),
    };
    say(json!({ "id": id, "verdict": verdict, "seen": seen }))?;
    Ok(ExitCode::SUCCESS)
}
