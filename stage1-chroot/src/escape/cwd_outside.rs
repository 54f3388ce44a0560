//! Out by the working directory: chroot(2) does not move it.
//!
//! chroot(2) 1979; openat(2) 2006 (Linux 2.6.16). Book: `cwd-outside`.
//! Invariant: neither the root nor the working directory changes.

use super::{canary::Canary, climb, trace::Trace};
use crate::Result;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};
use std::os::fd::OwnedFd;

// ANCHOR: cwd-outside
pub fn escape(canary: &Canary<'_>, trace: &mut Trace<'_>) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    // Inside, this walk would end at our root. Outside, it never comes by it.
    let here = trace.call(format!("open(\".\", {})", climb::DIRECTORY), open(".", flags, Mode::empty()))?;
    let top = trace.call(climb::TOLD, climb::climb(here))?;
    let path = canary.below_root();
    canary.open(&top, path, &format!("openat(<fd>, {path:?}"), fstat(&top), trace)
}
// ANCHOR_END: cwd-outside
