//! What a container may have left on the host: written down before it is made.
//!
//! Book: "The life cycle" (`state`).
//! Invariant: plain lines, of which each is understood without the others: a damaged file still says what it says.

use super::{Life, Place};
use crate::{Error, Result};
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
    /// Writes them down.
    pub fn leave_traces(&self, traces: &Traces) -> Result<()> {
        self.write_file(TRACES, &traces.text())
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
}
