//! The third step of history: how much a group of processes may take (Linux 2.6.24 to 5.14, 2008 to 2021).
//!
//! | Module | Year | What it is |
//! |---|---|---|
//! | [`layout`], [`controller`] | 2008, 2016 | v1, hybrid or v2, found and never assumed; where each controller lives |
//! | [`limits`] | | one set of limits, mapped purely to files and values on each layout |
//! | [`name`], [`directory`], [`group`] | 2008 | a control group: make, enter, read, freeze, kill, delete |
//! | [`usage`], [`events`] | 2008, 2016 | what it uses; what happens in it, told when it happens |
//! | [`devices`] | 2008, 2018 | which devices may be opened: a list, or a program for the kernel |
//! | [`residence`] | 2020 | a command that is born in its group, and a group that ends with its command |
//! | [`delegation`] | 2016 | what an ordinary user may do, and what is given to one |
//! | [`hog`] | | programs that take as much as they get |
//! | [`record`], [`plot`] | | what was used over time, as a table and as a picture |

#[cfg(feature = "cli")]
pub mod commands;
pub mod controller;
pub mod delegation;
pub mod devices;
pub mod directory;
pub mod events;
pub mod group;
pub mod hog;
pub mod layout;
pub mod limits;
pub mod name;
pub mod plot;
pub mod record;
pub mod residence;
mod sys;
pub mod usage;

pub use controller::Controller;
pub use group::Group;
pub use layout::{Base, Layout, Version};
pub use limits::Limits;
pub use name::GroupName;
pub use stage1_chroot::Error;
pub use stage1_chroot::exec::Failure;

/// The result of everything in this library that can fail; where a command may have been executed, with a
/// [`Failure`] and so an exit status.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of ours, as the exit status has it; 126 and 127 are for commands that could not be executed.
fn failed(error: Error) -> Failure {
    Failure { status: 1, error }
}
