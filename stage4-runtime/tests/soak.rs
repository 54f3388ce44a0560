//! Thousands of containers one after the other, and hundreds at once: what one leaves behind, many show.
//!
//! `STAGES_ROUNDS=10000 cargo test --release -p stage4-runtime --test soak -- --nocapture`: so many in turn, and a
//! fiftieth of it at once. Book: "How it is tested".
//! Invariant: what the kernel holds grows by nothing that is the container's, and by nobody of ours while they live.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "ground/mod.rs"]
mod ground;

use ground::{Bench, until};
use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

/// How many in turn.
fn rounds() -> usize {
    std::env::var("STAGES_ROUNDS").ok().map_or(50, |rounds| rounds.parse().unwrap())
}

/// What the kernel holds for everybody: a leak of one each round is seen in it.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Open file descriptions (proc_sys_fs(5), file-nr).
    files: i64,
    /// Lines of proc_pid_mountinfo(5).
    mounts: i64,
    /// Directories below the mount points of control groups.
    groups: i64,
    /// Namespaces that somebody is in.
    namespaces: i64,
    /// Processes.
    processes: i64,
}

impl Held {
    fn now() -> Held {
        let first = |text: String| text.split_whitespace().next().unwrap().parse().unwrap();
        let pids: Vec<String> = names("/proc").filter(|name| name.parse::<u32>().is_ok()).collect();
        let namespaces: BTreeSet<_> = pids
            .iter()
            .flat_map(|pid| {
                names(&format!("/proc/{pid}/ns")).map(move |kind| format!("/proc/{pid}/ns/{kind}"))
            })
            .filter_map(|path| fs::read_link(path).ok())
            .collect();
        Held {
            files: first(fs::read_to_string("/proc/sys/fs/file-nr").unwrap()),
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count() as i64,
            groups: groups("/sys/fs/cgroup"),
            namespaces: namespaces.len() as i64,
            processes: pids.len() as i64,
        }
    }

    fn since(self, before: Held) -> [(&'static str, i64); 5] {
        [
            ("open files", self.files - before.files),
            ("mounts", self.mounts - before.mounts),
            ("groups", self.groups - before.groups),
            ("namespaces", self.namespaces - before.namespaces),
            ("processes", self.processes - before.processes),
        ]
    }
}

fn names(directory: &str) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn groups(directory: &str) -> i64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    below.map(|entry| 1 + groups(&entry.path().to_string_lossy())).sum()
}

fn told(what: &str, grown: [(&'static str, i64); 5]) {
    let parts: Vec<_> = grown.iter().map(|(name, more)| format!("{name} {more:+}")).collect();
    println!("{what}: {}", parts.join(", "));
}

#[test]
fn soak_many_in_turn_leave_nothing() {
    let Some(bench) = Bench::for_anybody() else { return };
    let rootless = if ground::is_root() { &["spec"][..] } else { &["spec", "--rootless"] };
    bench.output(&[rootless, &["--", "true"]].concat());
    let (rounds, id) = (rounds(), bench.id());
    bench.output(&["run", &id]); // what is loaded the first time is no leak
    let (before, begin) = (Held::now(), Instant::now());
    for round in 0..rounds {
        let (status, output, errors) = bench.call(&["run", &id]);
        assert_eq!((status, output.as_str(), errors.as_str()), (0, "", ""), "round {round}");
    }
    let grown = Held::now().since(before);
    told(&format!("{rounds} in turn, {:.1} s", begin.elapsed().as_secs_f64()), grown);
    for (what, more) in grown {
        // Others live on this machine, too; but a container that leaves one of these leaves it each time.
        assert!(more < rounds as i64 / 2 + 20, "{what}: {more} more after {rounds} containers");
    }
    bench.nothing_is_left();
}

#[test]
fn soak_many_at_once_are_nobody_but_themselves() {
    let Some(bench) = Bench::new() else { return };
    bench.config("exec sleep 1000", |_| ());
    let count = (rounds() / 50).clamp(8, 200);
    let (before, begin) = (Held::now(), Instant::now());
    let ids: Vec<_> = (0..count).map(|_| bench.id()).collect();
    for id in &ids {
        bench.output(&["run", "--detach", id]);
    }
    let lived = begin.elapsed().as_secs_f64();
    told(&format!("{count} at once, made in {lived:.1} s"), Held::now().since(before));
    for id in &ids {
        let pid = bench.pid(id);
        let own: Vec<_> = names(&format!("/proc/{pid}/fd")).collect();
        assert_eq!(own.len(), 3, "{id} holds {own:?}");
        let tasks = names(&format!("/proc/{pid}/task")).count();
        assert_eq!(tasks, 1, "{id} has {tasks} threads");
        // Nobody of ours stays with it: its parent is whoever adopts orphans.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().to_owned();
        let program = fs::read_link(format!("/proc/{parent}/exe")).unwrap_or_default();
        assert!(!program.ends_with("stage4-runtime"), "{id} is watched by {program:?}");
    }
    let listed = bench.output(&["list", "-q"]);
    assert_eq!(listed.lines().count(), count);
    for id in &ids {
        bench.output(&["kill", id, "KILL"]);
    }
    until("all have stopped", || ids.iter().all(|id| bench.status(id) == "stopped"));
    for id in &ids {
        bench.output(&["delete", id]);
    }
    told(&format!("{count} deleted after {:.1} s", begin.elapsed().as_secs_f64()), Held::now().since(before));
    bench.nothing_is_left();
}
