//! One bounded break-out attempt by name: the rows of the isolation matrix.
//!
//! openat(2), chroot(2), kill(2), if_nameindex(3), uname(2). Book: "Ways out".
//! Invariant: touches only the canary it is given: its file, its pid, a descriptor.

use crate::{Failure, Options, Result, say};
use nix::{errno::Errno, sys::signal::Signal, sys::signal::kill, unistd::Pid};
use stage1_chroot::escape::{self, Verdict, Way};
use std::{fs, path::PathBuf, process::ExitCode, thread::sleep, time::Duration};

/// A row of the matrix: its name and what it tries.
struct Row {
    id: &'static str,
    tries: &'static str,
    run: fn(&Options) -> Result<Cell>,
}

/// What came of an attempt.
pub(crate) enum Cell {
    /// The host was reached: how it was seen.
    Leaks(String),
    /// The call that did not let us.
    Contained(String),
}

const ROWS: [Row; 9] = [
    Row { id: "fs-01", tries: "open the canary by its absolute path", run: absolute },
    Row { id: "fs-02", tries: "walk up from the working directory", run: |o| way(Way::CwdOutside, o) },
    Row { id: "fs-03", tries: "walk up from an inherited descriptor (--fd)", run: descriptor },
    Row { id: "fs-04", tries: "double chroot", run: |o| way(Way::DoubleChroot { depth: 0 }, o) },
    Row { id: "fs-05", tries: "follow /proc/PID/root (--pid)", run: proc_root },
    Row { id: "pr-01", tries: "see the canary in /proc (--pid)", run: see },
    Row { id: "pr-02", tries: "send the canary signal 0 (--pid)", run: signal },
    Row { id: "pr-04", tries: "read the canary's environment (--pid)", run: environment },
    Row { id: "nt-01", tries: "list network devices other than lo", run: devices },
];

/// `probe rows`
pub(crate) fn rows() -> Result<ExitCode> {
    ROWS.iter().try_for_each(|row| say(format_args!("{:<8}{}", row.id, row.tries)))?;
    Ok(ExitCode::SUCCESS)
}

