//! What is mounted into the container, beside its root.
//!
//! mount(2), mount_setattr(2); config.md, "Mounts". Book: "config.json, field by field" (`config`).
//! Invariant: types only; the order of the list is the order of mounting.

use super::linux::IdMapping;
use serde::{Deserialize, Serialize};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Where, inside the container; a relative path is relative to `/`.
    pub destination: String,
    /// The type of file system; a dummy for bind mounts.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A device, a dummy, or what is bound: absolute, or relative to the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// As mount(8) takes them; what it does not know is for the file system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Users of the source, as they appear through the mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// Groups of the source, as they appear through the mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
}

impl Mount {
    /// Is `option` among the options?
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|one| one == option)
    }

    /// "A mount is a bind mount if it has either `bind` or `rbind` in the options" (config.md, Mounts).
    pub fn is_bind(&self) -> bool {
        self.has("bind") || self.has("rbind")
    }

    /// Are owners to be mapped, by option or by maps of the mount's own?
    pub fn is_mapped(&self) -> bool {
        self.has("idmap")
            || self.has("ridmap")
            || !self.uid_mappings.is_empty()
            || !self.gid_mappings.is_empty()
    }
}
