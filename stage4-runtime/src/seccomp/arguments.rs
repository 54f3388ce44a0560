//! Rules with conditions on arguments.
//!
//! `struct seccomp_data.args`, linux/seccomp.h; seccomp_rule_add(3). Book: "System calls under a filter" (`seccomp`).
//! Invariant: an argument is compared with all of its 64 bits, in two halves; the first rule whose conditions all hold
//! decides.
//!
//! The kernel shows the registers, and a function of its own that takes an `int` looks at half of one: so a rule that
//! allows all but some values allows those values, too, with anything in the upper half. Profiles should name what is
//! allowed.
//!
//! Where arguments have 32 bits, a greater value equals none of them (libseccomp cuts it to 32 bits, and so has "not
//! below 4294967296" hold for all).

use super::assemble::{Assembler, Label};
use super::program::operation;
use super::ranges::{Range, Ranges};
use super::rules::Rule;
use crate::config::seccomp::{Condition, Operator};

/// Where argument `index` is; its lower half comes first, for all our architectures are little-endian.
fn offset(index: u32) -> u32 {
    16 + 8 * index
}

/// Code for rules in their order, and for what is done when none holds.
pub fn decide(code: &mut Assembler, rules: &[Rule<'_>], wide: bool, otherwise: Label) -> Label {
    let groups = rules.chunk_by(|a, b| a.argument().is_some() && a.argument() == b.argument());
    groups.rev().fold(otherwise, |next, group| match group[0].argument() {
        Some(index) => {
            let mut values = Ranges::new(u64::MAX, next);
            // The first rule has the last word.
            for rule in group.iter().rev() {
                let answer = code.answer(rule.verdict);
                rule.conditions.iter().for_each(|condition| mark(&mut values, condition, answer));
            }
            switch(code, index, values, wide)
        }
        None => {
            let answer = code.answer(group[0].verdict);
            group[0]
                .conditions
                .iter()
                .rev()
                .fold(answer, |yes, condition| test(code, condition, wide, yes, next))
        }
    })
}

/// Code for one condition.
fn test(code: &mut Assembler, condition: &Condition, wide: bool, yes: Label, no: Label) -> Label {
    if condition.op == Operator::MaskedEqual {
        return masked(code, condition, wide, yes, no);
    }
    let mut values = Ranges::new(u64::MAX, no);
    mark(&mut values, condition, yes);
    switch(code, condition.index, values, wide)
}

/// The values that the condition holds for mean `label`.
fn mark(values: &mut Ranges<Label>, condition: &Condition, label: Label) {
    let value = condition.value;
    let below = value.checked_sub(1).map(|last| (0, last));
    let above = value.checked_add(1).map(|first| (first, u64::MAX));
    let spans = match condition.op {
        Operator::Equal => [Some((value, value)), None],
        Operator::NotEqual => [below, above],
        Operator::Less => [below, None],
        Operator::LessOrEqual => [Some((0, value)), None],
        Operator::Greater => [above, None],
        Operator::GreaterOrEqual => [Some((value, u64::MAX)), None],
        Operator::MaskedEqual => unreachable!("has no ranges, and is tested by itself"),
    };
    spans.into_iter().flatten().for_each(|(from, to)| values.set(from, to, label));
}

/// Goes on where the argument's range says: first by its upper half, then, where that does not tell, by its lower.
fn switch(code: &mut Assembler, index: u32, values: Ranges<Label>, wide: bool) -> Label {
    let list = values.list();
    if !wide {
        return half(code, offset(index), &within_word(&list, 0));
    }
    let mut words = Ranges::new(u32::MAX.into(), list[0].value);
    for range in &list {
        let (first, behind) = (range.from.div_ceil(1 << 32), (u128::from(range.to) + 1) >> 32);
        if u128::from(first) < behind {
            words.set(first, behind as u64 - 1, range.value);
        }
    }
    // Words in which one range ends and another begins.
    let mut mixed: Vec<u64> = list.iter().filter(|r| r.from << 32 != 0).map(|r| r.from >> 32).collect();
    mixed.dedup();
    for word in mixed {
        let label = half(code, offset(index), &within_word(&list, word));
        words.set(word, word, label);
    }
    half(code, offset(index) + 4, &words.list())
}

/// The part of the ranges whose upper half is `word`, as ranges of the lower half.
fn within_word(list: &[Range<Label>], word: u64) -> Vec<Range<Label>> {
    let (first, last) = (word << 32, word << 32 | u64::from(u32::MAX));
    let inside = list.iter().filter(|range| range.from <= last && range.to >= first);
    inside
        .map(|range| Range {
            from: range.from.max(first) - first,
            to: range.to.min(last) - first,
            value: range.value,
        })
        .collect()
}

/// Goes on where the range of the word at `offset` says, and does not look where there is one range only.
fn half(code: &mut Assembler, offset: u32, list: &[Range<Label>]) -> Label {
    let label = code.choose(list);
    if list.len() == 1 { label } else { code.load(offset, label) }
}

/// `(argument & value) == (valueTwo & value)`
fn masked(code: &mut Assembler, condition: &Condition, wide: bool, yes: Label, no: Label) -> Label {
    let Condition { index, value: mask, value_two: wanted, .. } = *condition;
    let wanted = wanted & mask;
    let low = masked_half(code, offset(index), mask as u32, wanted as u32, yes, no);
    match wide {
        true => masked_half(code, offset(index) + 4, (mask >> 32) as u32, (wanted >> 32) as u32, low, no),
        false if wanted >> 32 != 0 => no,
        false => low,
    }
}

fn masked_half(code: &mut Assembler, offset: u32, mask: u32, wanted: u32, yes: Label, no: Label) -> Label {
    let test = match (mask, wanted) {
        (0, _) => return yes,
        (_, 0) => code.compare(operation::ANY_BIT, mask, no, yes),
        _ => {
            let equal = code.compare(operation::EQUAL, wanted, yes, no);
            if mask == u32::MAX { equal } else { code.keep(mask, equal) }
        }
    };
    code.load(offset, test)
}
