//! When and where it runs: policy, processors, disk, memory, domain.

use crate::ground::{Claim, Ground, line, needs_root, plan, plan_with, skip};
use stage4_runtime::last_acts::Who;

pub const CLAIMS: &[Claim] = &[
    ("schedule_policies_are_what_was_asked", policies),
    ("schedule_real_time_is_what_was_asked", real_time),
    ("schedule_deadline_is_what_was_asked", deadline),
    ("schedule_that_cannot_be_is_refused_with_its_property", refused),
    ("schedule_io_priority_is_what_was_asked", io_priority),
    ("schedule_affinity_is_the_visitors_alone", affinity),
    ("oom_score_adj_is_what_was_asked", oom_score),
    ("oom_score_adj_is_not_lowered_in_silence", oom_score_lowered),
    ("personality_is_what_was_asked", personality),
    ("memory_policy_is_what_was_asked", memory_policy),
    ("memory_policy_of_a_node_that_is_not_there_is_refused", memory_policy_refused),
];

/// Fields of /proc/PID/stat by their number in proc_pid_stat(5), of the shell itself.
fn stat(scheduler: &str, ground: &Ground) -> Result<Vec<i128>, String> {
    let plan = plan("cat /proc/$$/stat", &format!(r#"{{"scheduler":{scheduler}}}"#));
    let outcome = ground.run(&plan);
    if outcome.status != 0 {
        return Err(outcome.said);
    }
    let after = outcome.said.rsplit_once(") ").unwrap().1;
    // The third field is a letter.
    Ok(std::iter::repeat_n(0, 3)
        .chain(after.split_whitespace().skip(1).map(|field| field.parse().unwrap()))
        .collect())
}

const NICE: usize = 18;
const RT_PRIORITY: usize = 39;
const POLICY: usize = 40;

fn policies() {
    for (scheduler, policy, nice) in [
        (r#"{"policy":"SCHED_OTHER","nice":7}"#, 0, 7),
        (r#"{"policy":"SCHED_BATCH","nice":3}"#, 3, 3),
        (r#"{"policy":"SCHED_IDLE"}"#, 5, 0),
        (r#"{"policy":"SCHED_BATCH","nice":3,"flags":["SCHED_FLAG_RESET_ON_FORK"]}"#, 3, 3),
    ] {
        let fields = stat(scheduler, &Ground::default()).unwrap();
        assert_eq!((fields[POLICY], fields[NICE]), (policy, nice), "{scheduler}");
    }
}

fn real_time() {
    if !needs_root() {
        return;
    }
    for (scheduler, policy, priority) in [
        (r#"{"policy":"SCHED_FIFO","priority":4}"#, 1, 4),
        (r#"{"policy":"SCHED_RR","priority":9,"flags":["SCHED_FLAG_RESET_ON_FORK"]}"#, 2, 9),
    ] {
        match stat(scheduler, &Ground::default()) {
            Ok(fields) => {
                assert_eq!((fields[POLICY], fields[RT_PRIORITY]), (policy, priority), "{scheduler}")
            }
            Err(said) if said.contains("EPERM") => {
                skip(&format!("no real-time budget in this cgroup: {said}"))
            }
            Err(said) => panic!("{said}"),
        }
    }
}

fn deadline() {
    if !needs_root() {
        return;
    }
    let scheduler = r#"{"policy":"SCHED_DEADLINE","runtime":2000000,"deadline":40000000,"period":80000000,
                        "flags":["SCHED_FLAG_RESET_ON_FORK"]}"#;
    match stat(scheduler, &Ground::default()) {
        Ok(fields) => assert_eq!(fields[POLICY], 6),
        Err(said) if said.contains("EPERM") || said.contains("EBUSY") => {
            skip(&format!("this machine admits no deadlines: {said}"));
        }
        Err(said) => panic!("{said}"),
    }
}

fn refused() {
    if !needs_root() {
        return;
    }
    // In a user namespace nobody has CAP_SYS_NICE of the host.
    let ground = Ground { users: true, ..Ground::default() };
    let said = stat(r#"{"policy":"SCHED_FIFO","priority":4}"#, &ground).unwrap_err();
    assert!(said.contains("sched_setattr") && said.contains("process.scheduler"), "{said}");
    let plan = plan("true", r#"{"ioPriority":{"class":"IOPRIO_CLASS_RT","priority":0}}"#);
    ground.run(&plan).failed(1, &["ioprio_set", "EPERM", "process.ioPriority"]);
}

fn io_priority() {
    if !std::path::Path::new("/usr/bin/ionice").exists() {
        return skip("ionice(1) is not installed");
    }
    for (io, seen) in [
        (r#"{"class":"IOPRIO_CLASS_BE","priority":6}"#, "best-effort: prio 6"),
        (r#"{"class":"IOPRIO_CLASS_IDLE","priority":0}"#, "idle"),
    ] {
        let plan = plan("ionice -p $$", &format!(r#"{{"ioPriority":{io}}}"#));
        assert_eq!(Ground::default().run(&plan).said(), seen);
    }
}

fn affinity() {
    let before = std::fs::read_to_string("/proc/self/status").unwrap();
    let before = line(&before, "Cpus_allowed_list").to_owned();
    let plan = plan("cat /proc/self/status", r#"{"execCPUAffinity":{"final":"0,4096"}}"#);
    for (who, seen) in [(Who::Visitor, "0"), (Who::Init, before.as_str())] {
        let ground = Ground { who, ..Ground::default() };
        assert_eq!(line(ground.run(&plan).said(), "Cpus_allowed_list"), seen, "{who:?}");
    }
    let nowhere = crate::ground::plan("true", r#"{"execCPUAffinity":{"final":"8191"}}"#);
    let ground = Ground { who: Who::Visitor, ..Ground::default() };
    ground.run(&nowhere).failed(1, &["sched_setaffinity", "execCPUAffinity.final"]);
}

fn oom_score() {
    if !needs_root() {
        return;
    }
    for users in [false, true] {
        let ground = Ground { users, ..Ground::default() };
        let plan = plan("cat /proc/self/oom_score_adj", r#"{"oomScoreAdj":321}"#);
        assert_eq!(ground.run(&plan).said(), "321");
    }
}

fn oom_score_lowered() {
    if !needs_root() {
        return;
    }
    // In a user namespace nobody has CAP_SYS_RESOURCE of the host.
    let ground = Ground { users: true, ..Ground::default() };
    let plan = plan("cat /proc/self/oom_score_adj", r#"{"oomScoreAdj":-500}"#);
    ground.run(&plan).failed(1, &["oom_score_adj", "EACCES", "process.oomScoreAdj", "CAP_SYS_RESOURCE"]);
}

fn personality() {
    for (domain, seen) in [("LINUX", "00000000"), ("LINUX32", "00000008")] {
        let linux = format!(r#"{{"personality":{{"domain":"{domain}"}}}}"#);
        let plan = plan_with("cat /proc/$$/personality", "{}", &linux);
        assert_eq!(Ground::default().run(&plan).said(), seen);
    }
}

fn memory_policy() {
    if !std::path::Path::new("/proc/self/numa_maps").exists() {
        return skip("this kernel has no nodes (CONFIG_NUMA)");
    }
    for (policy, seen) in [
        (r#"{"mode":"MPOL_BIND","nodes":"0"}"#, "bind:0"),
        (r#"{"mode":"MPOL_INTERLEAVE","nodes":"0","flags":["MPOL_F_STATIC_NODES"]}"#, "interleave=static:0"),
        (r#"{"mode":"MPOL_PREFERRED","nodes":"0"}"#, "prefer:0"),
        (r#"{"mode":"MPOL_PREFERRED"}"#, "local"),
        (r#"{"mode":"MPOL_DEFAULT"}"#, "default"),
    ] {
        let plan = plan_with("cat /proc/$$/numa_maps", "{}", &format!(r#"{{"memoryPolicy":{policy}}}"#));
        let outcome = Ground::default().run(&plan);
        let first = outcome.said().lines().next().unwrap();
        assert_eq!(first.split(' ').nth(1), Some(seen), "{policy}");
    }
}

fn memory_policy_refused() {
    if !std::path::Path::new("/proc/self/numa_maps").exists() {
        return skip("this kernel has no nodes (CONFIG_NUMA)");
    }
    let plan = plan_with("true", "{}", r#"{"memoryPolicy":{"mode":"MPOL_BIND","nodes":"63"}}"#);
    Ground::default().run(&plan).failed(1, &["set_mempolicy", "linux.memoryPolicy"]);
}
