//! The name of a group: the directories that lead to it.
//!
//! mkdir(2) makes a group; cgroups(7). Book: "The file system as interface" (`info`).
//! Invariant: a name leads downwards only, and never to a file of the kernel's.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// One or more components, parted by `/`, below the group from which names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupName {
    parts: Vec<String>,
}

/// NAME_MAX of every Linux file system.
const LONGEST: usize = 255;

impl GroupName {
    /// With this begins whatever our command makes, so that it can be found and removed.
    pub const PREFIX: &'static str = "stage3-";

    /// The components.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// Is the outermost group named as one that this stage made?
    pub fn is_ours(&self) -> bool {
        self.parts[0].starts_with(Self::PREFIX)
    }
}

impl FromStr for GroupName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
        match parts.iter().find_map(|part| fault(part)) {
            None => Ok(GroupName { parts }),
            Some(fault) => Err(Error::refused(format!("{text:?} is no name for a group: {fault}"))
                .with_hint("letters, digits, - and _; a / leads to a group inside")),
        }
    }
}

fn fault(part: &str) -> Option<&'static str> {
    match part {
        "" => Some("a part of it is empty (it begins with /, ends with /, or has two in a row)"),
        "." | ".." => Some("it may only lead downwards"),
        _ if part.len() > LONGEST => Some("a part is longer than 255 bytes"),
        // kernel/cgroup/cgroup.c, cgroup_mkdir(): a newline would break /proc/PID/cgroup.
        _ if part.chars().any(char::is_control) => Some("it holds a control character"),
        // Files of the kernel's begin so, and a group may not be in the place of one that a later kernel adds.
        _ if part.starts_with("cgroup.") => Some("names that begin with \"cgroup.\" are the kernel's"),
        _ => None,
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.parts.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_names_lead_downwards_only() {
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            ".",
            "a\nb",
            "a\0",
            "cgroup.procs",
            &"x".repeat(256),
        ] {
            assert!(bad.parse::<GroupName>().is_err(), "{bad:?}");
        }
        let name: GroupName = "stage3-a/b c/..d".parse().unwrap();
        assert_eq!(name.parts(), ["stage3-a", "b c", "..d"]);
        assert!(name.is_ours() && !"a/stage3-b".parse::<GroupName>().unwrap().is_ours());
    }
}
