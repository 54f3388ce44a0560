//! Profiles against the oracle, and what is wrong with a profile.
//!
//! No kernel calls. Book: "System calls under a filter" (`seccomp`).
//! Invariant: every call of every architecture is asked about, and the numbers beside it.

use super::chance::Chance;
use super::oracle::Oracle;
use stage4_runtime::config::check::Findings;
use stage4_runtime::config::fault::At;
use stage4_runtime::config::seccomp::{Action, Condition, Operator, Rule, Seccomp};
use stage4_runtime::seccomp::interpret::{Call, interpret};
use stage4_runtime::seccomp::program::operation;
use stage4_runtime::seccomp::syscalls::Syscall;
use stage4_runtime::seccomp::{Arch, Program, compile};
use std::collections::BTreeMap;

/// The usual profile of containers: moby's and containers-common's list of calls, with the address families and
/// personalities that are allowed and not those that are not.
pub const USUAL: &str = include_str!("default.json");

pub fn profile(json: &str) -> Seccomp {
    serde_json::from_str(json).unwrap()
}

/// Asks program and oracle about all numbers that mean something, and their neighbours; how often they were asked.
fn compare(profile: &Seccomp, native: Arch, chance: &mut Chance) -> usize {
    let program = compile(profile, native).unwrap();
    let oracle = Oracle::new(profile, native);
    let mut conditions: BTreeMap<&str, Vec<Condition>> = BTreeMap::new();
    for rule in &profile.syscalls {
        rule.names.iter().for_each(|name| conditions.entry(name).or_default().extend(&rule.args));
    }
    let mut asked = 0;
    for arch in Arch::ALL {
        let known = Syscall::all().filter_map(|call| Some((call.number(arch)?, call.name())));
        let names: BTreeMap<u32, &str> = known.collect();
        let mut numbers: Vec<u32> = names.keys().flat_map(|number| [*number, number + 1]).collect();
        numbers.extend([400, 500, 600, 0x3fff_ffff, 0x4000_0000, 0x4000_0600, u32::MAX - 1, u32::MAX]);
        for number in numbers {
            let name = names.get(&number).copied().unwrap_or_default();
            let near = conditions.get(name).map_or(&[][..], |near| near);
            let carrier = matches!(name, "socketcall" | "ipc");
            for _ in 0..if near.is_empty() && !carrier { 1 } else { 30 } {
                let args = if carrier {
                    [chance.below(26) as u64 | chance.of(&[0, 0, 1 << 16]); 6]
                } else {
                    chance.arguments(near)
                };
                let args = if arch.is_wide() { args } else { args.map(|arg| arg & 0xffff_ffff) };
                let call = Call { number, arch: arch.audit(), instruction_pointer: 0, args };
                let verdict = interpret(&program.instructions, &call).unwrap();
                assert_eq!(
                    verdict.0,
                    oracle.verdict(&call),
                    "{native}, {arch} {name}: {call:x?}\n{profile:#?}"
                );
                asked += 1;
            }
        }
    }
    asked
}

const NATIVE: [Arch; 5] = [Arch::X86_64, Arch::X86, Arch::Aarch64, Arch::Arm, Arch::Riscv64];

#[test]
fn seccomp_usual_profile_compiles_to_what_it_says() {
    let usual = profile(USUAL);
    let mut chance = Chance::new(1);
    for native in NATIVE {
        assert!(compare(&usual, native, &mut chance) > 3000);
    }
    let program = compile(&usual, Arch::X86_64).unwrap();
    assert_eq!((program.unknown.len(), program.overruled.len()), (0, 0));
    // libseccomp 2.5.4 needs 1014 for it.
    assert!(program.instructions.len() < 300, "{}", program.instructions.len());
    assert!(longest_way(&program) <= 30, "{}", longest_way(&program));
}

/// How many instructions one call takes at most; jumps are forwards, so it is found from the end.
fn longest_way(program: &Program) -> usize {
    let mut ways: Vec<usize> = Vec::new();
    for one in program.instructions.iter().rev() {
        let from = |skip: usize| ways[ways.len() - 1 - skip];
        let rest = match one.code {
            operation::RETURN => 0,
            operation::LOAD | operation::AND => from(0),
            operation::JUMP => from(one.k as usize),
            _ => from(one.jt.into()).max(from(one.jf.into())),
        };
        ways.push(rest + 1);
    }
    ways[ways.len() - 1]
}

#[test]
fn seccomp_ways_stay_short_where_no_two_neighbours_agree() {
    let even = Syscall::all().filter(|call| call.number(Arch::X86_64).is_some_and(|number| number % 2 == 0));
    let names: Vec<String> = even.map(|call| call.name().to_owned()).collect();
    assert!(names.len() > 150);
    let program =
        compile(&of_rules(Action::Allow, vec![Rule { names, ..one(Action::Errno, 1, &[]) }]), Arch::X86_64);
    assert!(longest_way(&program.unwrap()) <= 14);
}

