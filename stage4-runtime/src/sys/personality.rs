//! The execution domain.
//!
//! personality(2), Linux 1.1.20, 1994. Book: "Processor and disk" (`schedule`).
//! Invariant: all bits set asks, anything else sets.

use nix::errno::Errno;

/// The one that asks and changes nothing.
const ASK: libc::c_ulong = 0xffff_ffff;

/// Sets the execution domain and its flags.
pub fn set(persona: u32) -> nix::Result<()> {
    // SAFETY: takes no pointers.
    Errno::result(unsafe { libc::personality(libc::c_ulong::from(persona)) }).map(drop)
}

/// The present one.
pub fn get() -> nix::Result<u32> {
    // SAFETY: takes no pointers.
    Errno::result(unsafe { libc::personality(ASK) }).map(|persona| persona as u32)
}
