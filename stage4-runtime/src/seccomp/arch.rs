//! The ways a program can call the kernel, and which of them one machine has.
//!
//! `AUDIT_ARCH_*`, linux/audit.h; `struct seccomp_data`, linux/seccomp.h. Book: "System calls under a filter" (`seccomp`).
//! Invariant: one number means different calls on different architectures, so no number is judged without one.

use crate::config::seccomp::Architecture;
use crate::{Error, Result};
use std::fmt;

/// Architectures whose calls we know; all are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64 bits of AMD's.
    X86_64,
    /// 32 bits of Intel's, `int 0x80`.
    X86,
    /// The registers of x86_64 with pointers of 32 bits; it calls as x86_64 does, with a bit set in the number.
    X32,
    /// 64 bits of Arm's.
    Aarch64,
    /// 32 bits of Arm's, EABI.
    Arm,
    /// RISC-V.
    Riscv64,
}

/// `__X32_SYSCALL_BIT`
pub const X32_BIT: u32 = 0x4000_0000;

impl Arch {
    /// All, in the order of the columns of the table of calls.
    pub const ALL: [Arch; 6] = [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64, Arch::Arm, Arch::Riscv64];

    /// The architecture this program was compiled for.
    ///
    /// # Errors
    /// One whose calls we do not know.
    pub fn native() -> Result<Arch> {
        let name = std::env::consts::ARCH;
        Self::ALL.into_iter().find(|arch| arch.to_string() == name).ok_or_else(|| {
            Error::refused(format!("no table of system calls for {name}")).with_hint(
                "leave linux.seccomp out of config.json, or run on x86_64, aarch64, arm or riscv64",
            )
        })
    }

    /// The one that a profile means; none: no machine of ours has it.
    pub fn of(architecture: Architecture) -> Option<Arch> {
        Some(match architecture {
            Architecture::X86_64 => Arch::X86_64,
            Architecture::X86 => Arch::X86,
            Architecture::X32 => Arch::X32,
            Architecture::Aarch64 => Arch::Aarch64,
            Architecture::Arm => Arch::Arm,
            Architecture::Riscv64 => Arch::Riscv64,
            _ => return None,
        })
    }

    /// How the kernel names it in `struct seccomp_data`.
    pub fn audit(self) -> u32 {
        /// `__AUDIT_ARCH_64BIT`, `__AUDIT_ARCH_LE`
        const WIDE: u32 = 0x8000_0000;
        const LITTLE: u32 = 0x4000_0000;
        // The rest is EM_*, the machine in the header of an ELF file.
        match self {
            Arch::X86_64 | Arch::X32 => WIDE | LITTLE | 62,
            Arch::X86 => LITTLE | 3,
            Arch::Aarch64 => WIDE | LITTLE | 183,
            Arch::Arm => LITTLE | 40,
            Arch::Riscv64 => WIDE | LITTLE | 243,
        }
    }

    /// What a kernel of this architecture runs, itself first.
    pub fn family(self) -> &'static [Arch] {
        match self {
            Arch::X86_64 => &[Arch::X86_64, Arch::X86, Arch::X32],
            Arch::X86 => &[Arch::X86],
            Arch::X32 => &[Arch::X32],
            Arch::Aarch64 => &[Arch::Aarch64, Arch::Arm],
            Arch::Arm => &[Arch::Arm],
            Arch::Riscv64 => &[Arch::Riscv64],
        }
    }

    /// Do arguments have 64 bits? Those of 32 come with zeroes above.
    ///
    /// x32 has the registers of x86_64, and the kernel shows all of them.
    pub fn is_wide(self) -> bool {
        !matches!(self, Arch::X86 | Arch::Arm)
    }

    /// The first and the last number that a call of it can have.
    pub fn numbers(self) -> (u32, u32) {
        match self {
            Arch::X86_64 => (0, X32_BIT - 1),
            Arch::X32 => (X32_BIT, u32::MAX - 1),
            _ => (0, u32::MAX),
        }
    }

    /// Numbers out of the common sequence, which were given once and say nothing about the age of a call.
    pub fn apart(self) -> Option<(u32, u32)> {
        match self {
            // arch/x86/entry/syscalls/syscall_64.tbl: "Due to a historical design error …".
            Arch::X32 => Some((X32_BIT | 512, X32_BIT | 547)),
            // __ARM_NR_breakpoint to __ARM_NR_get_tls, asm/unistd.h.
            Arch::Arm => Some((0xf_0001, 0xf_0006)),
            _ => None,
        }
    }
}

/// As uname(2) has it, and Rust, but for x32.
impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Arch::X86_64 => "x86_64",
            Arch::X86 => "x86",
            Arch::X32 => "x32",
            Arch::Aarch64 => "aarch64",
            Arch::Arm => "arm",
            Arch::Riscv64 => "riscv64",
        })
    }
}
