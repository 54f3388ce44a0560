//! The name that uname(2) has beside the host's.
//!
//! setdomainname(2), 4.2BSD 1983. Book: "config.json, field by field" (`config`).
//! Invariant: the kernel is given a length, never a string that ends somewhere.

use nix::errno::Errno;

/// Sets the NIS domain name of our uts namespace.
pub fn setdomainname(name: &[u8]) -> nix::Result<()> {
    // SAFETY: a pointer and the length of what it points to, which outlives the call.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
}
