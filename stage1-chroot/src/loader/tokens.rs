//! The words that ld.so replaces in paths: `$ORIGIN`, `$LIB`, `$PLATFORM`.
//!
//! No kernel calls; ld.so(8), "Dynamic string tokens" (glibc 2.1, 1999). Book: `build`.
//! Invariant: what is not a token stays as it was written.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What the tokens stand for.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// The directory of the file in which the path is written.
    pub origin: &'a Path,
    /// The library directory of this system, for example `lib64` or `lib/x86_64-linux-gnu`.
    pub lib: &'a OsStr,
    /// The processor, for example `x86_64`.
    pub platform: &'a OsStr,
}

impl Tokens<'_> {
    /// `text` with its tokens replaced.
    pub fn expand(&self, text: &OsStr) -> OsString {
        let mut rest = text.as_bytes();
        let mut expanded = Vec::with_capacity(rest.len());
        while let Some(dollar) = rest.iter().position(|&byte| byte == b'$') {
            expanded.extend_from_slice(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            match self.token(rest) {
                Some((value, length)) => {
                    expanded.extend_from_slice(value.as_bytes());
                    rest = &rest[length..];
                }
                None => expanded.push(b'$'),
            }
        }
        expanded.extend_from_slice(rest);
        OsString::from_vec(expanded)
    }

    /// The value of the token at the beginning of `text`, and how long the token is.
    fn token(&self, text: &[u8]) -> Option<(&OsStr, usize)> {
        let values = [("ORIGIN", self.origin.as_os_str()), ("LIB", self.lib), ("PLATFORM", self.platform)];
        values.into_iter().find_map(|(name, value)| {
            if let Some(braced) = text.strip_prefix(b"{") {
                return braced
                    .strip_prefix(name.as_bytes())?
                    .starts_with(b"}")
                    .then_some((value, name.len() + 2));
            }
            let after = text.strip_prefix(name.as_bytes())?.first();
            let goes_on = after.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
            (!goes_on).then_some((value, name.len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_expands_tokens_as_ld_so_does() {
        let tokens = Tokens {
            origin: Path::new("/opt/app/bin"),
            lib: OsStr::new("lib/x86_64-linux-gnu"),
            platform: OsStr::new("x86_64"),
        };
        for (text, expanded) in [
            ("$ORIGIN/../lib", "/opt/app/bin/../lib"),
            ("${ORIGIN}/$LIB", "/opt/app/bin/lib/x86_64-linux-gnu"),
            ("/plain", "/plain"),
            ("$ORIGINAL/$ORIGIN_/${ORIGIN", "$ORIGINAL/$ORIGIN_/${ORIGIN"),
            ("/a$", "/a$"),
            ("/x/$PLATFORM$LIB", "/x/x86_64lib/x86_64-linux-gnu"),
            ("", ""),
        ] {
            assert_eq!(tokens.expand(OsStr::new(text)), OsStr::new(expanded), "{text}");
        }
    }
}
