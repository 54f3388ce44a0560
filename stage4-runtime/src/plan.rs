//! config.json to a plan: every decision is data before the first side effect.
//!
//! No kernel calls. Book: "config.json, field by field" (`config`).
//! Invariant: pure; the same configuration and the same facts give the same plan.

pub mod cgroup;
pub mod namespaces;
pub mod devices;
pub mod masks;
pub mod mounts;
pub mod root;
pub mod sysctl;
