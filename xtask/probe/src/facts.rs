//! What is visible from here, as JSON.
//!
//! stat(2), getcwd(2), uname(2), getuid(2), capget(2), clock_gettime(2), if_nameindex(3), /proc. Book: every chapter.
//! Invariant: a fact that cannot be seen is null, never guessed; nothing is changed by looking.

use crate::{Failure, Options, Result, say};
use nix::{
    dir::Dir,
    fcntl::{AT_FDCWD, OFlag, openat, readlinkat},
    net::if_::if_nameindex,
    sys::{stat::Mode, stat::stat, utsname::uname},
    time::{ClockId, clock_gettime},
    unistd::{getcwd, getgid, getgroups, getpid, getppid, getuid},
};
use serde_json::{Map, Value, json};
use stage1_chroot::{descriptors, loan};
use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, OwnedFd},
    process::ExitCode,
};

/// The eight kinds of namespaces, as /proc/PID/ns names them (namespaces(7)).
pub(crate) const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// `probe facts`
pub(crate) fn print(options: &Options) -> Result<ExitCode> {
    let all = collect(options.proc_fd)?;
    let words = options.words()?;
    let unknown = words.iter().find(|word| !all.contains_key(**word));
    if let Some(word) = unknown {
        let known: Vec<_> = all.keys().map(String::as_str).collect();
        return Err(Failure::Usage(format!("unknown fact {word:?}; there are: {}", known.join(", "))));
    }
    let wanted = |name: &String| words.is_empty() || words.contains(&name.as_str());
    let facts: Map<_, _> = all.into_iter().filter(|(name, _)| wanted(name)).collect();
    if options.json {
        say(Value::Object(facts))?;
    } else {
        facts.iter().try_for_each(|(name, value)| print_fact(name, value))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_fact(name: &str, value: &Value) -> Result<()> {
    let text = match value {
        Value::Object(map) => return map.iter().try_for_each(|(key, value)| print_fact(key, value)),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => plain(other),
    };
    say(format_args!("{name:<14}{text}"))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "(not visible from here)".into(),
        other => other.to_string(),
    }
}

fn collect(proc_fd: Option<i32>) -> Result<Map<String, Value>> {
    let proc = open_proc(proc_fd)?;
    let proc = proc.as_ref();
    let facts = json!({
        "root": stat("/").ok().map(|stat| format!("{}:{}", stat.st_dev, stat.st_ino)),
        "entries": entries(),
        "cwd": getcwd().ok().map(|path| path.display().to_string()),
        "namespaces": namespaces(proc),
        // ANCHOR: hostname
        "hostname": uname().ok().map(|name| name.nodename().to_string_lossy().into_owned()),
        // ANCHOR_END: hostname
        "kernel": uname().ok().map(|name| name.release().to_string_lossy().into_owned()),
        "interfaces": interfaces(),
        "pid": getpid().as_raw(),
        "parent": getppid().as_raw(),
        "processes": proc.and_then(processes),
        "init": proc.and_then(|proc| read(proc, "1/comm")),
        "user": format!("uid={} gid={}", getuid(), getgid()),
        "groups": groups(),
        "uid-map": proc.and_then(|proc| read(proc, "self/uid_map")).map(|map| squeeze(&map)),
        "capabilities": loan::effective().ok().map(|mask| format!("{mask:016x}")),
        "cgroup": proc.and_then(|proc| read(proc, "self/cgroup")).map(|text| lines(&text)),
        "mounts": proc.and_then(mounts),
        "no-new-privs": status(proc, "NoNewPrivs:"),
        "seccomp": status(proc, "Seccomp:"),
        "boottime": clock_gettime(ClockId::CLOCK_BOOTTIME).ok().map(|time| time.tv_sec()),
        "descriptors": proc.and_then(descriptors),
    });
    match facts {
        Value::Object(map) => Ok(map),
        _ => Err(Failure::Failed("facts are no object".into())),
    }
}

/// /proc itself, or the descriptor of it that was handed in.
fn open_proc(proc_fd: Option<i32>) -> Result<Option<OwnedFd>> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let path = match proc_fd {
        None => "/proc".to_owned(),
        Some(fd) => {
            return descriptors::reopen_directory(fd).map(Some).map_err(|errno| failed("openat", fd, errno));
        }
    };
    Ok(openat(AT_FDCWD, path.as_str(), flags, Mode::empty()).ok().filter(|dir| exists(dir, "self/ns")))
}

