//! The columns: each a step of history, as the words of a command line that a reader could type.
//!
//! No kernel calls. Book: "The matrix".
//! Invariant: a column adds one thing to the one before it; where it does not, `adds` says so.

use crate::Error;
use std::path::{Path, PathBuf};

/// A step of history.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub name: &'static str,
    /// Its head in the table.
    pub letter: char,
    /// What is added, in a few words.
    pub adds: &'static str,
    pub kind: Kind,
}

/// By which command it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    Chroot,
    /// Stage 2 with so many of its kinds.
    Namespaces(usize),
    User,
    Limits,
    /// Stage 4 with so many of its layers.
    Layers(usize),
    Default,
    Rootless,
}

const fn column(name: &'static str, letter: char, kind: Kind, adds: &'static str) -> Column {
    Column { name, letter, adds, kind }
}

pub(super) const COLUMNS: [Column; 19] = [
    column("host", 'H', Kind::Host, "nothing: a process of root's"),
    column("chroot", 'C', Kind::Chroot, "1979: a root of its own; /proc and /sys are the host's"),
    column("pivot", 'P', Kind::Namespaces(0), "2000: pivot_root in a private mount namespace (2002)"),
    column("uts", 'u', Kind::Namespaces(1), "2006: host name"),
    column("ipc", 'i', Kind::Namespaces(2), "2006: objects"),
    column("pid", 'p', Kind::Namespaces(3), "2008: processes"),
    column("net", 'n', Kind::Namespaces(4), "2009: network"),
    column("cgroup", 'c', Kind::Namespaces(5), "2016: view of control groups"),
    column("time", 't', Kind::Namespaces(6), "2020: clocks"),
    column("user", 'U', Kind::User, "2013: users; last here, for it is the strongest"),
    column("limits", 'G', Kind::Limits, "2008: control groups; without users of its own"),
    column("born", '1', Kind::Layers(0), "stage 4: namespaces alone"),
    column("capabilities", '2', Kind::Layers(1), "and three capabilities, no_new_privs, rlimits"),
    column("masks", '3', Kind::Layers(2), "and masked and read-only paths, a read-only root"),
    column("limited", '4', Kind::Layers(3), "and limits, devices, a view of its own groups"),
    column("seccomp", '5', Kind::Layers(4), "and the usual filter of calls"),
    column("full", '6', Kind::Layers(5), "and users, clocks, and a stricter filter"),
    column("default", 'D', Kind::Default, "what `stage4-runtime spec` writes, for a root of its users"),
    column("rootless", 'R', Kind::Rootless, "the same, for an ordinary user"),
];

/// Flags of stage 2, in the order of history.
pub(super) const KINDS: [&[&str]; 6] =
    [&["--uts"], &["--ipc"], &["--pid", "--mount-proc"], &["--net"], &["--cgroup"], &["--time"]];

/// A column of a run: of history, or another runtime's.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub name: String,
    pub kind: Kind,
    /// Another runtime.
    pub runtime: Option<PathBuf>,
}

/// Those asked for; all where nothing is asked.
pub(super) fn chosen(names: &[String], runtimes: &[PathBuf]) -> Result<Vec<Chosen>, Error> {
    if let Some(unknown) = names.iter().find(|name| COLUMNS.iter().all(|known| known.name != **name)) {
        let all: Vec<_> = COLUMNS.iter().map(|known| known.name).collect();
        return Err(Error::Usage(format!("no column is called {unknown:?}; there are: {}", all.join(", "))));
    }
    let asked =
        COLUMNS.iter().filter(|column| names.is_empty() || names.iter().any(|name| name == column.name));
    let mut all: Vec<_> = asked
        .map(|column| Chosen { name: column.name.to_owned(), kind: column.kind, runtime: None })
        .collect();
    for runtime in runtimes {
        let name = runtime.file_name().unwrap_or(runtime.as_os_str()).to_string_lossy().into_owned();
        all.push(Chosen { name, kind: Kind::Default, runtime: Some(runtime.clone()) });
    }
    Ok(all)
}

/// A device of the run's own, as control groups name it.
pub(super) type Device = Option<(u64, u64)>;

/// The words before `/bin/probe`; none for stage 4, which has a bundle.
pub(super) fn words(kind: Kind, root: &Path, device: Device) -> Option<Vec<String>> {
    let root = root.to_string_lossy().into_owned();
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let namespaces = |count: usize| {
        let mut words = owned(&["stage2-namespaces", "run", "--mount"]);
        words.extend(KINDS[..count].iter().flat_map(|flags| owned(flags)));
        words.extend(["--root".to_owned(), root.clone()]);
        words
    };
    let mut words = match kind {
        Kind::Host => return Some(Vec::new()),
        // As chroot(8) and its callers of that era: descriptors stay, and the working directory does.
        Kind::Chroot => owned(&["stage1-chroot", "run", "--no-chdir", "--preserve-fds", "1", &root]),
        Kind::Namespaces(count) => namespaces(count),
        Kind::User => {
            let mut words = namespaces(KINDS.len());
            words.extend(owned(&["--user", "--uid-map", "0:100000:65536", "--gid-map", "0:100000:65536"]));
            words
        }
        Kind::Limits => {
            let mut words = limits(device);
            words.extend(namespaces(KINDS.len()));
            words
        }
        Kind::Layers(_) | Kind::Default | Kind::Rootless => return None,
    };
    words.push("--".to_owned());
    Some(words)
}

fn limits(device: Device) -> Vec<String> {
    let mut words: Vec<String> = ["stage3-cgroups", "run", "--group", "stage3-matrix", "--memory", "64M"]
        .iter()
        .chain(&["--cpus", "0.2", "--pids", "64", "--device", "c 1:* rwm", "--device", "c 5:* rwm"])
        .chain(&["--device", "c 136:* rwm"])
        .map(|word| (*word).to_owned())
        .collect();
    if let Some((major, minor)) = device {
        words.extend(["--device".to_owned(), format!("b {major}:{minor} r")]);
        words.extend(["--io".to_owned(), format!("{major}:{minor}:rbps=1M")]);
    }
    words.push("--".to_owned());
    words
}
