//! The life of containers: made, started, ended, and nothing left; and what happens when somebody is in the way.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "life/agent.rs"]
mod agent;
#[path = "life/broken.rs"]
mod broken;
mod ground;
#[path = "life/hooks.rs"]
mod hooks;
#[path = "life/rootless.rs"]
mod rootless;
#[path = "seccomp/sys/mod.rs"]
mod sys;
#[path = "life/trace.rs"]
mod trace;
#[path = "life/unwritten.rs"]
mod unwritten;
#[path = "life/visit.rs"]
mod visit;
#[path = "life/walk.rs"]
mod walk;
