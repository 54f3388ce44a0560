//! A profile becomes a program.
//!
//! seccomp(2); Documentation/userspace-api/seccomp_filter.rst. Book: "System calls under a filter" (`seccomp`).
//! Invariant: pure; the architecture is looked at before the number, and a number of a foreign one is never allowed.
//!
//! Numbers above the newest call that the profile names get ENOSYS where the default is an errno, and not that errno.
//! A C library tries the newest call first and falls back to an older one when the kernel does not have it; "not
//! permitted" it believes, and gives up. So every new call of the kernel broke containers with older profiles, until
//! runc learnt this (1.0.0-rc93, 2021). Where the default is to kill or to trap, the profile gets what it says; runc
//! answers ENOSYS there, too.
//!
//! The machine's own architecture is always among those judged, as with libseccomp; architectures that this machine's
//! kernel does not run are left out, since no call can come from there.

use super::arch::{Arch, X32_BIT};
use super::assemble::{Assembler, Label};
use super::program::Program;
use super::ranges::Ranges;
use super::rules::{Decision, Decisions};
use super::syscalls::Syscall;
use super::verdict::Verdict;
use super::{arguments, install, multiplex};
use crate::Result;
use crate::config::seccomp::Seccomp;
use nix::errno::Errno;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// Compiles a profile that was checked, for a machine of the architecture `native`.
///
/// # Errors
/// More instructions than the kernel takes.
pub fn compile(profile: &Seccomp, native: Arch) -> Result<Program> {
    let decisions = Decisions::of(profile);
    let judged = |arch: &Arch| {
        *arch == native || profile.architectures.iter().any(|one| Arch::of(*one) == Some(*arch))
    };
    let judged: Vec<Arch> = native.family().iter().copied().filter(judged).collect();
    let mut compiler = Compiler::new(&decisions);
    let mut archs = Ranges::new(u32::MAX.into(), compiler.foreign);
    for arch in judged.iter().filter(|arch| **arch != Arch::X32 || native == Arch::X32) {
        let numbers = compiler.numbers(*arch, &judged);
        let list = numbers.list();
        let tree = compiler.code.choose(&list);
        let tree = compiler.code.load(NUMBER, tree);
        archs.set(arch.audit().into(), arch.audit().into(), tree);
    }
    let tree = compiler.code.choose(&archs.list());
    let start = compiler.code.load(ARCH, tree);
    Ok(Program {
        instructions: compiler.code.finish(start)?,
        flags: install::flags(profile),
        unknown: decisions.unknown,
        overruled: decisions.overruled,
    })
}

/// The answers that are needed all over, and what is made of them.
struct Compiler<'a> {
    code: Assembler,
    decisions: &'a Decisions<'a>,
    /// For calls without a rule.
    default: Label,
    /// For calls newer than the profile.
    newer: Label,
    /// For calls of architectures that are not judged.
    foreign: Label,
}

impl<'a> Compiler<'a> {
    fn new(decisions: &'a Decisions<'a>) -> Self {
        let mut code = Assembler::default();
        let default = decisions.default;
        let newer = if default.is_errno() { Verdict::errno(Errno::ENOSYS) } else { default };
        let (default, newer) = (code.answer(default), code.answer(newer));
        let foreign = code.answer(Verdict::FOREIGN);
        Compiler { code, decisions, default, newer, foreign }
    }

    // ANCHOR: seccomp
    /// What each number means where the kernel says it is `arch`.
    fn numbers(&mut self, arch: Arch, judged: &[Arch]) -> Ranges<Label> {
        let mut numbers = Ranges::new(u32::MAX.into(), self.default);
        self.calls(arch, &mut numbers);
        // x32 says it is x86_64, and sets a bit in the number.
        if arch == Arch::X86_64 {
            match judged.contains(&Arch::X32) {
                true => self.calls(Arch::X32, &mut numbers),
                false => numbers.set(X32_BIT.into(), (u32::MAX - 1).into(), self.foreign),
            }
            // -1 has the bit, but is what a tracer writes to have the call left out (ptrace(2)).
            numbers.set(u32::MAX.into(), u32::MAX.into(), self.newer);
        }
        numbers
    }
    // ANCHOR_END: seccomp

    /// Marks the calls of one architecture.
    fn calls(&mut self, arch: Arch, numbers: &mut Ranges<Label>) {
        self.mark_newer(arch, numbers);
        let mut marks: Vec<(u32, Label)> = Vec::with_capacity(Syscall::COUNT);
        for call in Syscall::all() {
            let decision = self.decisions.about(call);
            if let (Some(number), Some(decision)) = (call.number(arch), decision) {
                marks.push((number, self.decision(decision, arch)));
            }
        }
        if arch == Arch::X86 {
            for (carrier, rules) in multiplex::carriers(self.decisions) {
                let Some(number) = carrier.number(arch) else { continue };
                let otherwise = numbers.at(number.into());
                marks.push((number, arguments::decide(&mut self.code, &rules, false, otherwise)));
            }
        }
        marks.sort_unstable_by_key(|(number, _)| *number);
        let runs = marks.chunk_by(|a, b| a.0 + 1 == b.0 && a.1 == b.1);
        runs.for_each(|run| numbers.set(run[0].0.into(), run[run.len() - 1].0.into(), run[0].1));
    }

    /// Marks the numbers above the newest call that the profile names.
    fn mark_newer(&self, arch: Arch, numbers: &mut Ranges<Label>) {
        let apart = |number: &u32| arch.apart().is_some_and(|(from, to)| (from..=to).contains(number));
        let named = Syscall::all().filter(|call| self.decisions.names(*call));
        let newest = named.filter_map(|call| call.number(arch)).filter(|number| !apart(number)).max();
        let Some(newest) = newest else { return };
        numbers.set(u64::from(newest) + 1, arch.numbers().1.into(), self.newer);
        if let Some((from, to)) = arch.apart() {
            numbers.set(from.into(), to.into(), self.default);
        }
    }

    /// Code for one call.
    fn decision(&mut self, decision: &Decision<'_>, arch: Arch) -> Label {
        match decision {
            Decision::Always(verdict, _) => self.code.answer(*verdict),
            Decision::Depends(rules) => {
                arguments::decide(&mut self.code, rules, arch.is_wide(), self.default)
            }
        }
    }
}
