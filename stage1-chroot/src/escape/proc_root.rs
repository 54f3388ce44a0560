//! Out by another process: /proc shows each one's root as a link that leads there.
//!
//! proc_pid_root(5), by Linux 1.0 1994; guarded by ptrace(2)'s access check. Book: `proc-root`.
//! Invariant: the process is only looked at.

use super::{canary::Canary, trace::Trace};
use crate::Result;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::stat;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

// ANCHOR: proc-root
pub fn escape(pid: i32, canary: &Canary<'_>, trace: &mut Trace<'_>) -> Result<OwnedFd> {
    // No path is resolved across this link: the kernel jumps, past our root, to the other's.
    let top = PathBuf::from(format!("/proc/{pid}/root"));
    let path = top.join(canary.below_root());
    let place = format!("open(\"/proc/<pid>/root{}\"", canary.path.display());
    canary.open(AT_FDCWD, &path, &place, stat(&top), trace)
}
// ANCHOR_END: proc-root
