//! What is known of a container, as it is written down and as it is told.
//!
//! runtime.md, "State". Book: "The life cycle" (`state`).
//! Invariant: whether the container lives is no part of it: that is asked of the kernel.

use super::{Life, Status};
use crate::rdt::Membership;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is written down, in `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Of the configuration.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// The bundle's absolute path.
    pub bundle: PathBuf,
    /// The root's absolute path, outside.
    pub rootfs: PathBuf,
    /// When it was made: RFC 3339, in UTC.
    pub created: String,
    /// Who made it.
    pub owner: u32,
    /// Of the configuration.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// The first process; none while it is not born yet.
    pub init: Option<Life>,
    /// Its class of the processor's cache, if it has one.
    #[serde(default)]
    pub rdt: Option<Membership>,
    /// Has it a session keyring of its own? Who comes later gets the same one.
    #[serde(default)]
    pub keyring: bool,
}

impl Record {
    /// What hooks, `state` and its callers are told (runtime.md, "State").
    pub fn state(&self, status: Status) -> Vec<u8> {
        self.state_value(status).to_string().into_bytes()
    }

    /// The same, to be a part of something.
    pub fn state_value(&self, status: Status) -> Value {
        let pid = match (status, self.init) {
            (Status::Stopped, _) | (_, None) => 0,
            (_, Some(init)) => init.pid,
        };
        json!({
            "ociVersion": self.oci_version,
            "id": self.id,
            "status": status.to_string(),
            "pid": pid,
            "bundle": self.bundle,
            "rootfs": self.rootfs,
            "created": self.created,
            "owner": self.owner,
            "annotations": self.annotations,
        })
    }
}
