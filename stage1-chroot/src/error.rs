//! What went wrong, in the shape strace prints it, and what to do about it.
//!
//! No kernel calls of its own; errno(3). Book: "How to use this book".
//! Invariant: every error names the call or the path, the reason, and, where a learner meets it, a hint; no
//! name of a file that it quotes can move the reader's cursor or pretend to be a line of its own.

use nix::errno::Errno;
use std::fmt;

/// An error of this library; later stages use the same shape.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A kernel call failed: `chroot("new-root"): EPERM (Operation not permitted)`.
    #[error("{call}: {errno:?} ({})", describe(*errno))]
    Call {
        /// The call with its arguments, as strace would print it.
        call: String,
        /// What the kernel answered.
        errno: Errno,
        /// What the reader can do.
        hint: Option<String>,
    },
    /// Asked for something that cannot be; found before the kernel was asked.
    #[error("{what}")]
    Refused {
        /// What was asked, and why it cannot be.
        what: String,
        /// What the reader can do.
        hint: Option<String>,
    },
}

/// The result of everything in this library that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failed kernel call, written as strace would print it.
    pub fn call(call: impl fmt::Display, errno: Errno) -> Self {
        Error::Call { call: printable(call), errno, hint: None }
    }

    /// A failed call that reported its errno through [`std::io::Error`].
    pub fn io(call: impl fmt::Display, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(raw) => Self::call(call, Errno::from_raw(raw)),
            None => Self::refused(format!("{call}: {error}")),
        }
    }

    /// Something that cannot be, said before any kernel call.
    pub fn refused(what: impl fmt::Display) -> Self {
        Error::Refused { what: printable(what), hint: None }
    }

    /// The same error with the advice `text`; the latest advice wins.
    #[must_use]
    pub fn with_hint(mut self, text: impl fmt::Display) -> Self {
        match &mut self {
            Error::Call { hint, .. } | Error::Refused { hint, .. } => *hint = Some(printable(text)),
        }
        self
    }

    /// What the reader can do, where we know it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Call { hint, .. } | Error::Refused { hint, .. } => hint.as_deref(),
        }
    }

    /// What the kernel answered, where it was asked.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Call { errno, .. } => Some(*errno),
            Error::Refused { .. } => None,
        }
    }
}

/// A text for a terminal: control characters, which names of files may hold, are shown and not obeyed.
pub fn printable(text: impl fmt::Display) -> String {
    let text = text.to_string();
    let shown = |c: char| if is_obeyed(c) { c.escape_default().to_string() } else { c.to_string() };
    if text.contains(is_obeyed) { text.chars().map(shown).collect() } else { text }
}

/// What a terminal does rather than shows; the bidirectional ones of Unicode make a name look like another.
fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// What strerror(3) says, as strace prints it; nix has sentences of its own.
pub fn describe(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let end = text.rfind(" (os error").unwrap_or(text.len());
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_speak_to_the_terminal() {
        let error = Error::refused("a\x1b[2Jb\nhint: c").with_hint("\u{9b}31m");
        assert_eq!(error.to_string(), "a\\u{1b}[2Jb\\nhint: c");
        assert_eq!(error.hint(), Some("\\u{9b}31m"));
        assert_eq!(printable("새 루트 \\"), "새 루트 \\");
    }
}
