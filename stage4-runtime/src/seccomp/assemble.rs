//! Instructions put together from the last to the first.
//!
//! Documentation/networking/filter.rst: comparisons skip at most 255 instructions, and only forwards.
//! Book: "System calls under a filter" (`seccomp`).
//! Invariant: a label stands for code that is there already, so every jump is forwards and the program ends; code that
//! is the same is there once.

use super::program::{Instruction, operation};
use super::ranges::Range;
use super::verdict::Verdict;
use crate::{Error, Result};
use std::collections::HashMap;

/// `BPF_MAXINSNS`, linux/bpf_common.h
const MOST: usize = 4096;

/// How many single numbers are asked for one after the other, before it pays to halve the rest.
const FEW: usize = 4;

/// A place in the program, counted from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label(usize);

/// An instruction with the places it leads to.
type Step = (u16, u32, Label, Label);

/// A program in the making.
#[derive(Default)]
pub struct Assembler {
    /// The last instruction first.
    code: Vec<Instruction>,
    /// What is there already.
    known: HashMap<Step, Label>,
    /// The answers among it, which are few and asked for often.
    answers: Vec<(Verdict, Label)>,
    /// For places that were too far away: where they were last brought nearer.
    nearer: HashMap<Label, Label>,
}

impl Assembler {
    /// The end: an answer.
    pub fn answer(&mut self, verdict: Verdict) -> Label {
        if let Some((_, label)) = self.answers.iter().find(|(known, _)| *known == verdict) {
            return *label;
        }
        let label = self.push(operation::RETURN, verdict.0, 0, 0);
        self.answers.push((verdict, label));
        label
    }

    /// Loads the word at `offset` of `struct seccomp_data`, then goes on there.
    pub fn load(&mut self, offset: u32, next: Label) -> Label {
        self.straight(operation::LOAD, offset, next)
    }

    /// Keeps some bits of the word, then goes on there.
    pub fn keep(&mut self, bits: u32, next: Label) -> Label {
        self.straight(operation::AND, bits, next)
    }

    /// Compares the word, and goes on at `yes` or at `no`.
    pub fn compare(&mut self, operation: u16, with: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        self.once((operation, with, yes, no), |code| {
            // The second of them may be brought nearer by one instruction, which is one more to skip for the first.
            let yes = code.within(254, yes);
            let no = code.within(255, no);
            let (yes, no) = (code.distance(yes), code.distance(no));
            code.push(operation, with, yes as u8, no as u8)
        })
    }

    // ANCHOR: seccomp-compiler
    /// Goes on where the word's range says: halves the ranges until one is left, or a few exceptions from one.
    ///
    /// Short ways count twice. Since Linux 5.11 the kernel tries the program once with every number when it is
    /// installed, and from then on does not run it for calls that are allowed whatever their arguments
    /// (kernel/seccomp.c, `seccomp_cache_prepare()`).
    pub fn choose(&mut self, ranges: &[Range<Label>]) -> Label {
        if let Some(label) = self.except(ranges) {
            return label;
        }
        let (low, high) = ranges.split_at(ranges.len() / 2);
        let (yes, no) = (self.choose(high), self.choose(low));
        self.compare(operation::AT_LEAST, high[0].from as u32, yes, no)
    }

    /// One range, with a few single numbers in it that mean something else.
    fn except(&mut self, ranges: &[Range<Label>]) -> Option<Label> {
        let single = |range: &&Range<Label>| range.from == range.to;
        let rule = ranges.iter().find(|range| !single(range)).or(ranges.last())?.value;
        let exceptions = || ranges.iter().filter(|range| range.value != rule);
        if exceptions().count() > FEW || !exceptions().all(|range| single(&range)) {
            return None;
        }
        let next = exceptions()
            .rev()
            .fold(rule, |next, range| self.compare(operation::EQUAL, range.from as u32, range.value, next));
        Some(next)
    }
    // ANCHOR_END: seccomp-compiler

    /// The program, from its first instruction, which is the one made last.
    ///
    /// # Errors
    /// More instructions than the kernel takes.
    pub fn finish(mut self, start: Label) -> Result<Vec<Instruction>> {
        if start.0 + 1 != self.code.len() {
            let distance = self.distance(start);
            self.push(operation::JUMP, distance as u32, 0, 0);
        }
        let length = self.code.len();
        if length > MOST {
            return Err(Error::refused(format!(
                "linux.seccomp takes {length} instructions, and the kernel takes {MOST} (BPF_MAXINSNS)"
            ))
            .with_hint("fewer conditions on arguments, or fewer architectures"));
        }
        self.code.reverse();
        Ok(self.code)
    }

    /// Makes it, if it is not there.
    fn once(&mut self, step: Step, make: impl FnOnce(&mut Self) -> Label) -> Label {
        if let Some(label) = self.known.get(&step) {
            return *label;
        }
        let label = make(self);
        self.known.insert(step, label);
        label
    }

    /// An instruction that goes on with what stands behind it.
    fn straight(&mut self, operation: u16, k: u32, next: Label) -> Label {
        self.once((operation, k, next, next), |code| {
            if next.0 + 1 != code.code.len() {
                code.within(0, next);
            }
            code.push(operation, k, 0, 0)
        })
    }

    /// The place itself, or one that leads there, at most `most` instructions away from the next instruction.
    fn within(&mut self, most: usize, label: Label) -> Label {
        let label_now = self.nearer.get(&label).copied().unwrap_or(label);
        for place in [label, label_now] {
            if self.distance(place) <= most {
                return place;
            }
        }
        let there = self.code[label.0];
        // An answer is as short as the way to it.
        let near = match there.code {
            operation::RETURN => self.push(there.code, there.k, 0, 0),
            _ => self.push(operation::JUMP, self.distance(label) as u32, 0, 0),
        };
        self.nearer.insert(label, near);
        near
    }

    /// How many instructions the next one skips to get there.
    fn distance(&self, label: Label) -> usize {
        self.code.len() - 1 - label.0
    }

    fn push(&mut self, code: u16, k: u32, jt: u8, jf: u8) -> Label {
        self.code.push(Instruction { code, jt, jf, k });
        Label(self.code.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::interpret::{Call, interpret};
    use super::*;

    #[test]
    fn seccomp_jumps_arrive_at_any_distance() {
        let (one, other) = (Verdict(0x0005_0001), Verdict(0x0005_0002));
        for between in (0..20).chain(240..270).chain(500..520) {
            for (swapped, last) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
                let mut code = Assembler::default();
                let answers = [code.answer(one), code.answer(other)];
                let (yes, no) = if swapped { (answers[1], answers[0]) } else { (answers[0], answers[1]) };
                // Nobody comes by there; where it ends, a copy of one of the answers is made.
                (0..between).fold(answers[last], |next, bits| code.keep(bits, next));
                let compare = code.compare(operation::EQUAL, 7, yes, no);
                let start = code.load(0, compare);
                let program = code.finish(start).unwrap();
                let answer = |number| interpret(&program, &Call { number, ..Call::default() }).unwrap();
                let (seven, eight) = if swapped { (other, one) } else { (one, other) };
                assert_eq!((answer(7), answer(8)), (seven, eight), "{between} instructions between");
            }
        }
    }
}
