//! What was seen: an operation's end with each runtime, to be written down and read again.
//!
//! uname(2). Book: "Under podman, Docker and containerd" (`clients`).
//! Invariant: better than expected is no fault; worse is, unless the list knows why.

use crate::Error;
use observe::clients::{Client, Operations, Runtime, Seen};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// A client's operation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub client: String,
    pub operation: String,
    /// By the runtime's name.
    pub cells: BTreeMap<String, Seen>,
}

/// A program, as it calls itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Program {
    pub name: String,
    pub version: String,
}

/// A run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Observed {
    pub kernel: String,
    pub clients: Vec<Program>,
    pub runtimes: Vec<Program>,
    pub rows: Vec<Row>,
}

impl Observed {
    pub fn new(clients: &[&Client], runtimes: &[Runtime]) -> Result<Observed, Error> {
        let kernel = nix::sys::utsname::uname().map_err(|error| Error::Failed(format!("uname: {error}")))?;
        let clients = clients.iter().map(|client| {
            let version = client.needs.first().map(|(program, _)| version(Path::new(program)));
            Program { name: client.name.to_owned(), version: version.unwrap_or_default() }
        });
        let runtimes = runtimes
            .iter()
            .map(|runtime| Program { name: runtime.name.clone(), version: version(&runtime.program) });
        Ok(Observed {
            kernel: kernel.release().to_string_lossy().into_owned(),
            clients: clients.collect(),
            runtimes: runtimes.collect(),
            rows: Vec::new(),
        })
    }

    pub fn read(file: &Path) -> Result<Observed, Error> {
        let wrong = |reason: String| Error::Usage(format!("{}: {reason}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
    }

    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// What went worse than the list expects.
    pub fn unexpected(&self, operations: &Operations) -> Vec<String> {
        let cells = self.rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
        let worse = cells.filter(|(row, (runtime, seen))| {
            let operation = operations.find(&row.operation);
            operation.is_none_or(|operation| seen.verdict > operation.expected(runtime, &row.client))
        });
        let told = worse.map(|(row, (runtime, seen))| {
            let verdict = seen.verdict.name();
            format!("{} {} with {runtime}: {verdict}, and nobody knows why", row.client, row.operation)
        });
        told.collect()
    }
}

/// The first line of its `--version`.
fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
