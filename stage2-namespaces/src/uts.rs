//! The uts namespace: a host name of one's own.
//!
//! sethostname(2); Linux 2.6.19, 2006. Book: "uts" (`uts`).
//! Invariant: a `Hostname` is one the kernel takes and other programs can read.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// `__NEW_UTS_LEN`; uts_namespaces(7).
const MAX: usize = 64;

/// A host name: 1 to 64 letters, digits, `-`, `_` and `.`, not beginning with `-` or `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hostname(String);

impl FromStr for Hostname {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| Err(Error::refused(format!("{text:?} is no host name")).with_hint(why));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        match text.len() {
            0 => bad("it is empty"),
            n if n > MAX => bad(&format!("it has {n} bytes, the kernel keeps at most {MAX}")),
            // The kernel would take any bytes; prompts, logs and resolvers would not.
            _ if !text.bytes().all(plain) => bad("letters, digits, -, _ and . are what others can read"),
            _ if text.starts_with(['-', '.']) => bad("it begins with - or ."),
            _ => Ok(Hostname(text.to_owned())),
        }
    }
}

impl Hostname {
    // ANCHOR: uts
    /// Sets it for every process of our uts namespace.
    pub fn set(&self) -> Result<()> {
        nix::unistd::sethostname(&self.0).map_err(|errno| {
            Error::call(format!("sethostname({:?})", self.0), errno)
                .with_hint("needs CAP_SYS_ADMIN in the user namespace that owns the uts namespace")
        })
    }
    // ANCHOR_END: uts
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uts_names_are_1_to_64_readable_bytes() {
        for good in ["a", "stage2", "a.b-c_d", &"x".repeat(64)] {
            assert_eq!(good.parse::<Hostname>().unwrap().to_string(), good);
        }
        for bad in ["", &"x".repeat(65), "a b", "a/b", "a\n", "-a", ".a", "ä", "a\0"] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad:?}");
        }
    }
}