#[test]
fn seccomp_profiles_by_chance_compile_to_what_they_say() {
    let all: Vec<Action> = Action::ALL.iter().copied().filter(|action| *action != Action::Notify).collect();
    for seed in 1..=40 {
        let mut chance = Chance::new(seed);
        let profile = chance.profile(&all, Action::ALL);
        let native = NATIVE[seed as usize % NATIVE.len()];
        compare(&profile, native, &mut chance);
    }
}

/// A rule for `socket` with these conditions on its first argument.
fn one(action: Action, errno: u32, conditions: &[(Operator, u64)]) -> Rule {
    let condition =
        |(op, value): &(Operator, u64)| Condition { index: 0, value: *value, value_two: 0, op: *op };
    let errno_ret = (action == Action::Errno).then_some(errno);
    Rule {
        names: vec!["socket".to_owned()],
        action,
        errno_ret,
        args: conditions.iter().map(condition).collect(),
    }
}

fn of_rules(default_action: Action, syscalls: Vec<Rule>) -> Seccomp {
    let usual = profile(r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#);
    Seccomp { default_action, syscalls, ..usual }
}

fn socket(program: &Program, family: u64) -> String {
    let number = Syscall::named("socket").unwrap().number(Arch::X86_64).unwrap();
    let call = Call { number, arch: Arch::X86_64.audit(), args: [family, 0, 0, 0, 0, 0], ..Call::default() };
    interpret(&program.instructions, &call).unwrap().to_string()
}

#[test]
fn seccomp_rules_are_combined_as_profiles_expect() {
    let ask = |rules: &[Rule], family| {
        let program = compile(&of_rules(Action::Errno, rules.to_vec()), Arch::X86_64).unwrap();
        (socket(&program, family), program.overruled.len())
    };
    let (low, high) =
        (one(Action::Allow, 0, &[(Operator::Less, 10)]), one(Action::Log, 0, &[(Operator::Greater, 20)]));
    let both = [low.clone(), high];
    assert_eq!(ask(&both, 9), ("allow".into(), 0), "any rule that holds");
    assert_eq!(ask(&both, 21), ("allow and log".into(), 0));
    assert_eq!(ask(&both, 15), ("fail with EPERM".into(), 0), "none holds: the default");
    let overlapping = [low.clone(), one(Action::Log, 0, &[(Operator::Less, 20)])];
    assert_eq!(ask(&overlapping, 5).0, "allow", "the first of two that hold");
    assert_eq!(ask(&overlapping, 15).0, "allow and log");
    // Without conditions it decides alone, and the caller is told whom it silenced.
    let always = one(Action::Errno, 13, &[]);
    assert_eq!(ask(&[low.clone(), always.clone()], 5), ("fail with EACCES".into(), 1));
    assert_eq!(ask(&[always, low.clone()], 5), ("fail with EACCES".into(), 1));
    // What the default says anyway is left out, as runc does.
    assert_eq!(ask(&[low, one(Action::Errno, 1, &[])], 5), ("allow".into(), 0));
    // Two conditions on one argument: either is enough, so "neither 38 nor 40" allows everything.
    let neither = one(Action::Allow, 0, &[(Operator::NotEqual, 38), (Operator::NotEqual, 40)]);
    assert_eq!(ask(&[neither], 40).0, "allow");
}

#[test]
fn seccomp_calls_newer_than_the_profile_do_not_exist() {
    let names = |names: &[&str]| Rule {
        names: names.iter().map(ToString::to_string).collect(),
        ..one(Action::Allow, 0, &[])
    };
    let ask = |default, number| {
        let program = compile(&of_rules(default, vec![names(&["read", "openat2"])]), Arch::X86_64).unwrap();
        let call = Call { number, arch: Arch::X86_64.audit(), ..Call::default() };
        interpret(&program.instructions, &call).unwrap().to_string()
    };
    assert_eq!(ask(Action::Errno, 436), "fail with EPERM", "close_range is older than openat2");
    assert_eq!(ask(Action::Errno, 437), "allow");
    assert_eq!(ask(Action::Errno, 438), "fail with ENOSYS", "pidfd_getfd is newer");
    assert_eq!(ask(Action::Errno, 0x4000_0000), "kill the thread", "x32 is not judged");
    assert_eq!(ask(Action::KillProcess, 438), "kill the process", "who says kill gets it");
    assert_eq!(ask(Action::Allow, 438), "allow");
}

#[test]
fn seccomp_names_nobody_knows_are_told() {
    let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["raed", "read", "raed", "socketcall"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["read"], "action": "SCMP_ACT_KILL"}]}"#;
    let program = compile(&profile(json), Arch::X86_64).unwrap();
    assert_eq!(program.unknown, ["raed"], "socketcall is known, if not here");
    let warnings: Vec<String> = program.warnings().collect();
    assert_eq!(
        warnings,
        ["linux.seccomp: syscalls[1] decides nothing about read: syscalls[0] does, unconditionally"]
    );
}

