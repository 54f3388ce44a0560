//! A compiled profile says what the profile says, to us and to the kernel.
//!
//! Book: "System calls under a filter" (`seccomp`).
//! Invariant: the oracle shares no code with the compiler; what a filter does was seen on this kernel.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "seccomp/chance.rs"]
mod chance;
#[path = "seccomp/kernel.rs"]
mod kernel;
#[path = "seccomp/oracle.rs"]
mod oracle;
#[path = "seccomp/profiles.rs"]
mod profiles;
#[path = "seccomp/sys/mod.rs"]
mod sys;
