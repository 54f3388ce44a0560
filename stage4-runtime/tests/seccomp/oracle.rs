//! What a profile says about a call, read as its author would: rule by rule, with numbers of 64 bits.
//!
//! No kernel calls. Book: "System calls under a filter" (`seccomp`).
//! Invariant: shares nothing with the compiler but the table of names and numbers.

use stage4_runtime::config::seccomp::{Action, Condition, Operator, Seccomp};
use stage4_runtime::seccomp::arch::Arch;
use stage4_runtime::seccomp::interpret::Call;
use stage4_runtime::seccomp::syscalls::Syscall;
use std::collections::BTreeMap;

pub const KILL_THREAD: u32 = 0;
const ENOSYS: u32 = 0x0005_0000 | 38;

/// A profile on a machine.
pub struct Oracle<'a> {
    profile: &'a Seccomp,
    native: Arch,
    /// Rules by the name of the call.
    rules: BTreeMap<&'a str, Vec<usize>>,
    names: Vec<BTreeMap<u32, &'static str>>,
    /// By architecture, the newest call that has a rule.
    newest: Vec<Option<u32>>,
}

fn value(action: Action, errno: Option<u32>) -> u32 {
    let errno = errno.unwrap_or(1);
    match action {
        Action::KillProcess => 0x8000_0000,
        Action::Kill | Action::KillThread => KILL_THREAD,
        Action::Trap => 0x0003_0000,
        Action::Errno => 0x0005_0000 + errno,
        Action::Notify => 0x7fc0_0000,
        Action::Trace => 0x7ff0_0000 + errno,
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    }
}

fn holds(condition: &Condition, args: &[u64; 6]) -> bool {
    let (argument, wanted) = (args[condition.index as usize], condition.value);
    match condition.op {
        Operator::Equal => argument == wanted,
        Operator::NotEqual => argument != wanted,
        Operator::Less => argument < wanted,
        Operator::LessOrEqual => argument <= wanted,
        Operator::Greater => argument > wanted,
        Operator::GreaterOrEqual => argument >= wanted,
        Operator::MaskedEqual => argument & wanted == condition.value_two & wanted,
    }
}

/// Out of the common sequence of numbers.
fn is_apart(arch: Arch, number: u32) -> bool {
    arch.apart().is_some_and(|(from, to)| from <= number && number <= to)
}

impl<'a> Oracle<'a> {
    pub fn new(profile: &'a Seccomp, native: Arch) -> Self {
        let mut rules: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, rule) in profile.syscalls.iter().enumerate() {
            for name in &rule.names {
                rules.entry(name).or_default().push(place);
            }
        }
        let table = |arch: Arch| {
            Syscall::all()
                .filter_map(|call| Some((call.number(arch)?, call.name())))
                .collect::<BTreeMap<_, _>>()
        };
        let names: Vec<_> = Arch::ALL.map(table).into();
        let newest = |arch: Arch| {
            let named = names[arch as usize].iter().filter(|(_, name)| rules.contains_key(*name));
            named.map(|(number, _)| *number).filter(|number| !is_apart(arch, *number)).max()
        };
        let newest = Arch::ALL.map(newest).into();
        Oracle { profile, native, rules, names, newest }
    }

    fn default(&self) -> u32 {
        value(self.profile.default_action, self.profile.default_errno_ret)
    }

    fn newer(&self) -> u32 {
        if self.profile.default_action == Action::Errno { ENOSYS } else { self.default() }
    }

    fn judges(&self, arch: Arch) -> bool {
        let listed = self.profile.architectures.iter().any(|one| Arch::of(*one) == Some(arch));
        self.native.family().contains(&arch) && (arch == self.native || listed)
    }

    /// What becomes of the call.
    pub fn verdict(&self, call: &Call) -> u32 {
        let x86_64 = Arch::X86_64.audit();
        let arch = match call.arch {
            audit if audit == x86_64 && call.number == u32::MAX && self.judges(Arch::X86_64) => {
                return self.newer();
            }
            audit if audit == x86_64 && call.number >= 0x4000_0000 => Some(Arch::X32),
            audit => Arch::ALL.into_iter().find(|arch| arch.audit() == audit),
        };
        match arch {
            Some(arch) if self.judges(arch) => self.judged(arch, call),
            _ => KILL_THREAD,
        }
    }

    fn judged(&self, arch: Arch, call: &Call) -> u32 {
        let names = &self.names[arch as usize];
        let Some(name) = names.get(&call.number) else { return self.unnamed(arch, call.number) };
        if let Some(verdict) = self.carried(arch, name, call) {
            return verdict;
        }
        match self.rules.contains_key(name) {
            true => self.named(name, &call.args),
            false => self.unnamed(arch, call.number),
        }
    }

    /// The rules that say something else than the default.
    fn rules(&self, name: &str) -> impl Iterator<Item = (&[Condition], u32)> {
        let places = self.rules.get(name).map_or(&[][..], |places| places);
        places
            .iter()
            .map(|place| &self.profile.syscalls[*place])
            .map(|rule| (rule.args.as_slice(), value(rule.action, rule.errno_ret)))
            .filter(|(_, verdict)| *verdict != self.default())
    }

    fn named(&self, name: &str, args: &[u64; 6]) -> u32 {
        if let Some((_, verdict)) = self.rules(name).find(|(conditions, _)| conditions.is_empty()) {
            return verdict;
        }
        let enough = |conditions: &[Condition]| {
            let twice = (0..6).any(|index| conditions.iter().filter(|one| one.index == index).count() > 1);
            match twice {
                true => conditions.iter().any(|condition| holds(condition, args)),
                false => conditions.iter().all(|condition| holds(condition, args)),
            }
        };
        self.rules(name)
            .find(|(conditions, _)| enough(conditions))
            .map_or(self.default(), |(_, verdict)| verdict)
    }

    fn unnamed(&self, arch: Arch, number: u32) -> u32 {
        match self.newest[arch as usize] {
            Some(newest) if number > newest && !is_apart(arch, number) => self.newer(),
            _ => self.default(),
        }
    }

    /// socketcall(2) and ipc(2), where the profile does not speak of themselves.
    fn carried(&self, arch: Arch, carrier: &str, call: &Call) -> Option<u32> {
        let sockets = "socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom \
                       shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg";
        let shared =
            [(1, "semop"), (2, "semget"), (3, "semctl"), (4, "semtimedop"), (11, "msgsnd"), (12, "msgrcv")];
        let memory =
            [(13, "msgget"), (14, "msgctl"), (21, "shmat"), (22, "shmdt"), (23, "shmget"), (24, "shmctl")];
        let name = match carrier {
            _ if arch != Arch::X86 || self.rules.contains_key(carrier) => return None,
            "socketcall" => sockets.split_whitespace().nth((call.args[0] as usize).checked_sub(1)?)?,
            "ipc" => {
                let number = call.args[0] & 0xffff;
                shared.iter().chain(&memory).find(|(code, _)| *code == number)?.1
            }
            _ => return None,
        };
        if let Some((_, verdict)) = self.rules(name).find(|(conditions, _)| conditions.is_empty()) {
            return Some(verdict);
        }
        let strictest =
            self.rules(name).map(|(_, verdict)| verdict).min_by_key(|verdict| *verdict as i32 >> 16)?;
        (strictest as i32 >> 16 < self.default() as i32 >> 16).then_some(strictest)
    }
}
