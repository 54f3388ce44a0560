//! What is explained, and whether it happens: the story of a plan, held against strace(1).
//!
//! Book: "config.json, told as calls" (`explain`).
//! Invariant: a call that is told is seen by strace, and a call that strace sees is told.

mod explain {
    pub mod pattern;
    pub mod reality;
    pub mod stories;
    pub mod trace;
}
