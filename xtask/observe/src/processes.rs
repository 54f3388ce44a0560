//! The processes of this host by parent and group, and the end of those that a step has left to us.
//!
//! proc_pid_stat(5), kill(2), waitpid(2). Book: "How to use this book".
//! Invariant: nothing is killed by a number that could mean somebody else by now.

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::{Pid, getpid},
};
use std::{collections::BTreeSet, fs};

/// A process, as it was a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's number.
    pub parent: i32,
    /// The number of its process group.
    pub group: i32,
    /// Whether it is dead and only waits to be collected.
    pub zombie: bool,
}

/// All that /proc shows.
pub fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect()
}

/// `PID (NAME) STATE PPID PGRP …`; the name may hold blanks and parentheses.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let zombie = matches!(fields.next()?, "Z" | "X");
    let mut number = || fields.next()?.parse().ok();
    Some(Process { pid, parent: number()?, group: number()?, zombie })
}

/// This process and all that it descends from.
pub fn own_line() -> BTreeSet<i32> {
    let all = all();
    let parent = |pid: &i32| all.iter().find(|process| process.pid == *pid).map(|process| process.parent);
    std::iter::successors(Some(getpid().as_raw()), parent).collect()
}

/// Its command line.
pub fn command(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned()
}

/// Ends every child of ours but `spare`, and the children they leave to us in turn; says which there were.
///
/// For a subreaper (prctl(2)), to whom orphans come, and who has no other children at that moment.
pub fn end_children(spare: Option<u32>) -> Vec<String> {
    let own = getpid().as_raw();
    let mut met: BTreeSet<i32> = spare.and_then(|pid| i32::try_from(pid).ok()).into_iter().collect();
    let mut ended = Vec::new();
    loop {
        let child = all().into_iter().find(|process| process.parent == own && !met.contains(&process.pid));
        let Some(Process { pid, zombie, .. }) = child else { return ended };
        let told = format!("process {pid} ({})", command(pid));
        // Ours until it is collected: its number cannot be given to another before.
        match kill(Pid::from_raw(pid), Signal::SIGKILL) {
            Ok(()) => drop(waitpid(Pid::from_raw(pid), None)),
            Err(_) => drop(met.insert(pid)), // it has become somebody we may not kill
        }
        ended.extend((!zombie).then_some(told));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pretend_to_be_a_field() {
        let told = parse(7, "7 (x) Z 1 1) S 3 4 0 0").map(|process| (process.parent, process.group));
        assert_eq!(told, Some((3, 4)));
        assert!(parse(7, "7 (x) Z 1 7 0").is_some_and(|process| process.zombie));
    }

    #[test]
    fn our_line_begins_with_us_and_leads_up() {
        let line = own_line();
        assert!(line.contains(&getpid().as_raw()) && line.contains(&nix::unistd::getppid().as_raw()));
    }
}
