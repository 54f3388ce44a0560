//! What is wrong with the book, and where.
//!
//! No kernel calls. Book: all of it; a fault stops the build.
//! A fault is found by reading, never guessed from a failed render.
//! Invariant: every fault names a file, a line (0: the whole file) and a reason.

use std::fmt;

/// One reason why the book cannot be built as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, relative to the workspace (or to the output, for a rendered page).
    pub file: String,
    /// The line, counted from 1; 0 stands for the whole file.
    pub line: usize,
    /// What is wrong, in words that say how to mend it.
    pub why: String,
}

impl Fault {
    /// A fault at `line` of `file`.
    pub fn new(file: impl Into<String>, line: usize, why: impl Into<String>) -> Self {
        Fault { file: file.into(), line, why: why.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.why),
            line => write!(f, "{}:{line}: {}", self.file, self.why),
        }
    }
}
