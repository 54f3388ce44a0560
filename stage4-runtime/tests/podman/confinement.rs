//! What a container may not, and how much it may take.
//!
//! Invariant: a limit is shown by what happens to who crosses it.

use super::place::{Claim, Place, Podman, until};

pub const CLAIMS: &[Claim] = &[
    Claim { name: "memory_that_is_too_much_ends_it_and_podman_knows_why", holds: memory, ordinary: false },
    Claim { name: "processes_are_counted", holds: processes, ordinary: false },
    Claim { name: "limits_are_changed_while_it_runs", holds: update, ordinary: false },
    Claim {
        name: "capabilities_are_podmans_own_but_for_what_is_added_or_dropped",
        holds: capabilities,
        ordinary: true,
    },
    Claim { name: "podmans_seccomp_profile_refuses_what_it_refuses", holds: seccomp, ordinary: true },
    Claim { name: "new_privileges_are_refused", holds: no_new_privileges, ordinary: true },
    Claim { name: "paths_are_masked_unless_privileged", holds: masked, ordinary: true },
    Claim { name: "users_are_mapped", holds: users, ordinary: false },
];

fn memory(podman: &Podman) {
    // Not with swap to go to.
    let hog = "--memory 24m --memory-swap 24m box dd if=/dev/zero of=/dev/null bs=200M count=1";
    let usual = podman.usual().join(" ");
    // Whether podman hears why is conmon's matter and the kernel's: the same as of runc.
    let told = |line: &str| {
        let run = podman.shell(&format!("{line} run --name there {usual} {hog}"));
        assert_eq!(run.status, 137, "{run:?}");
        let why = podman.inspect("there", "{{.State.OOMKilled}} {{.State.ExitCode}}");
        podman.clear();
        why
    };
    let runc = podman.line().replace(podman.path("runtime").to_str().unwrap(), "runc");
    assert_eq!(told(&podman.line()), told(&runc));
}

fn processes(podman: &Podman) {
    let told = podman.run(&["--pids-limit", "4"], "for i in 1 2 3 4 5 6; do sleep 2 & done; wait");
    assert!(told.err.contains("can't fork"), "{told:?}");
    assert_eq!(podman.run(&["--pids-limit", "40"], "for i in 1 2 3 4 5 6; do sleep 0 & done; wait").err, "");
}

fn update(podman: &Podman) {
    podman.start("there", &["--memory", "64m", "--memory-swap", "64m"], "sleep 1000");
    podman.ok(&["update", "--memory", "100m", "--memory-swap", "100m", "--cpus", "0.5", "there"]);
    let limit = [
        "exec",
        "there",
        "sh",
        "-c",
        "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes || cat memory.max",
    ];
    assert_eq!(podman.ok(&limit), "104857600");
    let stats = podman.ok(&["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "there"]);
    assert_eq!(stats, "there 1");
    let top = podman.ok(&["top", "there", "pid", "comm"]);
    assert!(top.contains("sleep"), "{top}");
}

fn effective(podman: &Podman, options: &[&str]) -> u64 {
    let line = podman.said(options, "grep CapEff /proc/self/status");
    u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
}

fn capabilities(podman: &Podman) {
    const CHOWN: u64 = 1;
    const NET_ADMIN: u64 = 1 << 12;
    let usual = effective(podman, &[]);
    assert_eq!(usual & (CHOWN | NET_ADMIN), CHOWN);
    assert_eq!(effective(podman, &["--cap-add", "NET_ADMIN"]), usual | NET_ADMIN);
    assert_eq!(effective(podman, &["--cap-drop", "CHOWN"]), usual & !CHOWN);
    assert_eq!(effective(podman, &["--cap-drop", "ALL"]), 0);
    assert_eq!(effective(podman, &["--user", "1000"]), 0);
}

fn seccomp(podman: &Podman) {
    let mode = "grep Seccomp: /proc/self/status";
    assert_eq!(podman.said(&[], mode), "Seccomp:\t2");
    assert_eq!(podman.said(&["--security-opt", "seccomp=unconfined"], mode), "Seccomp:\t0");
    // personality(ADDR_NO_RANDOMIZE): the profile lets other arguments through.
    let told = podman.run(&[], "busybox linux64 -R true");
    assert!(told.err.contains("personality(0x40000): Function not implemented"), "{told:?}");
    podman.said(&["--security-opt", "seccomp=unconfined"], "busybox linux64 -R true");
    podman.said(&[], "busybox linux64 true");
    let own = podman.path("profile.json");
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}"#;
    std::fs::write(&own, profile).unwrap();
    let told = podman.run(&["--security-opt", &format!("seccomp={}", own.display())], "busybox mkdir /tmp/x");
    assert!(told.err.contains("Function not implemented"), "{told:?}");
}

fn no_new_privileges(podman: &Podman) {
    let line = "grep NoNewPrivs /proc/self/status";
    assert_eq!(podman.said(&["--security-opt", "no-new-privileges"], line), "NoNewPrivs:\t1");
    assert_eq!(podman.said(&[], line), "NoNewPrivs:\t0");
}

fn masked(podman: &Podman) {
    assert_eq!(
        podman.said(&[], "cat /proc/timer_list /proc/keys; ls /proc/scsi; ls /sys/firmware; true"),
        ""
    );
    assert!(podman.run(&[], "echo 1 > /proc/sys/vm/drop_caches").err.contains("Read-only"));
    let masks = |options: &[&str]| {
        podman.said(options, "grep -c ' /proc/' /proc/mounts; true").parse::<u32>().unwrap()
    };
    assert!(masks(&[]) > 5);
    if podman.place != Place::Ordinary {
        assert_eq!(masks(&["--privileged"]), 0);
    }
    let part = masks(&["--security-opt", "unmask=/proc/keys"]);
    assert_eq!(part + 1, masks(&[]));
}

fn users(podman: &Podman) {
    let map = "cat /proc/self/uid_map; id -u; touch /tmp/mine; ls -ln /tmp/mine";
    let told = podman.said(&["--uidmap", "0:200000:65536", "--gidmap", "0:200000:65536"], map);
    let words: Vec<_> = told.split_whitespace().take(4).collect();
    assert_eq!(words, ["0", "200000", "65536", "0"], "{told}");
    podman.start("there", &["--uidmap", "0:200000:65536"], "sleep 1000");
    let pid = podman.inspect("there", "{{.State.Pid}}");
    until("its process is user 200000", || {
        std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains("Uid:\t200000")
    });
    assert_eq!(podman.ok(&["exec", "there", "id", "-u"]), "0");
}
