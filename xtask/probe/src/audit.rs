//! What a runtime has applied to this process, as the kernel tells it: to be compared with another run's.
//!
//! /proc, stat(2), prctl(2), sethostname(2). Book: "Every call that fails".
//! Invariant: what cannot be read says why, so that a fact that is missing differs from one that is there.

use crate::{Options, Result, facts::KINDS, say};
use nix::{
    sys::{prctl, utsname::uname},
    unistd::{getcwd, getpid, getsid, sethostname},
};
use serde_json::{Map, Value, json};
use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
    process::ExitCode,
};

/// Of proc_pid_status(5): who it is, what it may, and what it heeds.
const STATUS: [&str; 15] = [
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "SigBlk",
    "SigIgn",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "Cpus_allowed",
];

/// `probe audit [PATH...]`
pub(crate) fn print(options: &Options) -> Result<ExitCode> {
    let name = uname().ok();
    let paths = options.words()?.into_iter().map(|path| (path.to_owned(), Value::from(path_told(path))));
    let domain = name.as_ref().map(|name| name.domainname().to_string_lossy().into_owned());
    let facts = json!({
        "status": status(),
        "limits": lines("/proc/self/limits"),
        "mounts": mounts(),
        "cgroup": lines("/proc/self/cgroup"),
        "namespaces": namespaces(),
        "devices": devices(),
        "paths": paths.collect::<Map<_, _>>(),
        "hostname": name.as_ref().map(|name| name.nodename().to_string_lossy().into_owned()),
        "domain": domain,
        "environment": std::env::vars().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
        "cwd": getcwd().ok().map(|path| path.display().to_string()),
        "leads-session": getsid(None).ok() == Some(getpid()),
        "descriptors": descriptors(),
        "dumpable": prctl::get_dumpable().ok(),
        "dies-with-parent": prctl::get_pdeathsig().ok().flatten().map(|signal| signal.to_string()),
        // Refused by a filter with an error of its own, or for want of a capability with EPERM.
        "sethostname": sethostname("stage4-audit").err().map(|errno| format!("{errno:?}")),
        "root-written": told(fs::write("/stage4-audit", "x")),
    });
    say(facts)?;
    Ok(ExitCode::SUCCESS)
}

fn told<T: Into<Value>>(answer: std::io::Result<T>) -> Value {
    answer.map_or_else(|error| format!("{error}").into(), Into::into)
}

fn lines(path: &str) -> Value {
    told(fs::read_to_string(path).map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()))
}

fn status() -> Value {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        (key.to_owned(), value.map(str::trim).into())
    };
    STATUS.iter().map(|key| of(key)).collect::<Map<_, _>>().into()
}

/// Without numbers of mounts and of peer groups, which are others each time.
fn mounts() -> Value {
    let plain = |line: &str| {
        let words: Vec<_> = line.split(' ').skip(3).collect();
        let words = words.iter().map(|word| {
            word.split_once(':').map_or(*word, |(tag, number)| {
                if number.bytes().all(|byte| byte.is_ascii_digit()) { tag } else { *word }
            })
        });
        words.collect::<Vec<_>>().join(" ")
    };
    told(fs::read_to_string("/proc/self/mountinfo").map(|text| text.lines().map(plain).collect::<Vec<_>>()))
}

fn namespaces() -> Value {
    let link =
        |kind: &str| told(fs::read_link(format!("/proc/self/ns/{kind}")).map(|to| to.display().to_string()));
    KINDS.iter().map(|kind| ((*kind).to_owned(), link(kind))).collect::<Map<_, _>>().into()
}

fn devices() -> Vec<String> {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let mut told: Vec<_> = entries.map(|entry| node(&entry.path())).collect();
    told.sort();
    told
}

fn node(path: &Path) -> String {
    match (fs::symlink_metadata(path), fs::read_link(path)) {
        (_, Ok(target)) => format!("{} -> {}", path.display(), target.display()),
        (Ok(meta), _) => {
            let (mode, uid, gid, number) = (meta.mode(), meta.uid(), meta.gid(), meta.rdev());
            format!("{} {mode:o} {uid}:{gid} {number:x}", path.display())
        }
        (Err(error), _) => format!("{} {error}", path.display()),
    }
}

/// A directory by its entries, a file by its beginning, a device by its number.
fn path_told(path: &str) -> String {
    let Ok(meta) = fs::metadata(path) else { return node(Path::new(path)) };
    let kind = meta.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return node(Path::new(path));
    }
    if !kind.is_dir() {
        return fs::read_to_string(path)
            .map_or_else(|error| error.to_string(), |text| text.trim().to_owned());
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    format!("directory: {}", names.join(" "))
}

/// What was left open for it: the one that lists them is not.
fn descriptors() -> Value {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open = entries.filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let target = fs::read_link(entry.path()).ok()?;
        (!target.starts_with("/proc"))
            .then(|| if number > 2 { format!("{number} {}", target.display()) } else { number.to_string() })
    });
    open.collect::<Vec<_>>().into()
}
