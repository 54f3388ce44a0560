//! What it is held to: limits, no new privileges, labels, a keyring, filters.

use crate::ground::{Claim, Ground, line, needs_root, plan, skip};
use stage4_runtime::Error;

pub const CLAIMS: &[Claim] = &[
    ("rlimits_are_what_was_asked", are_asked),
    ("rlimits_above_what_may_be_are_refused_with_their_place", are_refused),
    ("no_new_privileges_is_what_was_asked", is_asked),
    ("filter_comes_last_or_before_the_privileges_go", filter_moment),
    ("filter_that_fails_lets_nothing_run", filter_fails),
    ("lsm_labels_that_cannot_be_given_are_refused", labels_refused),
    ("lsm_unconfined_is_taken_with_and_without_apparmor", unconfined),
    ("keyring_is_the_containers_own", keyring),
    ("keyring_of_somebody_else_is_refused", keyring_of_another),
];

fn are_asked() {
    // Each of them less than any machine's hard limit.
    let limits = [
        ("NOFILE", "Max open files", 64, 128),
        ("CORE", "Max core file size", 0, 0),
        ("NPROC", "Max processes", 500, 600),
        ("STACK", "Max stack size", 1 << 20, 1 << 21),
        ("MEMLOCK", "Max locked memory", 4096, 8192),
        ("CPU", "Max cpu time", 10, 11),
        ("RTTIME", "Max realtime timeout", 1000, 2000),
        ("SIGPENDING", "Max pending signals", 100, 200),
        ("MSGQUEUE", "Max msgqueue size", 1000, 2000),
    ];
    let entry = |(name, _, soft, hard): &(&str, &str, u64, u64)| {
        format!(r#"{{"type":"RLIMIT_{name}","soft":{soft},"hard":{hard}}}"#)
    };
    let entries: Vec<String> = limits.iter().map(entry).collect();
    let plan = plan("cat /proc/self/limits", &format!(r#"{{"rlimits":[{}]}}"#, entries.join(",")));
    let outcome = Ground::default().run(&plan);
    let said = outcome.said();
    for (_, row, soft, hard) in limits {
        let found = said.lines().find_map(|line| line.strip_prefix(row)).unwrap();
        let numbers: Vec<&str> = found.split_whitespace().take(2).collect();
        assert_eq!(numbers, [soft.to_string(), hard.to_string()], "{row}");
    }
}

fn are_refused() {
    let plan = plan(
        "true",
        r#"{"rlimits":[{"type":"RLIMIT_CORE","soft":0,"hard":0},
                       {"type":"RLIMIT_NOFILE","soft":4611686018427387904,"hard":4611686018427387904}]}"#,
    );
    Ground::default().run(&plan).failed(1, &["RLIMIT_NOFILE", "EPERM", "process.rlimits[1]", "nr_open"]);
}

fn is_asked() {
    for (asked, seen) in [("true", "1"), ("false", "0")] {
        let plan = plan("cat /proc/self/status", &format!(r#"{{"noNewPrivileges":{asked}}}"#));
        assert_eq!(line(Ground::default().run(&plan).said(), "NoNewPrivs"), seen);
    }
}

fn filter_moment() {
    if !needs_root() {
        return;
    }
    for (asked, uid) in [("true", "1000"), ("false", "0")] {
        let plan =
            plan("true", &format!(r#"{{"noNewPrivileges":{asked},"user":{{"uid":1000,"gid":1000}}}}"#));
        let mut told = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            println!("filter by {} {}", line(&status, "Uid"), line(&status, "NoNewPrivs"));
            Ok(())
        };
        let outcome = Ground::default().run_with(&plan, || (), &mut told);
        let nnp = if asked == "true" { "1" } else { "0" };
        assert_eq!(outcome.said(), format!("filter by {uid}\t{uid}\t{uid}\t{uid} {nnp}"));
    }
}

fn filter_fails() {
    for asked in ["true", "false"] {
        let plan = plan("echo has run", &format!(r#"{{"noNewPrivileges":{asked}}}"#));
        let mut fail = || Err(Error::refused("no filter today"));
        let outcome = Ground::default().run_with(&plan, || (), &mut fail);
        outcome.failed(1, &["no filter today"]);
        assert!(!outcome.said.contains("has run"));
    }
}

/// What the security module says of us; none: it is not switched on.
fn lsm(module: &str) -> Option<String> {
    let path =
        if module == "apparmor" { "/proc/self/attr/apparmor/current" } else { "/proc/self/attr/current" };
    let label = std::fs::read_to_string(path).ok()?;
    // A context of SELinux has four parts; AppArmor answers in the same place where SELinux is not there.
    (module == "apparmor" || label.matches(':').count() >= 3).then_some(label)
}

fn labels_refused() {
    for (module, property, label) in [
        ("apparmor", "apparmorProfile", "stage4-no-such-profile"),
        ("selinux", "selinuxLabel", "stage4_u:stage4_r:stage4_t:s0"),
    ] {
        let plan = plan("echo has run", &format!(r#"{{"{property}":"{label}"}}"#));
        let outcome = Ground::default().run(&plan);
        outcome.failed(1, &["attr", &format!("process.{property}")]);
        assert!(!outcome.said.contains("has run"));
        match (lsm(module), module) {
            (Some(_), "apparmor") => outcome.failed(1, &["ENOENT", "no profile", "is loaded"]),
            (Some(_), _) => outcome.failed(1, &["EINVAL"]),
            (None, _) => println!("({module} is not switched on here: what was refused is any label)"),
        }
    }
}

fn unconfined() {
    let plan =
        plan("cat /proc/self/attr/apparmor/current; echo has run", r#"{"apparmorProfile":"unconfined"}"#);
    let outcome = Ground::default().run(&plan);
    match lsm("apparmor") {
        // Taken by the kernel, read back by us, and in force after execve(2).
        Some(_) => assert_eq!(outcome.said(), "unconfined\nhas run"),
        None => assert!(outcome.said().ends_with("has run"), "nobody is confined where there is no AppArmor"),
    }
}

fn keyring() {
    if !std::path::Path::new("/proc/keys").exists() {
        return skip("this kernel has no keyrings");
    }
    if !needs_root() {
        return;
    }
    for (users, permissions) in [(false, "3f1b0000"), (true, "3f130008")] {
        let ground = Ground { users, keyring: Some("stage4-test"), ..Ground::default() };
        let said = ground.run(&plan("cat /proc/keys", "{}"));
        let ring = said.said().lines().find(|line| line.contains("_ses.stage4-test"));
        assert!(ring.is_some_and(|ring| ring.contains(permissions)), "{permissions}: {}", said.said());
    }
}

fn keyring_of_another() {
    if !needs_root() || !std::path::Path::new("/proc/keys").exists() {
        return;
    }
    // A user makes a keyring of that name and lets everybody search it, and waits; then root comes.
    let (ready, told) = nix::unistd::pipe().unwrap();
    let (over, end) = nix::unistd::pipe().unwrap();
    let user = stage2_namespaces::birth::birth(stage2_namespaces::Kinds::NONE, None, |_| {
        nix::unistd::alarm::set(10);
        nix::unistd::setresuid(1234.into(), 1234.into(), 1234.into()).unwrap();
        stage4_runtime::keyring::join("stage4-planted", true).unwrap();
        nix::unistd::write(&told, b"!").unwrap();
        nix::unistd::read(&over, &mut [0]).unwrap();
        0
    })
    .unwrap();
    nix::unistd::read(&ready, &mut [0]).unwrap();
    let ground = Ground { keyring: Some("stage4-planted"), ..Ground::default() };
    let outcome = ground.run(&plan("echo has run", "{}"));
    nix::unistd::write(&end, b"!").unwrap();
    assert_eq!(user.wait().unwrap(), 0);
    outcome.failed(1, &["1234", "_ses.stage4-planted"]);
    assert!(!outcome.said.contains("has run"));
}
