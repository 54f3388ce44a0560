//! The fourth step of history: the runtime that combines the three before it (2013-now).
//!
//! | Module | What it is |
//! |---|---|
//! | `config` | config.json, whole, checked before anything is done |
//! | `plan` | config.json to `Plan`: every decision is data before the first side effect |
//! | `birth` | parent and init, top to bottom in time: the spine |
//! | `visit` | exec |
//! | `death` | kill and delete |
//! | `root`, `mounts`, `devices`, `masks`, `identity`, `capabilities`, `seccomp`, … | the leaves: one kernel noun each |
//! | `state`, `conversation` | what is remembered between commands, and said between processes |
//! | `explain` | the plan told as the calls it becomes |
//! | `image` | what a bundle is made from |
//! | `trace` | what a birth did, and when |

pub mod attendance;
pub mod beneath;
pub mod birth;
pub mod bundle;
pub mod capabilities;
pub mod cgroup;
#[cfg(feature = "cli")]
pub mod commands;
pub mod config;
pub mod console;
pub mod conversation;
pub mod death;
pub mod devices;
pub mod exec;
pub mod explain;
pub mod hooks;
pub mod id;
pub mod identity;
pub mod image;
pub mod keyring;
pub mod last_acts;
pub mod log;
pub mod lsm;
pub mod masks;
pub mod memory_policy;
mod moment;
pub mod mounts;
pub mod network_devices;
pub mod own_executable;
pub mod personality;
pub mod plan;
pub mod procfs;
pub mod rdt;
pub mod rlimits;
pub mod root;
pub mod rootless;
pub mod schedule;
pub mod seccomp;
pub mod state;
mod surroundings;
mod sys;
pub mod sysctl;
pub mod trace;
pub mod visit;

pub use stage1_chroot::Error;
pub use stage1_chroot::exec::Failure;

/// The result of everything in this library that can fail; where a command may have been executed, with a
/// [`Failure`] and so an exit status.
pub type Result<T, E = Error> = std::result::Result<T, E>;