#[test]
fn seccomp_jumps_of_any_length_arrive() {
    // Every call with rules of its own: more than 255 instructions between the tree and its leaves.
    let rule = |(place, call): (usize, Syscall)| Rule {
        names: vec![call.name().to_owned()],
        ..one(
            Action::Errno,
            place as u32 + 2,
            &[(Operator::Greater, 1000 + place as u64), (Operator::Less, 3)],
        )
    };
    let profile = of_rules(Action::Errno, Syscall::all().enumerate().map(rule).collect());
    let program = compile(&profile, Arch::X86_64).unwrap();
    assert!(program.instructions.len() > 1500, "{}", program.instructions.len());
    assert!(program.instructions.iter().any(|one| one.code == operation::JUMP && one.k > 255));
    compare(&profile, Arch::X86_64, &mut Chance::new(7));
}

#[test]
fn seccomp_programs_longer_than_the_kernel_takes_are_errors() {
    let conditions = |place: u64| [(Operator::Equal, place << 32 | place)];
    let rules = (0..3000).map(|place| one(Action::Errno, (place % 4000) as u32 + 2, &conditions(place)));
    let error = compile(&of_rules(Action::Errno, rules.collect()), Arch::X86_64).unwrap_err();
    assert!(error.to_string().contains("the kernel takes 4096"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn seccomp_faults_name_path_value_and_rule() {
    let cases = [
        (
            r#""syscalls": [{"names": [], "action": "SCMP_ACT_ALLOW"}]"#,
            "linux.seccomp.syscalls[0].names",
            "at least one",
        ),
        (
            r#""syscalls": [{"names": ["read", ""], "action": "SCMP_ACT_ALLOW"}]"#,
            "linux.seccomp.syscalls[0].names[1]",
            "no name",
        ),
        (
            r#""syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1}]"#,
            "linux.seccomp.syscalls[0].errnoRet",
            "1: SCMP_ACT_ALLOW has no errno",
        ),
        (
            r#""syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096}]"#,
            "linux.seccomp.syscalls[0].errnoRet",
            "4096: an errno is at most 4095",
        ),
        (
            r#""syscalls": [{"names": ["read"], "action": "SCMP_ACT_TRACE", "errnoRet": 65536}]"#,
            "linux.seccomp.syscalls[0].errnoRet",
            "at most 65535",
        ),
        (
            r#""syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}]"#,
            "linux.seccomp.syscalls[0].args[0].index",
            "6: a system call has the arguments 0 to 5",
        ),
        (
            r#""syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}], "listenerPath": "run/a""#,
            "linux.seccomp.listenerPath",
            "must be absolute",
        ),
        (
            r#""syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]"#,
            "linux.seccomp.listenerPath",
            "nobody would answer",
        ),
        (r#""listenerMetadata": "x""#, "linux.seccomp.listenerMetadata", "without listenerPath"),
        (
            r#""flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]"#,
            "linux.seccomp.flags[1]",
            "nothing says SCMP_ACT_NOTIFY",
        ),
    ];
    for (json, path, what) in cases {
        let profile = profile(&format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", {json}}}"#));
        let mut findings = Findings::default();
        profile.check(&At::Top.key("linux").key("seccomp"), &mut findings);
        let found: Vec<String> =
            findings.faults.iter().map(|fault| format!("{} | {}", fault.path, fault.what)).collect();
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("{path} | ")) && found[0].contains(what),
            "{found:?}"
        );
    }
    let mut findings = Findings::default();
    let default = profile(r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}"#);
    default.check(&At::Top.key("linux").key("seccomp"), &mut findings);
    profile(r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#).check(&At::Top, &mut findings);
    let paths: Vec<&str> = findings.faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["linux.seccomp.defaultErrnoRet", "listenerPath"]);
    let mut findings = Findings::default();
    profile(USUAL).check(&At::Top, &mut findings);
    assert!(findings.faults.is_empty());
}

#[test]
fn seccomp_words_that_the_specification_lacks_are_refused() {
    for json in [
        r#"{"defaultAction": "SCMP_ACT_ALOW"}"#,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_VAX"]}"#,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}"#,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"]}]}"#,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_KILL",
            "args": [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]}]}"#,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_KILL",
            "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_IN"}]}]}"#,
    ] {
        assert!(serde_json::from_str::<Seccomp>(json).is_err(), "{json}");
    }
}
