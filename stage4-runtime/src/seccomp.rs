//! A profile of system calls as a program for the kernel, installed and explained.
//!
//! prctl(PR_SET_SECCOMP), Linux 3.5, 2012; seccomp(2), Linux 3.17, 2014. Book: "System calls under a filter" (`seccomp`).
//! Invariant: the program's verdict is the profile's, for every call of every architecture and all its arguments; a
//! profile that cannot be compiled whole is not installed at all.
//!
//! ```text
//! profile     names, conditions, actions                                config::seccomp
//!    |  rules       one decision for each call, whatever the machine
//!    |  compile     names become numbers, per architecture              syscalls, arch
//!    v  ranges      number line: 0..=12 allow, 13 errno 1, 14..=41 …
//! tree            compare with the middle, go left or right
//!    |  assemble    from the last instruction to the first, for BPF only jumps forwards
//!    v
//! program         what seccomp(2) takes                                 install, interpret
//! listener        for who is asked about a call                         messenger, agent
//! ```
//!
//! One tool does it all: [`ranges`] over a word of 32 bits and a balanced tree that finds the range. The architecture
//! is such a word, the number of the call is one, each argument is two.

pub mod agent;
pub mod arch;
mod arguments;
mod assemble;
pub mod compile;
pub mod install;
pub mod interpret;
pub mod messenger;
mod multiplex;
pub mod program;
mod ranges;
mod rules;
pub mod syscalls;
pub mod verdict;

pub use arch::Arch;
pub use compile::compile;
pub use install::install;
pub use program::{Instruction, Overruled, Program};
pub use verdict::Verdict;
