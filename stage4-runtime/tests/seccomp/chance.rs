//! Profiles and calls made by chance, the same in every run.
//!
//! No kernel calls. Book: "System calls under a filter" (`seccomp`).
//! Invariant: one seed, one sequence (xorshift64*, Marsaglia 2003, Vigna 2016).

use stage4_runtime::config::seccomp::{Action, Architecture, Condition, Operator, Rule, Seccomp};
use stage4_runtime::seccomp::syscalls::Syscall;

/// Numbers by chance.
pub struct Chance(u64);

/// Where comparisons of halves go wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    7,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 32,
    (1 << 32) + 1,
    0x7_ffff_ffff,
    0xffff_ffff_0000_0000,
    u64::MAX - 1,
    u64::MAX,
];

/// Calls that many rules are about, so that rules meet.
const BUSY: [&str; 8] =
    ["socket", "clone", "personality", "socketcall", "shmget", "connect", "prctl", "set_tls"];

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// A number that is likely to be on an edge.
    pub fn value(&mut self) -> u64 {
        let edge = self.of(&EDGES);
        match self.below(4) {
            0 => edge.wrapping_add(self.below(5) as u64),
            1 => self.below(50) as u64,
            _ => edge,
        }
    }

    fn condition(&mut self) -> Condition {
        let (value, value_two) = (self.value(), self.value());
        Condition { index: self.below(6) as u32, value, value_two, op: self.of(Operator::ALL) }
    }

    fn rule(&mut self, actions: &[Action]) -> Rule {
        let all: Vec<&str> = Syscall::all().map(Syscall::name).collect();
        let name = |chance: &mut Chance| match chance.below(3) {
            0 => chance.of(&BUSY).to_owned(),
            _ => chance.of(&all).to_owned(),
        };
        let names = (0..1 + self.below(12)).map(|_| name(self)).collect();
        let args = (0..self.of(&[0, 0, 1, 1, 1, 2, 3])).map(|_| self.condition()).collect();
        Rule { names, action: self.of(actions), errno_ret: self.errno(), args }
    }

    fn errno(&mut self) -> Option<u32> {
        let errno = 1 + self.below(200) as u32;
        self.of(&[None, Some(38), Some(errno), Some(errno)])
    }

    /// A profile of these actions.
    pub fn profile(&mut self, default: &[Action], actions: &[Action]) -> Seccomp {
        let architectures = (0..self.below(4)).map(|_| self.of(Architecture::ALL)).collect();
        Seccomp {
            default_action: self.of(default),
            default_errno_ret: self.errno(),
            architectures,
            flags: Vec::new(),
            listener_path: None,
            listener_metadata: None,
            syscalls: (0..1 + self.below(40)).map(|_| self.rule(actions)).collect(),
        }
    }

    /// Arguments that are near to what some condition compares with.
    pub fn arguments(&mut self, near: &[Condition]) -> [u64; 6] {
        let mut args = [0; 6].map(|_: u64| self.value());
        if !near.is_empty() {
            for _ in 0..1 + self.below(2) {
                let Condition { index, value, value_two, .. } = self.of(near);
                let value = self.of(&[value, value, value_two]);
                let change = self.of(&[0, 0, 1, u64::MAX]);
                let upper = self.of(&[0, 0, 1 << 32]);
                args[index as usize] = value.wrapping_add(change) ^ upper;
            }
        }
        args
    }
}
