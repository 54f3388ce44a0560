//! Files of procfs, covered by others: CVE-2025-52881.
//!
//! Book: "Written into the wrong file" (`redirected`).
//! Invariant: what is written by force lands in a file system that the test has just mounted.

use crate::ground::{BINARY, Bench};
use serde_json::json;
use std::fs;
use std::process::Command;

/// CVE-2025-52881: what is written to procfs lands in a file that was mounted over it.
///
/// An attacker does so by a race; here a hook does, at the worst moment, when all is mounted and nothing written yet.
/// It finds the container's root by a descriptor of init's, touches nothing unless the bundle's own marker is in it,
/// and writes only into what it has just mounted.
#[test]
fn redirected_writes_to_proc_reach_the_kernel_all_the_same() {
    let Some(bench) = Bench::new() else { return };
    let marker = bench.path("rootfs/etc/marker");
    fs::write(&marker, "").unwrap();
    let script = format!(
        r#"pid=$(sed 's/.*"pid": *\([0-9]*\).*/\1/')
        for fd in /proc/$pid/fd/*; do
            if test $fd/etc/marker -ef {} && test -d $fd/proc/sys/kernel; then root=$fd; fi
        done
        test -n "$root"; ! test $root -ef /
        mount --no-canonicalize -t tmpfs planted $root/proc/sys/kernel
        echo planted > $root/proc/sys/kernel/msgmax
        mount --no-canonicalize -t tmpfs planted $root/proc/1
        echo planted > $root/proc/1/oom_score_adj"#,
        marker.display()
    );
    let id = bench.idle(|config| {
        let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
        let hook = json!({"path": "/bin/sh", "args": ["sh", "-euc", script], "env": environment});
        config["hooks"] = json!({"createContainer": [hook]});
        config["linux"]["sysctl"] = json!({"kernel.msgmax": "12345"});
        config["process"]["oomScoreAdj"] = json!(321);
    });
    let pid = bench.pid(&id);
    let text = |path: &str| fs::read_to_string(path).unwrap().trim().to_owned();
    let mounted = text(&format!("/proc/{pid}/mountinfo"));
    assert!(mounted.matches(" planted ").count() >= 2, "the attack did not take place: {mounted}");
    assert_eq!(text(&format!("/proc/{pid}/root/proc/sys/kernel/msgmax")), "planted");
    assert_eq!(text(&format!("/proc/{pid}/root/proc/1/oom_score_adj")), "planted");
    assert_eq!(text(&format!("/proc/{pid}/oom_score_adj")), "321");
    let ipc = format!("--ipc=/proc/{pid}/ns/ipc");
    let kernel = Command::new("nsenter").args([&ipc, "cat", "/proc/sys/kernel/msgmax"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kernel.stdout).trim(), "12345");
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

/// The same where the runtime's own /proc has something mounted over it: nothing is written at all.
#[test]
fn redirected_writes_are_refused_where_the_runtimes_own_proc_is_covered() {
    let Some(bench) = Bench::new() else { return };
    for name in ["kernel", "net"] {
        fs::create_dir(bench.path("shared").join(name)).unwrap();
    }
    let planted = bench.path("shared/kernel/msgmax");
    fs::write(&planted, "planted").unwrap();
    bench.config("echo has run", |config| config["linux"]["sysctl"] = json!({"kernel.msgmax": "12345"}));
    let script = format!(
        "mount --bind {} /proc/sys && exec {BINARY} --root {} run {}",
        bench.path("shared").display(),
        bench.path("state").display(),
        bench.id()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]).current_dir(bench.path(""));
    let (status, output, errors) = bench.watch(command);
    assert!(status == 1 && output.is_empty(), "{status}: {output}{errors}");
    assert!(errors.contains("EXDEV") && errors.contains("mounted over"), "{errors}");
    assert_eq!(fs::read_to_string(planted).unwrap(), "planted");
    bench.nothing_is_left();
}
