//! Calls of 32-bit Intel that are made through another call.
//!
//! socketcall(2), ipc(2); linux/net.h, linux/ipc.h. Book: "System calls under a filter" (`seccomp`).
//! Invariant: what a profile refuses cannot be had through the door beside it.
//!
//! Until Linux 4.3 and 5.1 there was no other way, and C libraries still go it. The number of the call is the first
//! argument; its own arguments are in memory, where no filter looks. So a rule with conditions cannot be kept here, and
//! the stricter of its verdict and the default's holds for all such calls.

use super::rules::{Decision, Decisions, Rule};
use super::syscalls::Syscall;
use crate::config::seccomp::{Condition, Operator};

/// A call and the condition by which it is known inside its carrier.
type Member = (&'static str, Condition);

const fn socket(name: &'static str, number: u64) -> Member {
    (name, Condition { index: 0, value: number, value_two: 0, op: Operator::Equal })
}

const fn ipc(name: &'static str, number: u64) -> Member {
    // ipc/syscall.c: the upper 16 bits are a version and do not change the call.
    (name, Condition { index: 0, value: 0xffff, value_two: number, op: Operator::MaskedEqual })
}

/// linux/net.h
static SOCKETCALL: [Member; 20] = [
    socket("socket", 1),
    socket("bind", 2),
    socket("connect", 3),
    socket("listen", 4),
    socket("accept", 5),
    socket("getsockname", 6),
    socket("getpeername", 7),
    socket("socketpair", 8),
    socket("send", 9),
    socket("recv", 10),
    socket("sendto", 11),
    socket("recvfrom", 12),
    socket("shutdown", 13),
    socket("setsockopt", 14),
    socket("getsockopt", 15),
    socket("sendmsg", 16),
    socket("recvmsg", 17),
    socket("accept4", 18),
    socket("recvmmsg", 19),
    socket("sendmmsg", 20),
];

/// linux/ipc.h
static IPC: [Member; 11] = [
    ipc("semop", 1),
    ipc("semget", 2),
    ipc("semctl", 3),
    ipc("semtimedop", 4),
    ipc("msgsnd", 11),
    ipc("msgrcv", 12),
    ipc("msgget", 13),
    ipc("msgctl", 14),
    ipc("shmat", 21),
    ipc("shmdt", 22),
    ipc("shmget", 23),
];

/// `shmctl` is the twelfth.
static SHMCTL: [Member; 1] = [ipc("shmctl", 24)];

/// The carriers, with the rules that the profile's rules for their members mean for them.
///
/// None for a carrier that the profile names: then it has said what it wants.
pub fn carriers<'a>(decisions: &Decisions<'a>) -> Vec<(Syscall, Vec<Rule<'a>>)> {
    let rules = |members: &'static [Member]| -> Vec<Rule<'a>> {
        members.iter().filter_map(|member| rule(member, decisions)).collect()
    };
    let ipc = || rules(&IPC).into_iter().chain(rules(&SHMCTL)).collect();
    [("socketcall", rules(&SOCKETCALL)), ("ipc", ipc())]
        .into_iter()
        .filter_map(|(name, rules)| Some((Syscall::named(name)?, rules)))
        .filter(|(carrier, rules)| !decisions.names(*carrier) && !rules.is_empty())
        .collect()
}

fn rule<'a>(member: &'static Member, decisions: &Decisions<'a>) -> Option<Rule<'a>> {
    let (name, condition) = member;
    let (verdict, place) = match decisions.about(Syscall::named(name)?)? {
        Decision::Always(verdict, place) => (*verdict, *place),
        Decision::Depends(rules) => {
            let strictest = rules.iter().min_by_key(|rule| rule.verdict.mildness())?;
            (strictest.verdict, strictest.place)
        }
    };
    let always = matches!(decisions.about(Syscall::named(name)?), Some(Decision::Always(..)));
    let stricter = verdict.mildness() < decisions.default.mildness();
    (always || stricter).then(|| Rule { conditions: std::slice::from_ref(condition), verdict, place })
}
