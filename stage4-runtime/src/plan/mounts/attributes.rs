//! Attributes of a mount, by the names that options have for them.
//!
//! No kernel calls; mount_setattr(2), Linux 5.12, 2021. Book: "Mounts" (`mounts`).
//! Invariant: pure; what is neither set nor cleared stays as it is.

use serde::Serialize;

/// Attributes of a mount: `MOUNT_ATTR_*`, linux/mount.h. What is in neither stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Attributes {
    /// Switched on.
    pub set: u64,
    /// Switched off.
    pub clear: u64,
}

impl Attributes {
    /// Nothing is changed.
    pub fn is_empty(self) -> bool {
        self == Attributes::default()
    }

    /// `self` said after `earlier`.
    #[must_use]
    pub fn after(self, earlier: Attributes) -> Attributes {
        Attributes { set: (earlier.set & !self.clear) | self.set, clear: earlier.clear | self.clear }
    }

    pub(super) fn on(bit: u64) -> Self {
        Attributes { set: bit, clear: 0 }
    }

    pub(super) fn off(bit: u64) -> Self {
        Attributes { set: 0, clear: bit }
    }

    /// The access times are a number in the middle of the bits: to set one is to clear all (mount_setattr(2)).
    pub(super) fn atime(value: u64) -> Self {
        Attributes { set: value, clear: libc::MOUNT_ATTR__ATIME }
    }

    /// The attribute that an option's name without `r` stands for.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "ro" => Self::on(libc::MOUNT_ATTR_RDONLY),
            "rw" => Self::off(libc::MOUNT_ATTR_RDONLY),
            "nosuid" => Self::on(libc::MOUNT_ATTR_NOSUID),
            "suid" => Self::off(libc::MOUNT_ATTR_NOSUID),
            "nodev" => Self::on(libc::MOUNT_ATTR_NODEV),
            "dev" => Self::off(libc::MOUNT_ATTR_NODEV),
            "noexec" => Self::on(libc::MOUNT_ATTR_NOEXEC),
            "exec" => Self::off(libc::MOUNT_ATTR_NOEXEC),
            "nodiratime" => Self::on(libc::MOUNT_ATTR_NODIRATIME),
            "diratime" => Self::off(libc::MOUNT_ATTR_NODIRATIME),
            "nosymfollow" => Self::on(libc::MOUNT_ATTR_NOSYMFOLLOW),
            "symfollow" => Self::off(libc::MOUNT_ATTR_NOSYMFOLLOW),
            "noatime" => Self::atime(libc::MOUNT_ATTR_NOATIME),
            "strictatime" => Self::atime(libc::MOUNT_ATTR_STRICTATIME),
            // Without a word the kernel's are relative since 2.6.30: mount(8).
            "atime" | "relatime" | "norelatime" | "nostrictatime" => Self::atime(libc::MOUNT_ATTR_RELATIME),
            _ => return None,
        })
    }
}
