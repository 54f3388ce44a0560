//! config.json: what the container is to be, in the words of the OCI runtime specification 1.3.
//!
//! No kernel calls; config.md and config-linux.md. Book: "config.json, field by field" (`config`).
//! Invariant: what is parsed has the specification's types, what is checked obeys its rules, and neither has done
//! anything yet; properties that the specification does not know are ignored, as it demands, wrong ones never.

pub mod block_io;
pub mod check;
pub mod devices;
pub mod edit;
pub mod fault;
pub mod hooks;
pub mod linux;
pub mod mounts;
pub mod names;
mod parse;
pub mod process;
pub mod resources;
pub mod scheduling;
pub mod seccomp;
pub mod spec;
mod strict;

pub use fault::{Fault, Faults};
pub use hooks::{Hook, Hooks};
pub use linux::Linux;
pub use mounts::Mount;
pub use parse::parse;
pub use process::Process;
pub use resources::Resources;

use parse::unique;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the specification whose properties are known here.
pub const VERSION: &str = "1.3.0";

/// The whole file (config.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The version that the bundle complies with (config.md, Specification version).
    pub oci_version: String,
    /// What is run; required when the container is started (config.md, Process).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The root file system; required on Linux (config.md, Root).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// The host name, for the container's UTS namespace (config.md, Hostname).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The NIS domain name, for the same namespace (config.md, Domainname).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// What is mounted, in this order (config.md, Mounts).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Commands of the engine's (config.md, POSIX-platform Hooks).
    #[serde(default, skip_serializing_if = "is_default")]
    pub hooks: Hooks,
    /// Anything, for anybody (config.md, Annotations).
    #[serde(default, deserialize_with = "unique", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What only Linux has (config-linux.md).
    #[serde(default, skip_serializing_if = "is_default")]
    pub linux: Linux,
}

/// The root file system (config.md, Root).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// A directory: absolute, or relative to the bundle.
    pub path: String,
    /// Can it not be written inside the container?
    #[serde(default, skip_serializing_if = "is_default")]
    pub readonly: bool,
}

/// Not worth a line in the file.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
