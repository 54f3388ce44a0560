//! What is explained, and whether it happens: the story of a plan, held against strace(1).
//!
//! Book: "config.json, told as calls" (`explain`).
//! Invariant: a call that is told is seen by strace, and a call that strace sees is told.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "explain/pattern.rs"]
mod pattern;
#[path = "explain/reality.rs"]
mod reality;
#[path = "explain/stories.rs"]
mod stories;
#[path = "explain/trace.rs"]
mod trace;
