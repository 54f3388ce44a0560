//! Real clients of an OCI runtime: what is asked of them, by whom, and what was seen.
//!
//! Reads `stage4-runtime/clients.toml`. Book: "Under podman, Docker and containerd" (`clients`).
//! Invariant: one list for the tests, the table and the book; an operation is the same words for every runtime.

mod play;

pub use play::{Ground, PATIENCE, Runtime, play};

use crate::{Error, Result, script::Text, workspace};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// A program that calls runtimes, or the same in another place.
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    /// What the list calls it.
    pub name: &'static str,
    /// Programs, and the packages of Debian they come from; the first is the client.
    pub needs: &'static [(&'static str, &'static str)],
    /// Its own words, and their name.
    script: (&'static str, &'static str),
    /// Called by an ordinary user.
    ordinary: bool,
    /// In a sandbox, and so not on the machine as it is.
    pub in_sandbox: bool,
}

const PODMAN: (&str, &str) = ("podman.sh", include_str!("clients/podman.sh"));

const PODMAN_NEEDS: &[(&str, &str)] = &[
    ("podman", "podman"),
    ("conmon", "conmon"),
    ("runc", "runc"),
    ("busybox", "busybox-static"),
    ("catatonit", "catatonit"),
    ("newuidmap", "uidmap"),
    ("script", "bsdutils"),
    ("iptables", "iptables"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("slirp4netns", "slirp4netns"),
];

/// All clients, in the order of the table.
pub const CLIENTS: [Client; 6] = [
    Client { name: "podman", needs: PODMAN_NEEDS, script: PODMAN, ordinary: false, in_sandbox: true },
    Client { name: "rootless", needs: PODMAN_NEEDS, script: PODMAN, ordinary: true, in_sandbox: true },
    Client { name: "machine", needs: PODMAN_NEEDS, script: PODMAN, ordinary: false, in_sandbox: false },
    Client {
        name: "docker",
        needs: &[
            ("dockerd", "docker.io"),
            ("docker", "docker.io"),
            ("containerd", "containerd"),
            ("runc", "runc"),
            ("busybox", "busybox-static"),
            ("iptables", "iptables"),
            ("script", "bsdutils"),
        ],
        script: ("docker.sh", include_str!("clients/docker.sh")),
        ordinary: false,
        in_sandbox: true,
    },
    Client {
        name: "containerd",
        needs: &[("containerd", "containerd"), ("ctr", "containerd"), ("busybox", "busybox-static")],
        script: ("containerd.sh", include_str!("clients/containerd.sh")),
        ordinary: false,
        in_sandbox: true,
    },
    Client {
        name: "cri",
        needs: &[
            ("containerd", "containerd"),
            ("ctr", "containerd"),
            ("busybox", "busybox-static"),
            ("/usr/lib/python3/dist-packages/grpc/__init__.py", "python3-grpcio"),
        ],
        script: ("cri.sh", include_str!("clients/cri.sh")),
        ordinary: false,
        in_sandbox: true,
    },
];

impl Client {
    /// The first of its programs that is not here: program and package.
    pub fn missing(&self) -> Option<(&'static str, &'static str)> {
        self.needs.iter().find(|(program, _)| !workspace::installed(program)).copied()
    }
}

/// How an operation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It says what is expected.
    Works,
    /// It comes to its end, and says something else.
    Differs,
    /// A command of it fails that must not, or does not end.
    Fails,
}

impl Verdict {
    /// As the table says it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Works => "works",
            Verdict::Differs => "differs",
            Verdict::Fails => "fails",
        }
    }
}

/// What is known to be otherwise with a runtime.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// With these clients only; all where none is named.
    #[serde(default)]
    pub on: Vec<String>,
    /// How it goes there.
    pub verdict: Verdict,
    /// And why.
    pub why: Text,
}

/// Something a user of a client does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// `exit-status`
    pub name: String,
    /// What it is, in a few words.
    pub what: Text,
    /// The clients that do it.
    pub on: Vec<String>,
    /// The commands: sh(1), in the words of `observe::clients`.
    pub run: String,
    /// What they must say.
    pub says: String,
    /// What is known to be otherwise, by the runtime's name.
    #[serde(default)]
    pub known: BTreeMap<String, Known>,
}

/// What was seen of an operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// How it went.
    pub verdict: Verdict,
    /// Its output.
    pub said: String,
    /// Its messages.
    pub errors: String,
    /// What the client has called the runtime with, a call a line, if that was asked for.
    pub calls: String,
}

impl Operation {
    fn judge(&self, status: i32, said: String, errors: String, calls: String) -> Seen {
        let verdict = match status {
            0 if said.trim() == self.says.trim() => Verdict::Works,
            0 => Verdict::Differs,
            _ => Verdict::Fails,
        };
        Seen { verdict, said, errors, calls }
    }

    /// What is known to be otherwise with a runtime.
    pub fn known(&self, runtime: &str, client: &str) -> Option<&Known> {
        let known = self.known.get(runtime)?;
        (known.on.is_empty() || known.on.iter().any(|on| on == client)).then_some(known)
    }

    /// What is expected of a runtime; one that nothing is known of is expected to work.
    pub fn expected(&self, runtime: &str, client: &str) -> Verdict {
        self.known(runtime, client).map_or(Verdict::Works, |known| known.verdict)
    }
}

/// The whole list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    #[serde(rename = "operation")]
    all: Vec<Operation>,
}

impl Operations {
    /// Reads and checks the list.
    ///
    /// # Errors
    /// When it cannot be read, names a client that is not there, or a name twice.
    pub fn load() -> Result<Operations> {
        let path = workspace::root().join("stage4-runtime/clients.toml");
        let text = fs::read_to_string(&path).map_err(Error::path("open", &path))?;
        let wrong = |reason: String| Error::Script { path: path.display().to_string(), reason };
        let list: Operations = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let mut names = BTreeSet::new();
        for operation in &list.all {
            let unknown = operation.on.iter().find(|on| CLIENTS.iter().all(|client| client.name != **on));
            if let Some(unknown) = unknown {
                return Err(wrong(format!("{}: no client is called {unknown:?}", operation.name)));
            }
            if !names.insert(&operation.name) || operation.says.trim().is_empty() {
                return Err(wrong(format!("{:?} comes twice, or promises nothing", operation.name)));
            }
        }
        Ok(list)
    }

    /// The operation of this name.
    pub fn find(&self, name: &str) -> Option<&Operation> {
        self.all.iter().find(|operation| operation.name == name)
    }

    /// Whether any name begins so.
    pub fn any(&self, beginning: &str) -> bool {
        self.all.iter().any(|operation| operation.name.starts_with(beginning))
    }

    /// What a client does, in order.
    pub fn of(&self, client: &Client) -> impl Iterator<Item = &Operation> {
        self.all.iter().filter(|operation| operation.on.iter().any(|on| on == client.name))
    }
}
