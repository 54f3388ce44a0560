//! Kernel parameters of the container's namespaces, written.
//!
//! /proc/sys, sysctl(8); config-linux.md, "Sysctl". Book: "config.json, field by field" (`config`).
//! Invariant: written through a proc file system that the container never had in its hands (CVE-2022-0811).

use crate::plan::sysctl::Sysctl;
use crate::procfs::Procfs;
use crate::{Error, Result};
use nix::errno::Errno;

/// Writes them all. Call it in the container's namespaces: the kernel looks at who writes, not at which /proc it is.
///
/// # Errors
/// A parameter that is not there, or whose value the kernel refuses.
pub fn write_all(proc: &Procfs, parameters: &[Sysctl]) -> Result<()> {
    parameters
        .iter()
        .try_for_each(|one| proc.write(&one.path, &one.value).map_err(|error| explained(error, one)))
}

fn explained(error: Error, one: &Sysctl) -> Error {
    let hint = match error.errno() {
        Some(Errno::ENOENT) => "this kernel has no such parameter in a namespace of its own",
        Some(Errno::EINVAL | Errno::ERANGE) => "the kernel does not take this value",
        Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) => {
            "the container's user namespace does not own the namespace that this parameter is of"
        }
        _ => return error,
    };
    error.with_hint(format!("config.json: linux.sysctl[{:?}]: {hint}", one.name))
}
