//! A compiled profile: instructions, flags, and what has to be told about it.
//!
//! `struct sock_filter`, linux/filter.h; bpf(4) of the BSDs, 1992. Book: "System calls under a filter" (`seccomp`).
//! Invariant: plain data; what is here is what the kernel gets.

use super::Arch;
use super::interpret::{Call, interpret};
use super::syscalls::Syscall;
use super::verdict::Verdict;
use crate::sys::seccomp::NEW_LISTENER;
use std::fmt;

/// An instruction of the classic BPF machine: one accumulator, jumps forwards only.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// Instructions to skip where the comparison holds.
    pub jt: u8,
    /// Instructions to skip where it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// Operations, linux/bpf_common.h.
pub mod operation {
    /// Load the word at `k` of `struct seccomp_data`.
    pub const LOAD: u16 = 0x20;
    /// Keep the bits of `k`.
    pub const AND: u16 = 0x54;
    /// Skip `k` instructions.
    pub const JUMP: u16 = 0x05;
    /// Is the word `k`?
    pub const EQUAL: u16 = 0x15;
    /// Is it greater or equal?
    pub const AT_LEAST: u16 = 0x35;
    /// Has it any bit of `k`?
    pub const ANY_BIT: u16 = 0x45;
    /// Return `k`.
    pub const RETURN: u16 = 0x06;
}

/// A profile, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// For the kernel.
    pub instructions: Vec<Instruction>,
    /// For seccomp(2), `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
    /// Names of calls that are on no architecture of ours: misspelt, or newer than our table. Nothing is done about
    /// them, so a profile with any of them deserves a warning.
    pub unknown: Vec<String>,
    /// What the profile says and what will never be; a warning, too.
    pub overruled: Vec<Overruled>,
}

impl Program {
    /// Does it ask an agent about any call?
    pub fn listens(&self) -> bool {
        self.flags & NEW_LISTENER != 0
    }

    /// What becomes of the call of this name, with arguments of 0; none: the machine has no such call.
    pub fn verdict(&self, name: &str, arch: Arch) -> Option<Verdict> {
        let number = Syscall::named(name)?.number(arch)?;
        interpret(&self.instructions, &Call { number, arch: arch.audit(), ..Call::default() })
    }

    /// What its author would like to know beside the names that are unknown; a sentence each.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.overruled.iter().map(|what| format!("linux.seccomp: {what}"))
    }
}

/// A rule that another one leaves nothing to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overruled {
    /// Its place in `linux.seccomp.syscalls`.
    pub rule: usize,
    /// For this call.
    pub name: &'static str,
    /// The one that decides.
    pub by: usize,
}

impl fmt::Display for Overruled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overruled { rule, name, by } = self;
        write!(f, "syscalls[{rule}] decides nothing about {name}: syscalls[{by}] does, unconditionally")
    }
}

/// As assemblers write it; jumps as distances.
impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instruction { code, jt, jf, k } = *self;
        match code {
            operation::LOAD => write!(f, "ld   {}", word(k)),
            operation::AND => write!(f, "and  {k:#x}"),
            operation::JUMP => write!(f, "ja   +{k}"),
            operation::EQUAL => write!(f, "jeq  {k:#x}, +{jt}, +{jf}"),
            operation::AT_LEAST => write!(f, "jge  {k:#x}, +{jt}, +{jf}"),
            operation::ANY_BIT => write!(f, "jset {k:#x}, +{jt}, +{jf}"),
            operation::RETURN => write!(f, "ret  {}", Verdict(k)),
            _ => write!(f, "{code:#x} {jt} {jf} {k:#x}"),
        }
    }
}

/// What is at an offset of `struct seccomp_data`.
fn word(offset: u32) -> String {
    match offset {
        0 => "nr".to_owned(),
        4 => "arch".to_owned(),
        16.. => {
            format!("args[{}].{}", (offset - 16) / 8, if offset.is_multiple_of(8) { "low" } else { "high" })
        }
        _ => format!("[{offset}]"),
    }
}
