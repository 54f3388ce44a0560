//! The second step of history: namespaces (Linux 2.4.19 to 5.6, 2002 to 2020).
//!
//! | Module | Year | What it is |
//! |---|---|---|
//! | [`kind`] | 2002-2020 | the one table of the eight kinds |
//! | [`request`], [`spawn`] | | a command in new namespaces, from birth to exit status |
//! | [`birth`] | 2019 | one clone3(2) for the process and all its namespaces |
//! | [`mount`], [`mountinfo`], [`pivot`] | 2000-2006 | mounts of one's own, propagation, another root |
//! | [`uts`], [`ipc`], [`clocks`] | 2006-2020 | host name, System V and POSIX objects, clock offsets |
//! | [`users`], [`idmap`], [`subid`] | 2013 | who is root inside, and whom that is outside |
//! | [`net`] | 2009 | links, addresses, routes, named handles; rtnetlink(7) |
//! | [`nsfs`], [`join`], [`census`] | 2011-2020 | a namespace as a descriptor; joining; who is where |
//! | [`pod`] | 2014 | several processes that share some namespaces and not others |

pub mod birth;
pub mod census;
pub mod clocks;
#[cfg(feature = "cli")]
pub mod commands;
pub mod conversation;
pub mod idmap;
mod init;
pub mod ipc;
pub mod join;
pub mod kind;
pub mod mount;
pub mod mountinfo;
pub mod net;
pub mod nsfs;
pub mod pivot;
pub mod pod;
mod refusal;
pub mod request;
pub mod signals;
pub mod spawn;
pub mod subid;
mod sys;
pub mod users;
pub mod uts;

pub use kind::{Kind, Kinds};
pub use stage1_chroot::Error;
pub use stage1_chroot::exec::Failure;
pub use stage1_chroot::rootfs::Rootfs;

/// The result of everything in this library that can fail; where a command may have been executed, with a
/// [`Failure`] and so an exit status.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of ours, as the exit status has it; 126 and 127 are for commands that could not be executed.
fn failed(error: Error) -> Failure {
    Failure { status: 1, error }
}
