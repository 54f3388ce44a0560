//! From which nodes memory is taken.
//!
//! set_mempolicy(2), Linux 2.6.7, 2004. Book: "Processor and disk" (`schedule`).
//! Invariant: the kernel is told how many bits there are.

use nix::errno::Errno;

/// Sets the policy of this thread: a mode with its flags, and the nodes.
pub fn set(mode: i32, nodes: &[u64]) -> nix::Result<()> {
    // It takes one bit less than it is told (mm/mempolicy.c, get_nodes()).
    let bits = if nodes.is_empty() { 0 } else { nodes.len() * 64 + 1 };
    let pointer = if nodes.is_empty() { std::ptr::null() } else { nodes.as_ptr() };
    // SAFETY: the kernel reads `bits` - 1 bits, rounded up to longs; that is all of `nodes` and nothing behind.
    Errno::result(unsafe { libc::syscall(libc::SYS_set_mempolicy, libc::c_long::from(mode), pointer, bits) })
        .map(drop)
}

/// The mode of this thread, with its flags.
pub fn get() -> nix::Result<i32> {
    let mut mode: libc::c_int = 0;
    let no_nodes = std::ptr::null_mut::<libc::c_ulong>();
    // SAFETY: writes one int; without room for nodes it writes none.
    Errno::result(unsafe { libc::syscall(libc::SYS_get_mempolicy, &raw mut mode, no_nodes, 0, 0, 0) })
        .map(|_| mode)
}