/// `probe try ROW`
pub(crate) fn print(options: &Options) -> Result<ExitCode> {
    let [id] = options.words()?[..] else { return Err(Failure::Usage("try ROW".into())) };
    match make(id, options)? {
        Cell::Leaks(how) => {
            say(format_args!("LEAKS {id}: {how}"))?;
            Ok(ExitCode::SUCCESS)
        }
        Cell::Contained(why) => {
            say(format_args!("CONTAINED {id}: {why}"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Makes the attempt that is called `id`.
pub(crate) fn make(id: &str, options: &Options) -> Result<Cell> {
    let row = ROWS.iter().find(|row| row.id == id);
    let row = row.ok_or_else(|| Failure::Usage(format!("no row is called {id:?}; see `probe rows`")))?;
    (row.run)(options)
}

// ANCHOR: processes
/// `probe sees PID`
pub(crate) fn sees(pid: i32) -> Result<ExitCode> {
    while dying(pid) {
        sleep(Duration::from_millis(1));
    }
    let (there, told) = match state(pid) {
        Some('Z') | None if in_proc() => (false, format!("{pid}: gone")),
        Some(_) => (true, format!("{pid}: visible in /proc as {}", name(pid))),
        None => match kill(Pid::from_raw(pid), None) {
            Ok(()) => (true, format!("{pid}: no /proc here, but kill({pid}, 0) = 0: it is there")),
            Err(errno) => (false, format!("{pid}: no /proc here, and kill({pid}, 0): {errno:?}")),
        },
    };
    say(told)?;
    Ok(ExitCode::from(u8::from(!there)))
}
// ANCHOR_END: processes

/// Whether it is on its way out: kill(2) returns when the signal is sent, not when its work is done. Neither a
/// process with SIGKILL pending nor one in exit(2) (PF_EXITING of Linux's sched.h) runs anything of its own again;
/// one that version 1 has frozen, or a disk holds, may stay for long.
fn dying(pid: i32) -> bool {
    const PF_EXITING: u64 = 4;
    let Some(stat) = stat(pid).filter(|stat| !stat.starts_with('Z')) else { return false };
    let flags = stat.split(' ').nth(6).and_then(|flags| flags.parse::<u64>().ok());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut pending = status.lines().filter_map(|line| line.split_once("Pnd:"));
    flags.is_some_and(|flags| flags & PF_EXITING != 0)
        || !stat.starts_with('D')
            && pending.any(|(_, set)| u64::from_str_radix(set.trim(), 16).is_ok_and(|set| set & 1 << 8 != 0))
}

fn in_proc() -> bool {
    fs::exists("/proc/self/stat").unwrap_or(false)
}

/// The state letter of proc_pid_stat(5); a zombie is dead but not buried.
fn state(pid: i32) -> Option<char> {
    stat(pid)?.chars().next()
}

/// proc_pid_stat(5) from the third field, the state, on.
fn stat(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit(") ").next()?.to_owned())
}

fn name(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{:?}", name.trim_end())
}

fn canary(options: &Options) -> Result<&PathBuf> {
    options.canary.as_ref().ok_or_else(|| Failure::Usage("--canary PATH is wanted".into()))
}

fn pid(options: &Options) -> Result<i32> {
    let positive = options.pid.filter(|pid| *pid > 0);
    positive.ok_or_else(|| Failure::Usage("--pid PID is wanted, a positive number".into()))
}

fn way(way: Way, options: &Options) -> Result<Cell> {
    let mut told = Ok(());
    let mut log = |line: &str| {
        if told.is_ok() {
            told = say(line);
        }
    };
    let verdict = escape::attempt(way, canary(options)?, &mut log);
    told?;
    match verdict.map_err(|error| Failure::Failed(error.to_string()))? {
        Verdict::Leaks(line) => Ok(Cell::Leaks(format!("read {line:?}"))),
        Verdict::Contained(error) => Ok(Cell::Contained(error.to_string())),
    }
}

fn descriptor(options: &Options) -> Result<Cell> {
    let fd = options.fd.ok_or_else(|| Failure::Usage("--fd N is wanted".into()))?;
    way(Way::KeptFd { fd }, options)
}

fn proc_root(options: &Options) -> Result<Cell> {
    way(Way::ProcRoot { pid: pid(options)? }, options)
}

fn absolute(options: &Options) -> Result<Cell> {
    let path = canary(options)?;
    Ok(match fs::read_to_string(path) {
        Ok(text) => Cell::Leaks(format!("read {:?}", text.lines().next().unwrap_or_default())),
        Err(error) => Cell::Contained(format!("open({path:?}): {error}")),
    })
}

fn see(options: &Options) -> Result<Cell> {
    let pid = pid(options)?;
    let path = format!("/proc/{pid}/stat");
    Ok(match fs::read(&path) {
        Ok(_) => Cell::Leaks(format!("/proc/{pid} is {}", name(pid))),
        Err(error) => Cell::Contained(format!("open({path:?}): {:?}", errno(&error))),
    })
}

// ANCHOR: kill
fn signal(options: &Options) -> Result<Cell> {
    let pid = pid(options)?;
    Ok(match kill(Pid::from_raw(pid), None::<Signal>) {
        Ok(()) => Cell::Leaks(format!("kill({pid}, 0) = 0")),
        Err(errno) => {
            Cell::Contained(format!("kill({pid}, 0): {errno:?} ({})", stage1_chroot::describe(errno)))
        }
    })
}
// ANCHOR_END: kill

fn environment(options: &Options) -> Result<Cell> {
    let path = format!("/proc/{}/environ", pid(options)?);
    Ok(match fs::read(&path) {
        Ok(bytes) => Cell::Leaks(format!("read {} bytes of {path}", bytes.len())),
        Err(error) => Cell::Contained(format!("open({path:?}): {:?}", errno(&error))),
    })
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn devices(_: &Options) -> Result<Cell> {
    let list =
        nix::net::if_::if_nameindex().map_err(|errno| Failure::Failed(format!("if_nameindex(): {errno}")))?;
    let mut names: Vec<_> =
        list.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "lo");
    Ok(match names.is_empty() {
        true => Cell::Contained("only lo is here".into()),
        false => Cell::Leaks(names.join(" ")),
    })
}
