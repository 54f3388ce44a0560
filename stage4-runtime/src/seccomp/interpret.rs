//! What a program answers, without the kernel.
//!
//! kernel/seccomp.c, seccomp_check_filter(): the part of classic BPF that filters may use.
//! Book: "System calls under a filter" (`seccomp`).
//! Invariant: pure; a program that the kernel would not take has no answer.

use super::program::{Instruction, operation};
use super::verdict::Verdict;

/// `struct seccomp_data`, linux/seccomp.h: what the kernel shows to a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Call {
    /// The number of the call.
    pub number: u32,
    /// [`Arch::audit`](super::Arch::audit).
    pub arch: u32,
    /// Where the program was.
    pub instruction_pointer: u64,
    /// The registers.
    pub args: [u64; 6],
}

impl Call {
    /// The word at `offset`, on a little-endian machine.
    fn word(&self, offset: u32) -> Option<u32> {
        let half = |value: u64| if offset.is_multiple_of(8) { value as u32 } else { (value >> 32) as u32 };
        match offset {
            _ if !offset.is_multiple_of(4) => None,
            0 => Some(self.number),
            4 => Some(self.arch),
            8 | 12 => Some(half(self.instruction_pointer)),
            _ => self.args.get((offset as usize - 16) / 8).map(|value| half(*value)),
        }
    }
}

// ANCHOR: seccomp-interpret
/// The program's verdict about a call.
pub fn interpret(program: &[Instruction], call: &Call) -> Option<Verdict> {
    let mut word = 0;
    let mut at = 0;
    loop {
        let Instruction { code, jt, jf, k } = *program.get(at)?;
        at += 1;
        let skip = |holds: bool| usize::from(if holds { jt } else { jf });
        match code {
            operation::LOAD => word = call.word(k)?,
            operation::AND => word &= k,
            operation::JUMP => at += k as usize,
            operation::EQUAL => at += skip(word == k),
            operation::AT_LEAST => at += skip(word >= k),
            operation::ANY_BIT => at += skip(word & k != 0),
            operation::RETURN => return Some(Verdict(k)),
            _ => return None,
        }
    }
}
// ANCHOR_END: seccomp-interpret
