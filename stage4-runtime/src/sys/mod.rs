//! Kernel calls that no safe wrapper offers; the only rooms of this crate with `unsafe` in them.
//!
//! seccomp(2), mount_setattr(2), openat2(2), keyctl(2), … Book: "The runtime" (`runtime`).
//! Invariant: every function here is safe to call with any argument; the kernel says no where it must.
#![allow(unsafe_code, reason = "this is the room for it")]

pub mod capability;
pub mod descriptors;
pub mod keyctl;
pub mod mempolicy;
pub mod mount;
pub mod names;
pub mod personality;
pub mod rights;
pub mod schedule;
pub mod seccomp;
pub mod shared;
pub mod signals;
pub mod socket;
pub mod tty;
pub mod xattr;
