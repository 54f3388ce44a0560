//! What is told to the engine that called us, and to its user.
//!
//! Book: "Under podman, Docker and containerd" (`clients`).
//! Invariant: the last line of the log is the error, whole and alone: engines read that line and show it.

use crate::moment::now;
use crate::{Error, Result};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `time="…" level=error msg="…"`
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What was done, for who looks for a fault.
    Debug,
    /// Something was ignored, as the specification says.
    Warning,
    /// Nothing was done.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// Where lines go: a file that an engine reads, or the terminal's user.
#[derive(Debug, Default)]
pub struct Log {
    file: Option<File>,
    format: Format,
    debug: bool,
}

impl Log {
    /// Appends to the file at `path`; without one, warnings go to standard error.
    pub fn open(path: Option<&Path>, format: Format, debug: bool) -> Result<Self> {
        let open = |path: &Path| {
            File::options()
                .append(true)
                .create(true)
                .open(path)
                .map_err(|e| Error::io(format!("open({path:?}, O_APPEND|O_CREAT)"), &e))
        };
        Ok(Log { file: path.map(open).transpose()?, format, debug })
    }

    /// Writes a line. That it cannot be written is not worth another error: nobody would read that one either.
    pub fn say(&self, level: Level, text: &str) {
        if level == Level::Debug && !self.debug {
            return;
        }
        match &self.file {
            Some(file) => (&*file).write_all(line(self.format, level, text, &now()).as_bytes()).ok(),
            // Errors are told by `main`, to whoever typed the command.
            None if level == Level::Error => None,
            None => std::io::stderr()
                .write_all(format!("stage4-runtime: {}: {text}\n", level.name()).as_bytes())
                .ok(),
        };
    }
}

fn line(format: Format, level: Level, text: &str, time: &str) -> String {
    let level = level.name();
    match format {
        Format::Json => format!("{}\n", json!({ "level": level, "msg": text, "time": time })),
        // Quoted as Go and Rust both do: logfmt.
        Format::Text => format!("time={time:?} level={level} msg={text:?}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_find_the_error_alone_in_the_last_line() {
        let text = "open(\"a\nb\"): ENOENT";
        let json = line(Format::Json, Level::Error, text, "T");
        assert_eq!(json.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&value["level"], &value["msg"], &value["time"]),
            (&"error".into(), &text.into(), &"T".into())
        );
        let plain = line(Format::Text, Level::Warning, text, "T");
        assert_eq!(plain, "time=\"T\" level=warning msg=\"open(\\\"a\\nb\\\"): ENOENT\"\n");
    }
}
