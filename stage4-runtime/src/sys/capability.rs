//! The five sets of capabilities of this process.
//!
//! capget(2), capset(2), Linux 2.2, 1999; PR_CAPBSET_*, 2.6.25, 2008; PR_CAP_AMBIENT, 4.3, 2015.
//! Book: "Capabilities" (`capabilities`).
//! Invariant: a set is 64 bits, whatever halves the kernel takes it in; a number it does not know is EINVAL.

use nix::errno::Errno;

/// What capset(2) sets, one bit for each capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Triple {
    /// What counts now.
    pub effective: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// What is kept over execve(2) of a file that has it, too.
    pub inheritable: u64,
}

/// `struct __user_cap_header_struct`, linux/capability.h
#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

/// `struct __user_cap_data_struct`
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: two halves.
const VERSION_3: u32 = 0x2008_0522;

/// The three sets of this thread.
pub fn get() -> nix::Result<Triple> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: writes the header's version and, for version 3, two halves; both outlive the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) })?;
    let whole = |of: fn(&Half) -> u32| u64::from(of(&halves[1])) << 32 | u64::from(of(&halves[0]));
    Ok(Triple {
        effective: whole(|half| half.effective),
        permitted: whole(|half| half.permitted),
        inheritable: whole(|half| half.inheritable),
    })
}

/// Sets all three at once.
pub fn set(triple: &Triple) -> nix::Result<()> {
    let half = |shift: u32| Half {
        effective: (triple.effective >> shift) as u32,
        permitted: (triple.permitted >> shift) as u32,
        inheritable: (triple.inheritable >> shift) as u32,
    };
    let mut header = Header { version: VERSION_3, pid: 0 };
    let halves = [half(0), half(32)];
    // SAFETY: reads the header and, for version 3, two halves; both outlive the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) }).map(drop)
}

/// Is `capability` in the bounding set? EINVAL: the kernel does not know it.
pub fn bounding_has(capability: u8) -> nix::Result<bool> {
    // SAFETY: takes no pointers.
    let answer = unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(capability), 0, 0, 0) };
    Errno::result(answer).map(|answer| answer == 1)
}

/// Takes `capability` out of the bounding set, for good.
pub fn bounding_drop(capability: u8) -> nix::Result<()> {
    // SAFETY: takes no pointers.
    let answer = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) };
    Errno::result(answer).map(drop)
}

fn ambient(what: libc::c_int, capability: u8) -> nix::Result<libc::c_int> {
    let (what, capability) = (what as libc::c_ulong, libc::c_ulong::from(capability));
    // SAFETY: takes no pointers.
    Errno::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, what, capability, 0, 0) })
}

/// Is `capability` in the ambient set?
pub fn ambient_has(capability: u8) -> nix::Result<bool> {
    ambient(libc::PR_CAP_AMBIENT_IS_SET, capability).map(|answer| answer == 1)
}

/// Puts `capability` into the ambient set. EPERM: it is not permitted and inheritable.
pub fn ambient_raise(capability: u8) -> nix::Result<()> {
    ambient(libc::PR_CAP_AMBIENT_RAISE, capability).map(drop)
}

/// Empties the ambient set.
pub fn ambient_clear() -> nix::Result<()> {
    ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0).map(drop)
}
