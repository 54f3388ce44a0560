//! A process in the words of config.json, and in the kernel's.
//!
//! No kernel calls. Book: "The process" (`process`).
//! Invariant: the numbers that are expected here are those of the kernel's headers.

use super::*;
use crate::config::process::Capabilities;

const ALL: Grantable = Grantable { known: (1 << 41) - 1, held: (1 << 41) - 1 };

fn process(json: &str) -> Process {
    serde_json::from_str(json).unwrap()
}

fn planned(json: &str) -> Result<ProcessPlan, Fault> {
    ProcessPlan::of(&process(json), &Linux::default(), At::Top.key("process"), ALL, &mut Vec::new())
}

fn texts(strings: &[CString]) -> Vec<&str> {
    strings.iter().map(|string| string.to_str().unwrap()).collect()
}

#[test]
fn process_strings_are_those_of_the_file_and_of_a_double_variable_the_last() {
    let plan =
        planned(r#"{"cwd":"/w","args":["sh","-c",""],"env":["A=1","PATH=/x:/y","B=","A=2=3"]}"#).unwrap();
    assert_eq!(texts(&plan.arguments), ["sh", "-c", ""]);
    assert_eq!(texts(&plan.environment), ["A=2=3", "PATH=/x:/y", "B="]);
    assert_eq!(texts(&plan.candidates), ["/x/sh", "/y/sh"]);
    assert!(plan.is_homeless());
    assert_eq!((plan.directory.to_str(), plan.user.umask), (Ok("/w"), 0o022));
}

#[test]
fn process_without_a_path_is_looked_for_where_shells_look() {
    let tried = |json: &str| texts(&planned(json).unwrap().candidates).len();
    assert_eq!(tried(r#"{"cwd":"/","args":["sh"]}"#), 6);
    assert_eq!(tried(r#"{"cwd":"/","args":["sh"],"env":["PATH="]}"#), 0);
    assert_eq!(tried(r#"{"cwd":"/","args":["./sh"]}"#), 1);
}

#[test]
fn process_with_a_zero_byte_is_refused_with_its_path() {
    let fault = planned(r#"{"cwd":"/","args":["sh","a\u0000b"]}"#).unwrap_err();
    assert!(fault.path.ends_with("args[1]") && fault.what.contains("zero byte"), "{fault}");
}

#[test]
fn process_numbers_are_the_kernels() {
    let plan = planned(
        r#"{"cwd":"/","args":["x"],"oomScoreAdj":-17,"ioPriority":{"class":"IOPRIO_CLASS_IDLE","priority":5},
            "scheduler":{"policy":"SCHED_DEADLINE","runtime":1000000,"deadline":2000000,"period":3000000,
                         "flags":["SCHED_FLAG_RESET_ON_FORK","SCHED_FLAG_RECLAIM"]},
            "execCPUAffinity":{"initial":"0-1,64","final":"3"},"terminal":true,
            "consoleSize":{"height":24,"width":80},"user":{"uid":1,"gid":2,"umask":63,"additionalGids":[5,6]}}"#,
    )
    .unwrap();
    assert_eq!(plan.oom_score_adj, Some(-17));
    assert_eq!(plan.scheduling.io_priority, Some(3 << 13 | 5));
    let policy = plan.scheduling.policy.unwrap();
    assert_eq!((policy.policy, policy.flags, policy.runtime, policy.period), (6, 3, 1_000_000, 3_000_000));
    assert_eq!(plan.scheduling.initial, Some(Numbers(vec![3, 1])));
    assert_eq!(plan.scheduling.last, Some(Numbers(vec![8])));
    assert_eq!(plan.terminal, Some(TerminalPlan { size: Some((24, 80)) }));
    assert_eq!(plan.user, UserPlan { uid: 1, gid: 2, groups: vec![5, 6], umask: 0o077 });
}

#[test]
fn process_memory_policy_and_personality_are_the_kernels_numbers() {
    let linux: Linux = serde_json::from_str(
        r#"{"personality":{"domain":"LINUX32"},
            "memoryPolicy":{"mode":"MPOL_BIND","nodes":"0,2-3","flags":["MPOL_F_STATIC_NODES"]}}"#,
    )
    .unwrap();
    let plan = ProcessPlan::of(
        &process(r#"{"cwd":"/","args":["x"]}"#),
        &linux,
        At::Top.key("process"),
        ALL,
        &mut Vec::new(),
    )
    .unwrap();
    assert_eq!(plan.personality, Some(8));
    assert_eq!(plan.memory_policy, Some(MemoryPlan { mode: 2 | 1 << 15, nodes: Numbers(vec![0b1101]) }));
}

fn sets(capabilities: Capabilities, grantable: Grantable) -> (Sets, Vec<String>) {
    let process = Process { capabilities: Some(capabilities), ..Default::default() };
    let mut warnings = Vec::new();
    let sets = Sets::of(&process, At::Top.key("capabilities"), grantable, &mut warnings);
    (sets, warnings.iter().map(ToString::to_string).collect())
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn capabilities_are_bits_and_what_cannot_be_given_is_a_warning_and_in_no_set() {
    let grantable = Grantable { known: (1 << 40) - 1, held: ((1 << 40) - 1) & !(1 << 24) };
    let asked = Capabilities {
        bounding: named(&["CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_CHECKPOINT_RESTORE", "CAP_NO_SUCH"]),
        effective: named(&["CAP_CHOWN", "CAP_KILL"]),
        permitted: named(&["CAP_CHOWN"]),
        ..Default::default()
    };
    let (sets, warnings) = sets(asked, grantable);
    assert_eq!((sets.bounding, sets.effective, sets.permitted), (1, 1, 1));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("capabilities.bounding[1]") && warnings[0].contains("not ours"),
        "{warnings:?}"
    );
    assert!(warnings[1].contains("not known to this kernel"), "{warnings:?}");
}

#[test]
fn capabilities_ambient_are_only_those_that_are_permitted_and_inheritable() {
    let asked = |inheritable: &[&str]| Capabilities {
        permitted: named(&["CAP_KILL"]),
        inheritable: named(inheritable),
        ambient: named(&["CAP_KILL"]),
        ..Default::default()
    };
    assert_eq!(sets(asked(&["CAP_KILL"]), ALL).0.ambient, 1 << 5);
    let (sets, warnings) = sets(asked(&[]), ALL);
    assert_eq!(sets.ambient, 0);
    assert!(warnings[0].contains("capabilities.ambient") && warnings[0].contains("CAP_KILL"), "{warnings:?}");
}

#[test]
fn capabilities_that_nobody_asks_for_are_none() {
    let plan = planned(r#"{"cwd":"/","args":["x"]}"#).unwrap();
    assert_eq!(plan.capabilities, Sets::default());
}

#[test]
fn capabilities_names_are_the_kernels_numbers() {
    // linux/capability.h
    for (name, number) in
        [("CAP_CHOWN", 0), ("CAP_SYS_ADMIN", 21), ("CAP_SYSLOG", 34), ("CAP_CHECKPOINT_RESTORE", 40)]
    {
        assert_eq!(capabilities::names(1 << number), [name]);
    }
}

#[test]
fn lists_of_numbers_are_read_or_refused() {
    let parse = |text: &str| Numbers::parse(text, 128, At::Top.key("x"));
    assert_eq!(parse("").unwrap(), Numbers(vec![]));
    assert_eq!(parse("0-2, 5,127").unwrap(), Numbers(vec![0b10_0111, 1 << 63]));
    for bad in ["a", "1-", "-1", "3-2", "128", "0-128", "1,,2", "+1", "1-2-3", "0x1"] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}
