//! Out by another process: /proc shows each one's root as a link that leads there.
//!
//! proc_pid_root(5), by Linux 1.0 1994; guarded by ptrace(2)'s access check. Book: `proc-root`.
//! Invariant: the process is only looked at.

use super::{canary, trace::Trace};
use crate::Result;
use nix::fcntl::AT_FDCWD;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

// ANCHOR: proc-root
pub fn escape(pid: i32, canary: &Path, trace: &mut Trace<'_>) -> Result<OwnedFd> {
    // No path is resolved across this link: the kernel jumps, past our root, to the other's.
    let path = PathBuf::from(format!("/proc/{pid}/root")).join(canary::below_root(canary));
    canary::open(AT_FDCWD, &path, &format!("open(\"/proc/<pid>/root{}\"", canary.display()), trace)
}
// ANCHOR_END: proc-root
