//! The first step of history: change the root directory (Version 7 Unix, 1979).
//!
//! | Module | Year | What it is |
//! |---|---|---|
//! | [`rootfs`] | 1979 | a directory meant to become `/`, and how it is filled |
//! | [`elf`], [`loader`], [`closure`] | 1995 | which files a program needs to run, read from ELF files |
//! | [`copy`] | | those files, copied into the root |
//! | [`chroot`] | 1979 | chroot(2), and where the working directory is afterwards |
//! | [`descriptors`], [`identity`] | | what must not come along: open files, groups, another's user id |
//! | [`exec`] | | execve(2) inside the root, and why it failed |
//! | [`loan`] | 2013 | the user namespace an ordinary user borrows to be allowed any of this |
//! | [`proc`] | 2002 | the host's /proc and /sys, shown inside |
//! | [`escape`] | 1991 | the ways out |

pub mod chroot;
pub mod closure;
#[cfg(feature = "cli")]
pub mod commands;
pub mod copy;
pub mod descriptors;
pub mod elf;
mod error;
pub mod escape;
pub mod exec;
pub mod identity;
pub mod loader;
pub mod loan;
pub mod proc;
pub mod rootfs;
mod sys;

pub use error::{Error, Result, describe, printable};
