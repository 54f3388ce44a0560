//! A stopped process's registers, by which its call is taken back and answered.
//!
//! PTRACE_GETREGS, syscall(2). Book: "Every call that fails" (`faults`).
//! Invariant: of a machine whose registers are not known here nothing is changed; [`POSSIBLE`] says so beforehand.

/// Whether calls can be spoilt on this kind of machine.
pub(super) const POSSIBLE: bool = cfg!(target_arch = "x86_64");

#[cfg(target_arch = "x86_64")]
pub(super) use known::{answer, call, forget_call};
#[cfg(not(target_arch = "x86_64"))]
pub(super) use unknown::{answer, call, forget_call};

#[cfg(target_arch = "x86_64")]
mod known {
    use nix::{errno::Errno, sys::ptrace, unistd::Pid};

    pub(in super::super) fn call(pid: Pid) -> Option<i64> {
        ptrace::getregs(pid).ok().map(|registers| registers.orig_rax.cast_signed())
    }

    /// There is no call of this number, and the kernel does nothing.
    pub(in super::super) fn forget_call(pid: Pid) {
        if let Ok(mut registers) = ptrace::getregs(pid) {
            registers.orig_rax = u64::MAX;
            ptrace::setregs(pid, registers).ok();
        }
    }

    pub(in super::super) fn answer(pid: Pid, errno: Errno) {
        if let Ok(mut registers) = ptrace::getregs(pid) {
            registers.rax = i64::from(-(errno as i32)).cast_unsigned();
            ptrace::setregs(pid, registers).ok();
        }
    }
}

/// Another machine takes a call back by other means, for which nix has no safe name.
#[cfg(not(target_arch = "x86_64"))]
mod unknown {
    use nix::{errno::Errno, unistd::Pid};

    pub(in super::super) fn call(_: Pid) -> Option<i64> {
        None
    }

    pub(in super::super) fn forget_call(_: Pid) {}

    pub(in super::super) fn answer(_: Pid, _: Errno) {}
}
