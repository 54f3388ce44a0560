//! What the profile's rules say about each call, whatever the machine.
//!
//! seccomp_rule_add(3); config-linux.md, Seccomp. Book: "System calls under a filter" (`seccomp`).
//! Invariant: rules are combined as libseccomp and runc combine them, which profiles are written for.
//!
//! - A rule that says what the default says is left out, as runc does.
//! - A rule without conditions decides alone, wherever it stands; of several the first.
//! - Rules with conditions are asked in their order, each on all of its conditions; when none holds, the default.
//!   (libseccomp promises no order among them; it matters where two of them hold and differ.)
//! - A rule with two conditions on one argument becomes one rule for each of its conditions, any of which is enough, as
//!   runc and crun do. It is not what it looks like: "not 38" and "not 40" are together always true.

use super::program::Overruled;
use super::syscalls::Syscall;
use super::verdict::Verdict;
use crate::config::seccomp::{Condition, Operator, Rule as Written, Seccomp};

/// What is done when all conditions hold.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    /// At least one.
    pub conditions: &'a [Condition],
    /// What is done.
    pub verdict: Verdict,
    /// Its place in the profile.
    pub place: usize,
}

impl Rule<'_> {
    /// The one argument it looks at, where the values it wants are ranges.
    pub fn argument(&self) -> Option<u32> {
        match self.conditions {
            [Condition { op: Operator::MaskedEqual, .. }] => None,
            [condition] => Some(condition.index),
            _ => None,
        }
    }
}

/// What is done about one call.
#[derive(Debug, Clone)]
pub enum Decision<'a> {
    /// Always the same; by the rule at this place.
    Always(Verdict, usize),
    /// It depends on the arguments; when no rule holds, the default.
    Depends(Vec<Rule<'a>>),
}

/// What is done about all of them.
pub struct Decisions<'a> {
    /// For calls that no rule decides about.
    pub default: Verdict,
    /// By [`Syscall::place`].
    decisions: Vec<Option<Decision<'a>>>,
    /// Does any rule name it, and be it to say what the default says?
    named: Vec<bool>,
    /// Names that no architecture has.
    pub unknown: Vec<String>,
    /// Rules that decide nothing.
    pub overruled: Vec<Overruled>,
}

/// In the usual profiles, and on machines of which we have no numbers.
const ELSEWHERE: [&str; 3] = ["swapcontext", "syscall", "timerfd"];

impl<'a> Decisions<'a> {
    /// Reads the profile.
    pub fn of(profile: &'a Seccomp) -> Self {
        let mut all = Decisions {
            default: Verdict::of(profile.default_action, profile.default_errno_ret),
            decisions: vec![None; Syscall::COUNT],
            named: vec![false; Syscall::COUNT],
            unknown: Vec::new(),
            overruled: Vec::new(),
        };
        for (place, rule) in profile.syscalls.iter().enumerate() {
            for name in &rule.names {
                match Syscall::named(name) {
                    Some(call) => all.add(call, place, rule),
                    None if ELSEWHERE.contains(&name.as_str()) => {}
                    None if !all.unknown.contains(name) => all.unknown.push(name.clone()),
                    None => {}
                }
            }
        }
        all
    }

    /// What is done about `call`; none: the default.
    pub fn about(&self, call: Syscall) -> Option<&Decision<'a>> {
        self.decisions[call.place()].as_ref()
    }

    /// Is it in the profile?
    pub fn names(&self, call: Syscall) -> bool {
        self.named[call.place()]
    }

    fn add(&mut self, call: Syscall, place: usize, rule: &'a Written) {
        self.named[call.place()] = true;
        let verdict = Verdict::of(rule.action, rule.errno_ret);
        if verdict == self.default {
            return;
        }
        let note = |rule, by| Overruled { rule, name: call.name(), by };
        match &mut self.decisions[call.place()] {
            Some(Decision::Always(already, by)) => {
                self.overruled.extend((*already != verdict).then(|| note(place, *by)));
            }
            decision if rule.args.is_empty() => {
                if let Some(Decision::Depends(lost)) = decision.replace(Decision::Always(verdict, place)) {
                    let lost = lost.iter().filter(|lost| lost.verdict != verdict);
                    self.overruled.extend(lost.map(|lost| note(lost.place, place)));
                }
            }
            decision => {
                let depends = decision.get_or_insert_with(|| Decision::Depends(Vec::new()));
                if let Decision::Depends(rules) = depends {
                    let size = if repeats(&rule.args) { 1 } else { rule.args.len() };
                    let parts = rule.args.chunks(size);
                    rules.extend(parts.map(|conditions| Rule { conditions, verdict, place }));
                }
            }
        }
    }
}

/// Do two conditions look at one argument?
fn repeats(conditions: &[Condition]) -> bool {
    let mut rest = conditions;
    while let [first, others @ ..] = rest {
        if others.iter().any(|other| other.index == first.index) {
            return true;
        }
        rest = others;
    }
    false
}
