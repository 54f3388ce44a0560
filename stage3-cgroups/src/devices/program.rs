//! The list of allowed devices as a program for the kernel's virtual machine.
//!
//! BPF instructions: RFC 9669; `struct bpf_cgroup_dev_ctx`, linux/bpf.h. Book: "Devices" (`devices`).
//! Invariant: pure; a program ends, for it only jumps forwards, and at its end it says no.
//!
//! ```text
//! r2 = access_type & 0xffff     block or character
//! r3 = access_type >> 16        what is asked for
//! r4 = major, r5 = minor
//! for each rule:
//!     if r2 != kind goto next   r6 = r3 & ~access; if r6 != 0 goto next
//!     if r4 != major goto next  if r5 != minor goto next
//!     return 1
//! return 0
//! ```
//! A list of what is denied says `return 0`, `return 1`, and asks for `r6 = r3 & access; if r6 == 0 goto next`: to deny
//! one of what is asked for is to deny it.

use super::{Kind, Policy, Rule};

/// Registers.
const R0: u64 = 0;
const CONTEXT: u64 = 1;
const KIND: u64 = 2;
const ASKED: u64 = 3;
const MAJOR: u64 = 4;
const MINOR: u64 = 5;
const REST: u64 = 6;

/// Operations, RFC 9669, sections 4 and 5.
const LOAD_WORD: u64 = 0x61;
const MOVE: u64 = 0xb7;
const MOVE_REGISTER: u64 = 0xbf;
const AND: u64 = 0x54;
const SHIFT_RIGHT: u64 = 0x74;
const JUMP_UNLESS_EQUAL: u64 = 0x55;
const JUMP_IF_EQUAL: u64 = 0x15;
const EXIT: u64 = 0x95;

/// `BPF_DEVCG_DEV_*`
const BLOCK: u32 = 1;
const CHARACTER: u32 = 2;

/// The 64 bits of an instruction: operation, registers, offset, constant.
fn instruction(operation: u64, to: u64, from: u64, offset: i16, constant: u32) -> u64 {
    operation | to << 8 | from << 12 | u64::from(offset as u16) << 16 | u64::from(constant) << 32
}

