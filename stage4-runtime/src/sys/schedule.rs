//! When and where this thread runs.
//!
//! sched_setattr(2), Linux 3.14, 2014; sched_setaffinity(2), 2.5.8, 2002; ioprio_set(2), 2.6.13, 2005.
//! Book: "Processor and disk" (`schedule`).
//! Invariant: all of it is about the calling thread, and the kernel is told the size of what it reads or writes.

use nix::errno::Errno;

/// `struct sched_attr`, linux/sched/types.h, with the fields of Linux 5.3.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Of this structure.
    pub size: u32,
    /// SCHED_*
    pub policy: u32,
    /// SCHED_FLAG_*
    pub flags: u64,
    /// Of SCHED_OTHER and SCHED_BATCH.
    pub nice: i32,
    /// Of SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// Nanoseconds; of SCHED_DEADLINE, as the next two.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
    /// The least utilisation, of 1024.
    pub least: u32,
    /// The greatest.
    pub greatest: u32,
}

/// Its size, as the kernel wants to be told.
pub const SIZE: u32 = size_of::<Attributes>() as u32;

/// Sets policy and parameters.
pub fn set_attributes(attributes: &Attributes) -> nix::Result<()> {
    let attributes = Attributes { size: SIZE, ..*attributes };
    // SAFETY: the kernel reads as many bytes as the structure's `size` says, which has just been set right.
    Errno::result(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) }).map(drop)
}

/// Asks for them.
pub fn attributes() -> nix::Result<Attributes> {
    let mut attributes = Attributes::default();
    // SAFETY: the kernel writes at most `SIZE` bytes, and so many are there.
    let answer = unsafe {
        libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, libc::c_ulong::from(SIZE), 0)
    };
    Errno::result(answer).map(|_| attributes)
}

/// IOPRIO_WHO_PROCESS
const THREAD: libc::c_long = 1;

/// Sets class and level, in the kernel's one number.
pub fn set_io_priority(value: u16) -> nix::Result<()> {
    // SAFETY: takes no pointers.
    let answer = unsafe { libc::syscall(libc::SYS_ioprio_set, THREAD, 0, libc::c_long::from(value)) };
    Errno::result(answer).map(drop)
}

/// Asks for them.
pub fn io_priority() -> nix::Result<u16> {
    // SAFETY: takes no pointers.
    let answer = unsafe { libc::syscall(libc::SYS_ioprio_get, THREAD, 0) };
    Errno::result(answer).map(|value| value as u16)
}

/// Allows the processors whose bits are set. EINVAL: none of them is there, or in the cpuset.
pub fn set_affinity(words: &[u64]) -> nix::Result<()> {
    // SAFETY: the kernel reads as many bytes as it is told there are. Its words are longs: on a machine of 32 bits
    // and big end the halves would be exchanged, and Rust's std has no such Linux with clone3(2).
    let answer = unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(words), words.as_ptr()) };
    Errno::result(answer).map(drop)
}
