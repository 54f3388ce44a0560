//! Out by an open file: a descriptor of a directory outside is a way there.
//!
//! openat(2) 2006 (Linux 2.6.16), before it fchdir(2) 1990 (4.3BSD-Reno). Book: `kept-fd`.
//! Invariant: neither the root nor the working directory changes.

use super::{canary::Canary, climb, trace::Trace};
use crate::{Result, sys};
use nix::sys::stat::fstat;
use std::os::fd::{OwnedFd, RawFd};

// ANCHOR: kept-fd
pub fn escape(fd: RawFd, canary: &Canary<'_>, trace: &mut Trace<'_>) -> Result<OwnedFd> {
    // What is open stays open: chroot(2) changes how paths are resolved, not what we hold.
    let kept =
        trace.call(format!("openat({fd}, \".\", {})", climb::DIRECTORY), sys::open_directory_at(fd, c"."))?;
    let top = trace.call(climb::TOLD, climb::climb(kept))?;
    let path = canary.below_root();
    canary.open(&top, path, &format!("openat(<fd>, {path:?}"), fstat(&top), trace)
}
// ANCHOR_END: kept-fd