// ANCHOR: devices
/// The program that allows exactly what the policy allows.
pub fn of(policy: &Policy) -> Vec<u64> {
    let mut program = vec![
        instruction(LOAD_WORD, KIND, CONTEXT, 0, 0),
        instruction(MOVE_REGISTER, ASKED, KIND, 0, 0),
        instruction(AND, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ASKED, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    let (otherwise, rules) = match policy {
        Policy::Only(rules) => (0, rules),
        Policy::AllBut(rules) => (1, rules),
    };
    for rule in rules {
        program.extend(block(rule, 1 - otherwise));
    }
    program.extend([instruction(MOVE, R0, 0, 0, otherwise), instruction(EXIT, 0, 0, 0, 0)]);
    program
}

/// One rule: comparisons that jump behind it, and its answer.
fn block(rule: &Rule, answer: u32) -> Vec<u64> {
    let kind = if rule.kind == Kind::Block { BLOCK } else { CHARACTER };
    let access = match answer {
        1 => Check::None(!rule.access.0 & 0xffff),
        _ => Check::Some(rule.access.0),
    };
    let mut checks = vec![Check::Is(KIND, kind), access];
    checks.extend(rule.major.map(|number| Check::Is(MAJOR, number)));
    checks.extend(rule.minor.map(|number| Check::Is(MINOR, number)));
    let verdict = [instruction(MOVE, R0, 0, 0, answer), instruction(EXIT, 0, 0, 0, 0)];
    let mut left: usize = checks.iter().map(Check::length).sum::<usize>() + verdict.len();
    let mut code = Vec::with_capacity(left);
    for check in checks {
        left -= check.length();
        // A jump counts from the instruction after it.
        code.extend(check.code(left as i16));
    }
    code.extend(verdict);
    code
}
// ANCHOR_END: devices

enum Check {
    /// This register holds this number.
    Is(u64, u32),
    /// Nothing of these bits is asked for.
    None(u32),
    /// Something of these bits is asked for.
    Some(u32),
}

impl Check {
    fn length(&self) -> usize {
        match self {
            Check::Is(..) => 1,
            Check::None(_) | Check::Some(_) => 3,
        }
    }

    fn code(&self, behind: i16) -> Vec<u64> {
        match *self {
            Check::Is(register, number) => vec![instruction(JUMP_UNLESS_EQUAL, register, 0, behind, number)],
            Check::None(bits) => Check::masked(bits, JUMP_UNLESS_EQUAL, behind),
            Check::Some(bits) => Check::masked(bits, JUMP_IF_EQUAL, behind),
        }
    }

    fn masked(bits: u32, jump: u64, behind: i16) -> Vec<u64> {
        vec![
            instruction(MOVE_REGISTER, REST, ASKED, 0, 0),
            instruction(AND, REST, 0, 0, bits),
            instruction(jump, REST, 0, behind, 0),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would.
    fn run(program: &[u64], access_type: u32, major: u32, minor: u32) -> u64 {
        let context = [access_type, major, minor];
        let mut registers = [0u64; 11];
        let mut at = 0;
        loop {
            let i = program[at];
            let (operation, to, from) = (i & 0xff, (i >> 8 & 15) as usize, (i >> 12 & 15) as usize);
            let (offset, constant) = ((i >> 16) as i16, (i >> 32) as u32);
            at += 1;
            match operation {
                LOAD_WORD => registers[to] = context[offset as usize / 4].into(),
                MOVE => registers[to] = constant.into(),
                MOVE_REGISTER => registers[to] = registers[from],
                AND => registers[to] &= u64::from(constant),
                SHIFT_RIGHT => registers[to] >>= constant,
                JUMP_UNLESS_EQUAL if registers[to] != u64::from(constant) => at += offset as usize,
                JUMP_IF_EQUAL if registers[to] == u64::from(constant) => at += offset as usize,
                JUMP_UNLESS_EQUAL | JUMP_IF_EQUAL => (),
                EXIT => return registers[0],
                other => panic!("{other:#x}"),
            }
        }
    }

    #[test]
    fn devices_program_says_yes_to_the_list_and_no_to_the_rest() {
        let rules: Vec<Rule> =
            ["c 1:3 rw", "c 5:* rwm", "b *:* m"].iter().map(|r| r.parse().unwrap()).collect();
        let program = of(&Policy::Only(rules));
        let ask = |kind: u32, access: u32, major, minor| run(&program, access << 16 | kind, major, minor);
        assert_eq!(ask(CHARACTER, 2, 1, 3), 1, "read /dev/null");
        assert_eq!(ask(CHARACTER, 6, 1, 3), 1);
        assert_eq!(ask(CHARACTER, 1, 1, 3), 0, "mknod is not in the rule");
        assert_eq!(ask(CHARACTER, 3, 1, 3), 0, "half of it is not enough");
        assert_eq!(ask(CHARACTER, 2, 1, 5), 0);
        assert_eq!(ask(BLOCK, 2, 1, 3), 0);
        assert_eq!(ask(CHARACTER, 7, 5, 200), 1, "every minor");
        assert_eq!((ask(BLOCK, 1, 8, 0), ask(BLOCK, 2, 8, 0)), (1, 0));
        assert_eq!(run(&of(&Policy::Only(Vec::new())), 2 << 16 | CHARACTER, 1, 3), 0, "no rule, no device");
    }

    #[test]
    fn devices_program_says_no_to_a_list_and_yes_to_the_rest() {
        let rules: Vec<Rule> = ["c 1:3 w", "b 8:* rwm"].iter().map(|r| r.parse().unwrap()).collect();
        let program = of(&Policy::AllBut(rules));
        let ask = |kind: u32, access: u32, major, minor| run(&program, access << 16 | kind, major, minor);
        assert_eq!((ask(CHARACTER, 2, 1, 3), ask(CHARACTER, 4, 1, 3)), (1, 0));
        assert_eq!(ask(CHARACTER, 6, 1, 3), 0, "half of it is denied");
        assert_eq!((ask(BLOCK, 2, 8, 7), ask(BLOCK, 2, 9, 7), ask(CHARACTER, 7, 1, 5)), (0, 1, 1));
        assert_eq!(run(&of(&Policy::AllBut(Vec::new())), 7 << 16 | BLOCK, 1, 3), 1);
    }
}
