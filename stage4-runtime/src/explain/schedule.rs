//! Told: when and where the process runs, and how it is labelled.
//!
//! No kernel calls; sched(7), apparmor(7), selinux(8). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the order is that of `last_acts::prepare`.

use super::Story;
use super::strace::{perhaps, quoted, word};
use crate::plan::process::scheduling::PolicyPlan;

pub(super) fn scheduled(story: &mut Story<'_>) {
    let process = &story.plan.process;
    if let Some(persona) = process.personality {
        let name = if persona == 8 { "PER_LINUX32" } else { "PER_LINUX" };
        let command = (persona == 8).then(|| "setarch linux32 …".to_owned());
        story.tell(
            "linux.personality",
            vec![format!("personality({name})")],
            command,
            "what uname(2) tells of the machine",
        );
    }
    if let Some(policy) = &process.memory_policy {
        let call = format!("set_mempolicy({}, …)", memory_mode(policy.mode));
        story.tell(
            "linux.memoryPolicy",
            vec![call],
            Some("numactl …".to_owned()),
            "the nodes that memory is taken from",
        );
    }
    if let Some(score) = process.oom_score_adj {
        let call = perhaps(format!("pwrite64(</proc/self/oom_score_adj>, \"{score}\", …, 0)"));
        let why = "how soon it is killed where memory runs out; not written where it is so already";
        story.tell("process.oomScoreAdj", vec![call], Some(format!("choom -n {score} -- …")), why);
    }
    turns(story);
}

/// At the processor, and at disks.
fn turns(story: &mut Story<'_>) {
    let process = &story.plan.process;
    if let Some(policy) = &process.scheduling.policy {
        let call =
            format!("sched_setattr(0, {{…sched_policy=…, sched_flags=…, sched_nice={}, …}}, 0)", policy.nice);
        story.tell("process.scheduler", vec![call], Some(chrt(policy)), "asked again with sched_getattr(2)");
    }
    if let Some(value) = process.scheduling.io_priority {
        let (class, level) = (value >> 13, value & 7);
        let name = ["NONE", "RT", "BE", "IDLE"].get(usize::from(class)).copied().unwrap_or("NONE");
        let call =
            format!("ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_{name}, {level}))");
        story.tell(
            "process.ioPriority",
            vec![call],
            Some(format!("ionice -c {class} -n {level} …")),
            "its turn at a disk",
        );
    }
}

fn chrt(policy: &PolicyPlan) -> String {
    match policy.policy {
        1 => format!("chrt --fifo {} …", policy.priority),
        2 => format!("chrt --rr {} …", policy.priority),
        3 => "chrt --batch 0 …".to_owned(),
        5 => "chrt --idle 0 …".to_owned(),
        6 => format!("chrt --deadline -T {} -D {} -P {} 0 …", policy.runtime, policy.deadline, policy.period),
        _ => format!("nice -n {} …", policy.nice),
    }
}

pub(super) fn labelled(story: &mut Story<'_>) {
    let process = &story.plan.process;
    if let Some(profile) = &process.apparmor {
        let profile = profile.to_string_lossy();
        let call = format!(
            "pwrite64(</proc/thread-self/attr/apparmor/exec>, {}, …, 0)",
            quoted(&format!("exec {profile}"))
        );
        // "unconfined" where there is no AppArmor is true already.
        let call = if profile == "unconfined" { perhaps(call) } else { call };
        story.tell(
            "process.apparmorProfile",
            vec![call],
            Some(format!("aa-exec -p {} -- …", word(&profile))),
            "entered by execve(2), and read back",
        );
    }
    if let Some(label) = &process.selinux {
        let label = label.to_string_lossy();
        let call = format!("pwrite64(</proc/thread-self/attr/exec>, {}, …, 0)", quoted(&label));
        story.tell(
            "process.selinuxLabel",
            vec![call],
            Some(format!("runcon {} …", word(&label))),
            "entered by execve(2), and read back",
        );
    }
}

/// linux/mempolicy.h
fn memory_mode(mode: i32) -> String {
    const MODES: [&str; 7] =
        ["DEFAULT", "PREFERRED", "BIND", "INTERLEAVE", "LOCAL", "PREFERRED_MANY", "WEIGHTED_INTERLEAVE"];
    const FLAGS: [(i32, &str); 3] =
        [(1 << 15, "STATIC_NODES"), (1 << 14, "RELATIVE_NODES"), (1 << 13, "NUMA_BALANCING")];
    let number = usize::try_from(mode & 0xff).unwrap_or_default();
    let name = MODES.get(number).map_or_else(|| number.to_string(), |name| format!("MPOL_{name}"));
    let flags = FLAGS.iter().filter(|(bit, _)| mode & bit != 0).map(|(_, flag)| format!("|MPOL_F_{flag}"));
    name + &flags.collect::<String>()
}