fn failed(call: &str, fd: i32, errno: nix::errno::Errno) -> Failure {
    Failure::Failed(format!("{call}({fd}, \".\"): {errno}; is the descriptor open? (`3</proc` in the shell)"))
}

fn exists(proc: &OwnedFd, path: &str) -> bool {
    nix::sys::stat::fstatat(proc, path, nix::fcntl::AtFlags::empty()).is_ok()
}

fn open(proc: &OwnedFd, path: &str, flags: OFlag) -> Option<OwnedFd> {
    openat(proc, path, flags | OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()
}

fn read(proc: &OwnedFd, path: &str) -> Option<String> {
    let mut text = String::new();
    File::from(open(proc, path, OFlag::empty())?).read_to_string(&mut text).ok()?;
    Some(text.trim_end().to_owned())
}

fn names(proc: &OwnedFd, path: &str) -> Option<Vec<String>> {
    let mut directory = Dir::from_fd(open(proc, path, OFlag::O_DIRECTORY)?).ok()?;
    let entries = directory.iter().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = entries.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    Some(names)
}

/// What is in the root directory.
fn entries() -> Vec<String> {
    let entries = std::fs::read_dir("/").into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn namespaces(proc: Option<&OwnedFd>) -> Value {
    let link = |kind: &str| {
        let target = readlinkat(proc?, format!("self/ns/{kind}").as_str()).ok()?;
        Some(target.to_string_lossy().into_owned())
    };
    KINDS.iter().map(|kind| ((*kind).to_owned(), Value::from(link(kind)))).collect::<Map<_, _>>().into()
}

// ANCHOR: network
fn interfaces() -> Option<String> {
    let list = if_nameindex().ok()?;
    let mut names: Vec<_> =
        list.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect();
    names.sort();
    Some(names.join(" "))
}
// ANCHOR_END: network

/// The pids that /proc shows.
fn processes(proc: &OwnedFd) -> Option<Vec<i32>> {
    Some(names(proc, ".")?.iter().filter_map(|name| name.parse().ok()).collect())
}

fn mounts(proc: &OwnedFd) -> Option<Vec<String>> {
    let text = read(proc, "self/mountinfo")?;
    Some(text.lines().filter_map(|line| line.split(' ').nth(4).map(str::to_owned)).collect())
}

fn descriptors(proc: &OwnedFd) -> Option<Vec<i32>> {
    // The descriptor that lists the directory is in the list; it is the last one opened.
    let directory = open(proc, "self/fd", OFlag::O_DIRECTORY)?;
    let own = std::os::fd::AsRawFd::as_raw_fd(&directory.as_fd());
    let mut directory = Dir::from_fd(directory).ok()?;
    let entries =
        directory.iter().flatten().filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok());
    let proc = std::os::fd::AsRawFd::as_raw_fd(proc);
    let mut list: Vec<i32> = entries.filter(|fd| *fd != own && *fd != proc).collect();
    list.sort_unstable();
    Some(list)
}

fn status(proc: Option<&OwnedFd>, key: &str) -> Option<String> {
    let text = read(proc?, "self/status")?;
    text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned())
}

/// Supplementary groups, each once: unmapped ones all look alike from inside.
fn groups() -> Option<Vec<u32>> {
    let mut groups: Vec<_> = getgroups().ok()?.iter().map(|group| group.as_raw()).collect();
    groups.sort_unstable();
    groups.dedup();
    Some(groups)
}

fn squeeze(text: &str) -> String {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("; ")
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
