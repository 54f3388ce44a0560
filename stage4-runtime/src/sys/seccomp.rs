//! A filter for the system calls of this process.
//!
//! seccomp(2), Linux 3.17, 2014. Book: "System calls under a filter" (`seccomp`).
//! Invariant: what is handed to the kernel is a slice that outlives the call; the kernel checks the program.

use crate::seccomp::Instruction;
use nix::errno::Errno;
use std::os::fd::{FromRawFd, OwnedFd};

/// `SECCOMP_SET_MODE_FILTER`, linux/seccomp.h
const SET_MODE_FILTER: libc::c_long = 1;
/// `SECCOMP_GET_ACTION_AVAIL`
const GET_ACTION_AVAIL: libc::c_long = 2;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`
pub const NEW_LISTENER: u32 = 1 << 3;

/// `struct sock_fprog`, linux/filter.h
#[repr(C)]
struct Filter {
    length: libc::c_ushort,
    instructions: *const Instruction,
}

/// What a filter was installed with.
pub enum Installed {
    /// Nothing but itself.
    Plain,
    /// The descriptor for who answers it.
    Listened(OwnedFd),
    /// It was not: this thread has a filter that ours is not above of (SECCOMP_FILTER_FLAG_TSYNC).
    NotBy(i32),
}

/// Installs a filter that nobody takes away again.
pub fn set_filter(flags: u32, instructions: &[Instruction]) -> nix::Result<Installed> {
    let length = libc::c_ushort::try_from(instructions.len()).map_err(|_| Errno::EINVAL)?;
    let filter = Filter { length, instructions: instructions.as_ptr() };
    // SAFETY: `Filter` and `Instruction` are laid out as the kernel's structures; both outlive the call, and the
    // kernel reads `length` instructions.
    let returned = unsafe {
        libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, libc::c_ulong::from(flags), &raw const filter)
    };
    match Errno::result(returned)? as i32 {
        // SAFETY: with this flag, what is returned is a descriptor that the kernel has just opened for us.
        fd if flags & NEW_LISTENER != 0 => Ok(Installed::Listened(unsafe { OwnedFd::from_raw_fd(fd) })),
        0 => Ok(Installed::Plain),
        thread => Ok(Installed::NotBy(thread)),
    }
}

/// Does this kernel know `flags`? It looks at them before it looks for a program, and there is none.
pub fn knows_flags(flags: u32) -> bool {
    // SAFETY: the null pointer is what makes the kernel say EFAULT, and change nothing.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SET_MODE_FILTER,
            libc::c_ulong::from(flags),
            std::ptr::null::<Filter>(),
        )
    };
    Errno::result(returned) == Err(Errno::EFAULT)
}

/// Does this kernel know the action?
pub fn knows_action(action: u32) -> bool {
    // SAFETY: reads the one number, which outlives the call.
    let returned = unsafe { libc::syscall(libc::SYS_seccomp, GET_ACTION_AVAIL, 0, &raw const action) };
    returned == 0
}
