//! What a container is called.
//!
//! No kernel calls. Book: "The life cycle" (`state`).
//! Invariant: an id is a plain file name: no command line, log or path comes to mean something else by it.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// 1 to 255 of `A-Z a-z 0-9 _ + . -`, but neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerId(String);

/// NAME_MAX of every Linux file system.
const LONGEST: usize = 255;

impl ContainerId {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+.-".contains(&b);
        let fault = match text {
            "" => Some("it is empty"),
            "." | ".." => Some("it is a directory of every directory"),
            _ if text.len() > LONGEST => Some("it is longer than 255 bytes"),
            _ if !text.bytes().all(plain) => {
                Some("it holds something else than letters, digits, _ + . and -")
            }
            _ => None,
        };
        match fault {
            None => Ok(ContainerId(text.to_owned())),
            Some(fault) => Err(Error::refused(format!("invalid container ID {text:?}: {fault}"))
                .with_hint("1 to 255 of the characters A-Z a-z 0-9 _ + . -")),
        }
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_ids_are_plain_file_names() {
        for good in ["a", "A-1_2+3.x", ".hidden", "-", &"x".repeat(255)] {
            assert_eq!(good.parse::<ContainerId>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a b", "a\n", "é", "a\0", &"x".repeat(256)] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad:?}");
        }
    }
}
