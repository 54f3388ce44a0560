//! Names of links and of handles.
//!
//! netdevice(7): IFNAMSIZ; ip-netns(8). Book: "net" (`net`).
//! Invariant: pure; a name that exists here is one the kernel takes, and no path in disguise.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The name of a link: 1 to 15 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkName(String);

/// The name of a handle below `/run/netns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleName(String);

fn length(what: &str, text: &str, longest: usize) -> Result<()> {
    let bad = |why: String| Err(Error::refused(format!("{text:?} is no name for a {what}")).with_hint(why));
    match text.len() {
        0 => bad("it is empty".into()),
        n if n > longest => bad(format!("it has {n} bytes, and at most {longest} are allowed")),
        _ => Ok(()),
    }
}

/// A name that no shell, no option parser and no table takes for something else.
fn check(what: &str, text: &str, longest: usize) -> Result<()> {
    length(what, text, longest)?;
    let bad = |why: String| Err(Error::refused(format!("{text:?} is no name for a {what}")).with_hint(why));
    match text {
        _ if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) => {
            bad("letters, digits, -, _ and . are allowed".into())
        }
        _ if text.starts_with(['-', '.']) => bad("it begins with - or .".into()),
        _ => Ok(()),
    }
}

impl FromStr for LinkName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        check("link", text, 15).map(|()| LinkName(text.to_owned()))
    }
}

impl FromStr for HandleName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // What ip(8) has named is ours to use: whatever is one file name, and no option or escape sequence.
        let is_path = text.contains('/') || text == "." || text == "..";
        if is_path || text.starts_with('-') || text.contains(char::is_control) {
            let error = Error::refused(format!("{text:?} is no name for a network namespace"));
            return Err(
                error.with_hint("one file name: no `/`, no control characters, no - at its beginning")
            );
        }
        length("network namespace", text, 255).map(|()| HandleName(text.to_owned()))
    }
}

impl LinkName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HandleName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for HandleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn net_names_are_no_paths() {
        for bad in ["", ".", "..", "a/b", "../a", "a\n", "-a", "a\0"] {
            assert!(bad.parse::<LinkName>().is_err(), "{bad:?}");
            assert!(bad.parse::<HandleName>().is_err(), "{bad:?}");
        }
        for odd in ["a b", "a:1", "ä"] {
            assert!(odd.parse::<LinkName>().is_err(), "{odd:?}");
            assert!(odd.parse::<HandleName>().is_ok(), "ip netns takes it: {odd:?}");
        }
        assert!("a".repeat(15).parse::<LinkName>().is_ok());
        assert!("a".repeat(16).parse::<LinkName>().is_err());
        assert!("a".repeat(255).parse::<HandleName>().is_ok());
        assert!("a".repeat(256).parse::<HandleName>().is_err());
    }
}
