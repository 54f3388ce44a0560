//! What strace(1) has seen of a run, in the order of time.
//!
//! strace -ff, ptrace(2). Invariant: what a program does after it was executed is its own affair, and left out; the
//! runtime is the first one.

use super::pattern::with_sorted_flags;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A call.
#[derive(Debug, Clone)]
pub struct Event {
    pub time: u128,
    /// With sorted flags.
    pub call: String,
    pub failed: bool,
}

impl Event {
    pub fn name(&self) -> &str {
        self.call.split('(').next().unwrap_or_default()
    }
}

/// strace with its files in `directory`, for a command to be added.
pub fn strace(directory: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-ff", "--absolute-timestamps=format:unix,precision:ns", "-s", "4096", "-o"]);
    strace.arg(directory.join("trace")).env("LC_ALL", "C");
    strace
}

/// All events of all processes.
pub fn events(directory: &Path) -> Vec<Event> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<Event> = files
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("trace."))
        .flat_map(|path| of_process(&fs::read_to_string(path).unwrap()))
        .collect();
    all.sort_by_key(|event| event.time);
    all
}

/// From the birth of the process, or from where the runtime was executed, to what it executes.
fn of_process(text: &str) -> Vec<Event> {
    let mut events: Vec<Event> = text.lines().filter_map(event).collect();
    let executed = |event: &Event| event.name() == "execve" && !event.failed;
    // The runtime executes itself once more, by a descriptor, and takes its name back (`own_executable`).
    let ours = |event: &Event| {
        executed(event) && event.call.contains("/runtime\"") || event.call.starts_with("prctl(PR_SET_NAME, ")
    };
    if let Some(place) = events.iter().rposition(ours) {
        events.drain(..=place);
    }
    let end = events.iter().position(executed).map_or(events.len(), |place| place + 1);
    events.truncate(end);
    events
}

/// `1700000000.123456789 umask(000) = 022`
fn event(line: &str) -> Option<Event> {
    let (time, rest) = line.split_once(' ')?;
    let (call, answer) = rest.rsplit_once(" = ").filter(|_| !rest.starts_with(['-', '+']))?;
    let answer = answer.trim();
    let mut call = call.trim_end().to_owned();
    // What the kernel gave back, and what strace remarks.
    for (begin, end) in [(" => {", "}"), (" /* ", " */")] {
        while let Some(from) = call.find(begin) {
            let length = call[from..].find(end)? + end.len();
            call.replace_range(from..from + length, "");
        }
    }
    let time = time.replace('.', "").parse().ok()?;
    Some(Event { time, call: with_sorted_flags(&call), failed: answer.starts_with('-') })
}
