//! What init arranges before its mounts: its view of the groups, its clocks, its names, its loopback.
//!
//! unshare(CLONE_NEWCGROUP), sethostname(2), setdomainname(2). Book: "A container's birth" (`birth`).
//! Invariant: a name is set only in a uts namespace that is the container's.

use crate::plan::Plan;
use crate::sys::names::setdomainname;
use crate::{Error, Result};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;
use stage2_namespaces::Kind;
use stage2_namespaces::birth::Newborn;
use stage2_namespaces::net::{link, socket::Socket};

// ANCHOR: shared-kernel
/// Arranges all of it; init is in its group already.
///
/// # Errors
/// What the kernel refuses.
pub fn arrange(plan: &Plan, newborn: &Newborn) -> Result<()> {
    if plan.namespaces.cgroup {
        unshare(CloneFlags::CLONE_NEWCGROUP)
            .map_err(|errno| Error::call("unshare(CLONE_NEWCGROUP)", errno))?;
    }
    plan.namespaces.clocks.map_or(Ok(()), |offsets| offsets.enter())?;
    if let Some(name) = &plan.hostname {
        sethostname(name).map_err(|errno| Error::call(format!("sethostname({name:?})"), errno))?;
    }
    if let Some(name) = &plan.domainname {
        setdomainname(name.as_bytes())
            .map_err(|errno| Error::call(format!("setdomainname({name:?})"), errno))?;
    }
    if newborn.has(Kind::Net) { raise_loopback() } else { Ok(()) }
}
// ANCHOR_END: shared-kernel

/// A new network namespace has one link, and that is down; programs expect to reach themselves.
fn raise_loopback() -> Result<()> {
    let socket = Socket::open()?;
    let links = link::list(&socket)?;
    links.iter().filter(|link| link.name == "lo").try_for_each(|link| link::up(&socket, link))
}
