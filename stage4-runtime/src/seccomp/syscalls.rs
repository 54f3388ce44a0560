//! The names and numbers of system calls.
//!
//! asm/unistd.h as of Linux 6.17; syscalls(2). Book: "System calls under a filter" (`seccomp`).
//! Invariant: sorted by name, no name twice, and no number twice for one architecture.

use super::arch::{Arch, X32_BIT};

/// No such call there.
const NO: u32 = u32::MAX;

/// Name, and number for each of [`Arch::ALL`].
static TABLE: &[(&str, [u32; 6])] = include!("syscalls/numbers.in");

/// A system call by its place in the table: the same for every architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Syscall(u16);

impl Syscall {
    /// How many there are.
    pub const COUNT: usize = TABLE.len();

    /// All, by name.
    pub fn all() -> impl Iterator<Item = Syscall> {
        (0..TABLE.len() as u16).map(Syscall)
    }

    /// The call of this name, on whichever architecture.
    pub fn named(name: &str) -> Option<Syscall> {
        // asm/unistd.h of arm has both names for one number.
        let name = if name == "arm_sync_file_range" { "sync_file_range2" } else { name };
        TABLE.binary_search_by_key(&name, |(name, _)| name).ok().map(|place| Syscall(place as u16))
    }

    /// The call that has this number there.
    pub fn numbered(number: u32, arch: Arch) -> Option<Syscall> {
        Self::all().find(|call| call.number(arch) == Some(number))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        TABLE[self.place()].0
    }

    /// Its number there, as the kernel shows it to a filter.
    pub fn number(self, arch: Arch) -> Option<u32> {
        let bit = if arch == Arch::X32 { X32_BIT } else { 0 };
        let number = TABLE[self.place()].1[arch as usize];
        (number != NO).then_some(number | bit)
    }

    /// Its place in a table of all.
    pub fn place(self) -> usize {
        usize::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn seccomp_table_is_sorted_and_complete() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        for (name, newest) in [("file_setattr", 469), ("mseal", 462)] {
            let call = Syscall::named(name).unwrap();
            for arch in Arch::ALL {
                let bit = if arch == Arch::X32 { X32_BIT } else { 0 };
                assert_eq!(call.number(arch), Some(newest | bit), "{name} {arch}");
            }
        }
        let number = |name: &str, arch| Syscall::named(name).unwrap().number(arch);
        assert_eq!(number("execve", Arch::X32), Some(X32_BIT | 520));
        assert_eq!(number("set_tls", Arch::Arm), Some(0xf_0005));
        assert_eq!((number("socketcall", Arch::X86), number("socketcall", Arch::X86_64)), (Some(102), None));
        assert!(Syscall::named("no_such_call").is_none());
    }

    #[test]
    fn seccomp_numbers_mean_one_call() {
        for arch in Arch::ALL {
            let mut seen = BTreeMap::new();
            for call in Syscall::all() {
                let Some(number) = call.number(arch) else { continue };
                let before = seen.insert(number, call.name());
                assert_eq!(before, None, "{arch} {number}: {}", call.name());
                assert_eq!(Syscall::numbered(number, arch), Some(call));
            }
        }
    }

    /// The headers of this machine are of another kernel, but no number ever changes its meaning.
    #[test]
    fn seccomp_table_agrees_with_the_headers_here() {
        let mut compared = 0;
        for (file, arch) in [("64", Arch::X86_64), ("32", Arch::X86), ("x32", Arch::X32)] {
            let places = ["/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm"];
            let text =
                places.iter().find_map(|at| std::fs::read_to_string(format!("{at}/unistd_{file}.h")).ok());
            for line in text.iter().flat_map(|text| text.lines()) {
                let Some((name, value)) =
                    line.strip_prefix("#define __NR_").and_then(|rest| rest.split_once(' '))
                else {
                    continue;
                };
                let value = value.trim_matches(['(', ')']);
                let (bit, value) = match value.strip_prefix("__X32_SYSCALL_BIT + ") {
                    Some(value) => (X32_BIT, value),
                    None => (0, value),
                };
                let call = Syscall::named(name).and_then(|call| call.number(arch));
                if value.parse::<u32>().is_ok_and(|value| value > 469 && value < 512) {
                    continue; // Newer than our table.
                }
                assert_eq!(call, value.parse().ok().map(|value: u32| value | bit), "{arch} {name}");
                compared += 1;
            }
        }
        if compared == 0 {
            observe::skip::skip(
                "seccomp_table_agrees_with_the_headers_here",
                "no headers: apt-get install linux-libc-dev",
            );
        }
    }
}
