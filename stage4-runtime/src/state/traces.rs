//! What a container may have left on the host: written down before it is made.
//!
//! Book: "The life cycle" (`state`).
//! Invariant: plain lines, of which each is understood without the others: a damaged file still says what it says. What
//! is written down stays there until it is removed: whoever is killed while the next line is written keeps the others.

use super::{Life, Place};
use crate::{Error, Result};
use nix::fcntl::OFlag;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Everything that has to be ended or removed, whatever else is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traces {
    /// The directories of its control group.
    pub groups: Vec<PathBuf>,
    /// Its first process.
    pub init: Option<Life>,
}

/// The file's name in the directory of state.
pub(super) const TRACES: &str = "traces";

impl Place {
    /// Writes them down, behind those that are written down already.
    pub fn leave_traces(&self, traces: &Traces) -> Result<()> {
        self.write_file(TRACES, OFlag::O_APPEND, &traces.text())
    }

    /// As if nothing had been written down.
    pub fn forget_traces(&self) -> Result<()> {
        self.write_file(TRACES, OFlag::O_TRUNC, b"")
    }

    /// What is written down.
    pub fn traces(&self) -> Result<Traces> {
        Ok(Traces::parse(&self.read_file(TRACES)?.unwrap_or_default()))
    }
}

impl Traces {
    fn text(&self) -> Vec<u8> {
        let group = |path: &PathBuf| [b"group ", path.as_os_str().as_bytes(), b"\n"].concat();
        let mut text: Vec<u8> = self.groups.iter().flat_map(group).collect();
        text.extend(
            self.init.iter().flat_map(|life| format!("init {} {}\n", life.pid, life.start_time).into_bytes()),
        );
        text
    }

    fn parse(text: &[u8]) -> Self {
        let mut traces = Traces::default();
        // A line without its end was not written to its end.
        let whole = text.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
        for line in whole {
            match line.strip_prefix(b"group ") {
                Some(path) => traces.groups.push(std::ffi::OsString::from_vec(path.to_vec()).into()),
                None => traces.init = life(line).or(traces.init),
            }
        }
        traces
    }
}

fn life(line: &[u8]) -> Option<Life> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix("init ")?;
    let (pid, start_time) = text.split_once(' ')?;
    Some(Life { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? })
}

/// A path with a line feed in it could not be read back.
pub fn check(groups: &[PathBuf]) -> Result<()> {
    match groups.iter().find(|path| path.as_os_str().as_bytes().contains(&b'\n')) {
        Some(path) => Err(Error::refused(format!(
            "{path:?}: a group with a line feed in its name cannot be written down"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_traces_are_read_as_they_were_written_and_as_far_as_they_were() {
        let traces = Traces {
            groups: vec!["/sys/fs/cgroup/memory/a b".into(), "/sys/fs/cgroup/unified/c".into()],
            init: Some(Life { pid: 7, start_time: 4711 }),
        };
        let text = traces.text();
        assert_eq!(Traces::parse(&text), traces);
        assert_eq!(Traces::parse(&text[..text.len() - 1]), Traces { init: None, ..traces.clone() });
        assert_eq!(Traces::parse(&text[..30]).groups.len(), 0);
        assert_eq!(Traces::parse(b"\xff\xfe\0garbage\n"), Traces::default());
    }

    /// Of a maker who is killed between the two, or in the middle of the second, the groups are known all the same.
    #[test]
    fn state_traces_that_are_written_later_take_nothing_away() {
        let directory = tempfile::tempdir().unwrap();
        let fd = nix::fcntl::open(directory.path(), super::super::DIRECTORY, nix::sys::stat::Mode::empty());
        let place = Place { path: directory.path().to_owned(), fd: fd.unwrap() };
        let groups = Traces { groups: vec!["/sys/fs/cgroup/memory/a".into()], init: None };
        place.leave_traces(&groups).unwrap();
        let file = std::fs::File::open(directory.path().join(TRACES)).unwrap();
        let init = Some(Life { pid: 7, start_time: 4711 });
        place.leave_traces(&Traces { groups: Vec::new(), init }).unwrap();
        assert_eq!(place.traces().unwrap(), Traces { init, ..groups });
        // The very file: it was never shorter than it had been.
        assert!(std::io::read_to_string(file).unwrap().starts_with("group /sys/fs/cgroup/memory/a\n"));
        place.forget_traces().unwrap();
        assert_eq!(place.traces().unwrap(), Traces::default());
    }
}
