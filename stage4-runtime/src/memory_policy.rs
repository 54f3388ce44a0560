//! From which nodes the process takes its memory.
//!
//! set_mempolicy(2), Linux 2.6.7, 2004; config-linux.md, "Memory policy". Book: "Processor and disk" (`schedule`).
//! Invariant: asked again, the kernel has the mode that was set.

use crate::plan::process::MemoryPlan;
use crate::sys::mempolicy as raw;
use crate::{Error, Result};
use nix::errno::Errno;

/// MPOL_PREFERRED
const PREFERRED: i32 = 1;
/// MPOL_LOCAL
const LOCAL: i32 = 4;

/// Sets the policy of this process and what it becomes.
pub fn set(policy: &MemoryPlan) -> Result<()> {
    let call = format!("set_mempolicy({:#x}, {:x?})", policy.mode, policy.nodes.0);
    raw::set(policy.mode, &policy.nodes.0).map_err(|errno| {
        let error = Error::call(&call, errno);
        match errno {
            Errno::ENOSYS => error.with_hint("linux.memoryPolicy: this kernel has no nodes (CONFIG_NUMA)"),
            Errno::EINVAL => error.with_hint(
                "linux.memoryPolicy: a node that is not there or not in cpuset.mems, a flag that the mode does not \
                 have, or a mode of a younger kernel",
            ),
            _ => error.with_hint("linux.memoryPolicy"),
        }
    })?;
    let now = raw::get().map_err(|errno| Error::call("get_mempolicy()", errno))?;
    // Preferring no node is what MPOL_LOCAL is, and newer kernels call it so.
    let is_local = policy.mode == PREFERRED && policy.nodes.0.is_empty() && now == LOCAL;
    match now == policy.mode || is_local {
        true => Ok(()),
        false => Err(Error::refused(format!("{call}: the kernel has the mode {now:#x}"))),
    }
}
