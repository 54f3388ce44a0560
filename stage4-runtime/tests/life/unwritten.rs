//! A root without a config.json, and what `spec` makes of the machine it is on and of the root beside it.

use crate::ground::Bench;
use serde_json::{Value, json};
use stage3_cgroups::{Controller, Layout};
use std::fs;
use std::os::unix::fs::chown;

/// The ids of its users begin here: a multiple of 65536.
const FIRST: u32 = 8 << 16;

/// Where groups can have all limits.
fn limited() -> Option<Bench> {
    let bench = Bench::new()?;
    let (status, _, errors) = bench.call(&["spec"]);
    assert_eq!(status, 0, "{errors}");
    fs::remove_file(bench.path("config.json")).unwrap();
    if !errors.is_empty() {
        crate::ground::skip(&errors);
        return None;
    }
    Some(bench)
}

#[test]
fn a_root_alone_is_run_as_spec_would_describe_it() {
    let Some(bench) = (if crate::ground::is_root() { limited() } else { Bench::for_anybody() }) else {
        return;
    };
    let look = ["sh", "-c", "id; hostname; cat /proc/self/uid_map; grep Seccomp: /proc/self/status; exit 5"];
    let rootless = if crate::ground::is_root() { &[][..] } else { &["--rootless"] };
    let explained = bench.output(&["explain"]);
    bench.output(&[&["spec"], rootless].concat());
    assert_eq!(bench.output(&["explain"]), explained);
    fs::remove_file(bench.path("config.json")).unwrap();
    let unwritten = bench.call(&[&["run", &bench.id(), "--"], &look[..]].concat());
    bench.output(&[&["spec"], rootless, &["--"], &look[..]].concat());
    let written = bench.call(&["run", &bench.id()]);
    assert_eq!((unwritten.0, &unwritten.2), (5, &String::new()), "{unwritten:?}");
    assert_eq!(unwritten, written);
    assert!(unwritten.1.contains("stage4\n") && unwritten.1.ends_with("Seccomp:\t2\n"), "{unwritten:?}");
    bench.nothing_is_left();
}

#[test]
fn a_root_alone_is_no_bundle_for_create_and_a_command_none_for_a_file() {
    let Some(bench) = Bench::for_anybody() else { return };
    let (status, _, errors) = bench.call(&["create", &bench.id()]);
    assert!(status == 1 && errors.contains("config.json\", O_RDONLY): ENOENT"), "{errors}");
    // A link that leads nowhere is a file that is not there yet.
    std::os::unix::fs::symlink("nowhere", bench.path("config.json")).unwrap();
    let (status, _, errors) = bench.call(&["run", &bench.id()]);
    assert!(status == 1 && errors.contains("config.json\", O_RDONLY): ENOENT"), "{errors}");
    bench.config("true", |_| ());
    let (status, output, errors) = bench.call(&["run", &bench.id(), "--", "ls"]);
    assert_eq!((status, output.as_str()), (1, ""));
    assert!(errors.contains("config.json says what is run") && errors.contains("\nhint: "), "{errors}");
    bench.nothing_is_left();
}

#[test]
fn what_spec_limits_is_limited() {
    let Some(bench) = limited() else { return };
    let id = bench.id();
    bench.output(&["run", "--detach", &id, "--", "sleep", "1000"]);
    let told: Value = serde_json::from_str(&bench.output(&["events", "--stats", &id])).unwrap();
    assert_eq!(told["data"]["pids"]["limit"], 128);
    assert_eq!(told["data"]["memory"]["usage"]["limit"], 64 << 20);
    // In version 1 the sum of memory and swap stands in the way, which in version 2 is no sum.
    let more = ["--memory", "134217728"];
    let layout = Layout::read().unwrap();
    let memory = layout.home(Controller::Memory).unwrap();
    let summed = memory.mount.join("memory.memsw.limit_in_bytes").exists();
    let (status, _, errors) = bench.call(&[&["update"], &more[..], &[&id]].concat());
    assert_eq!(status, i32::from(summed), "{errors}");
    assert_eq!(summed, errors.contains("more than memory and swap together"), "{errors}");
    bench.output(&[&["update"], &more[..], &["--memory-swap", "134217728", &id]].concat());
    bench.output(&["delete", "--force", &id]);
    // Whoever spins is stopped now and then, which the group counts; whoever takes too much is killed.
    let spin = "until cat /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null | grep -q 'throttled [1-9]'; \
        do n=0; while [ $n -lt 100000 ]; do n=$((n+1)); done; done; echo throttled";
    assert_eq!(bench.output(&["run", &bench.id(), "--", "sh", "-c", spin]), "throttled");
    let take = ["--", "sh", "-c", "dd if=/dev/zero of=/dev/null bs=96M count=1 2>/dev/null && echo touched"];
    let (_, output, errors) = bench.call(&[&["run", &bench.id()], &take[..]].concat());
    assert!(!output.contains("touched"), "{output}{errors}");
    bench.output(&[&["spec", "--remove", "linux.resources.memory"], &take[..]].concat());
    assert_eq!(bench.output(&["run", &bench.id()]), "touched");
    bench.nothing_is_left();
}

#[test]
fn a_root_that_belongs_to_users_of_its_own_gets_them() {
    let Some(bench) = limited() else { return };
    let map = |owner: u32, group: u32| {
        chown(bench.path("rootfs"), Some(owner), Some(group)).unwrap();
        let look = ["--", "sh", "-c", "tr -s ' ' < /proc/self/uid_map; mkdir /new 2>&1"];
        let (_, output, errors) = bench.call(&[&["run", &bench.id()], &look[..]].concat());
        assert_eq!(errors, "", "{owner}:{group}");
        output.lines().next().unwrap_or_default().trim().to_owned()
    };
    assert_eq!(map(FIRST, FIRST), format!("0 {FIRST} 65536"));
    // Root's; another's, whose ids may belong to users of the host; those of no one.
    for (owner, group) in [(0, 0), (1000, 1000), (100_000, 100_000), (FIRST, 0), (0, FIRST)] {
        assert_eq!(map(owner, group), "0 0 4294967295", "{owner}:{group}");
    }
    assert!(fs::exists(bench.path("rootfs/proc")).unwrap());
    bench.nothing_is_left();
}

#[test]
fn an_ordinary_user_is_told_what_a_file_of_roots_lacks() {
    if crate::ground::is_root() {
        return observe::skip::skip_for(
            observe::skip::Runner::Ordinary,
            "stage4",
            "root may make all namespaces without one of users",
        );
    }
    let Some(bench) = Bench::for_anybody() else { return };
    let limits = [json!({}), json!({"pids": {"limit": 128}})];
    limits.iter().for_each(|limits| {
        bench.config("true", |config| config["linux"]["resources"] = limits.clone());
        let (status, _, errors) = bench.call(&["run", &bench.id()]);
        assert!(status == 1 && errors.contains("EPERM") || errors.contains("EACCES"), "{errors}");
        assert!(errors.contains("as `stage4-runtime spec --rootless` writes it"), "{errors}");
    });
    bench.nothing_is_left();
}
