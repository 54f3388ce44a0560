//! Bad input: the built command refuses it, says what is wrong, and leaves the host as it was.
//!
//! unshare(2), mountinfo in proc(5). Book: "How it is tested".
//! Invariant: after each row mounts, control groups, processes, files, devices and names are those of before, and
//! nothing that the configuration names has run.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;
#[path = "input/groups.rs"]
mod groups;
#[path = "input/host.rs"]
mod host;
#[path = "input/kept.rs"]
mod kept;
#[path = "config/merge.rs"]
mod merge;
#[path = "input/rows.rs"]
mod rows;
#[path = "input/rules.rs"]
mod rules;
#[path = "input/surroundings.rs"]
mod surroundings;
#[path = "input/texts.rs"]
mod texts;
#[path = "input/verbs.rs"]
mod verbs;
