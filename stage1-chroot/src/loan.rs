//! The user namespace that an ordinary user borrows to be allowed to change the root.
//!
//! unshare(CLONE_NEWUSER), uid_map, gid_map 2013 (Linux 3.8); setgroups 2015 (3.19). Book: `capability`.
//! Invariant: no more is borrowed than is lacking, and outside the namespace the user stays who they are.

pub mod refusal;

use crate::{Error, Result, identity::User, sys};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};
use refusal::Readings;

/// A power that root has and an ordinary user lacks (capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    bit: u32,
    /// Its name, as capabilities(7) writes it.
    pub name: &'static str,
    /// The call we need it for.
    pub call: &'static str,
}

impl Capability {
    /// To change the root directory.
    pub const SYS_CHROOT: Capability = Capability { bit: 18, name: "CAP_SYS_CHROOT", call: "chroot(2)" };
    /// To mount, among much else.
    pub const SYS_ADMIN: Capability = Capability { bit: 21, name: "CAP_SYS_ADMIN", call: "mount(2)" };
    /// To map the parent's root into a user namespace, since Linux 5.12.
    const SETFCAP: Capability = Capability { bit: 31, name: "CAP_SETFCAP", call: "uid_map" };

    fn is_in(self, set: u64) -> bool {
        set & (1 << self.bit) != 0
    }
}

/// The first of `needed` that this process lacks.
pub fn lacking(needed: &[Capability]) -> Result<Option<Capability>> {
    let set = effective()?;
    Ok(needed.iter().copied().find(|capability| !capability.is_in(set)))
}

// ANCHOR: capability
/// Enters a new user namespace, in which the caller is `user` and has every capability.
///
/// The process must have one thread. Supplementary groups stay: a namespace without privilege outside
/// must deny setgroups(2), or a group could be left that only takes rights away (CVE-2014-8989).
pub fn borrow(user: User) -> Result<()> {
    // Both before unshare(2): inside, the caller's ids are unmapped and every capability is there.
    let (uid, gid) = (Uid::effective(), Gid::effective());
    let readings = Readings::take(effective()?, uid);

    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|errno| refused("unshare(CLONE_NEWUSER)", errno, &readings))?;
    let write = |file: &str, text: &str| {
        let path = format!("/proc/self/{file}");
        std::fs::write(&path, text).map_err(|error| {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
            refused(&format!("write({path:?}, {text:?})"), errno, &readings)
        })
    };
    write("setgroups", "deny")?; // before gid_map, which is refused without it
    write("uid_map", &format!("{} {uid} 1", user.uid))?;
    write("gid_map", &format!("{} {gid} 1", user.gid))
}
// ANCHOR_END: capability

/// The effective capabilities of this process, one bit for each (capabilities(7)).
pub fn effective() -> Result<u64> {
    sys::effective_capabilities().map_err(|errno| Error::call("capget()", errno))
}

fn refused(call: &str, errno: Errno, readings: &Readings) -> Error {
    Error::call(call, errno).with_hint(refusal::explain(errno, readings))
}
