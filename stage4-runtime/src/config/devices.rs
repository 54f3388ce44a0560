//! Device nodes in the container, and the rules which devices may be opened.
//!
//! mknod(2), devices cgroup 2008; config-linux.md, "Devices" and "Allowed Device list".
//! Book: "config.json, field by field" (`config`).
//! Invariant: types only; the order of the rules is the order in which they are applied.

use super::names::names;
use serde::{Deserialize, Serialize};

/// A node that is to be there (config-linux.md, Devices).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Of which kind.
    #[serde(rename = "type")]
    pub kind: DeviceKind,
    /// Where, inside the container.
    pub path: String,
    /// Which driver; required but for a FIFO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<i64>,
    /// Which of its devices; required but for a FIFO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<i64>,
    /// Its mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_mode: Option<u32>,
    /// Its owner, inside the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its group, inside the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

names! {
    /// mknod(1).
    DeviceKind, "a type of device" {
        /// Character device.
        Char = "c",
        /// Block device.
        Block = "b",
        /// Character device, unbuffered: the same on Linux.
        Unbuffered = "u",
        /// FIFO.
        Fifo = "p",
    }
}

/// Which devices may be opened (config-linux.md, Allowed Device list).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// Allowed or denied.
    pub allow: bool,
    /// Of which kind; `None` is all.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<RuleKind>,
    /// Which driver; `None` and -1 are all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<i64>,
    /// Which of its devices; `None` and -1 are all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<i64>,
    /// Of `r`ead, `w`rite and `m`knod; `None` is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
}

names! {
    /// devices.allow of cgroup version 1.
    RuleKind, "a type of device in a rule" {
        /// Every device.
        All = "a",
        /// Character devices.
        Char = "c",
        /// Block devices.
        Block = "b",
    }
}
