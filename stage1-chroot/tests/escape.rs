//! What gets out of a jail of 1979, and what does not: every later stage shows the same attempts failing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod jail;

use assert_cmd::assert::OutputAssertExt;
use jail::{Jail, LOAN, STAGE1, normalised};
use predicates::prelude::*;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

/// `stage1-chroot escape ARGUMENTS --canary …` in a jail started with `options`.
fn attempt(jail: &Jail, options: &[&str], arguments: &[&str]) -> Output {
    let canary = jail.canary();
    let escape = [&[STAGE1, "escape"], arguments, &["--canary", canary.to_str().unwrap()]].concat();
    jail.run(options, &escape).output().unwrap()
}

/// The same with the host's root open as descriptor 3.
fn attempt_with_fd(jail: &Jail, options: &str) -> String {
    let canary = jail.canary();
    let escape = format!("{STAGE1} escape kept-fd --fd 3 --canary {}", canary.display());
    let output = jail.shell(options, &escape, "3</").output().unwrap();
    normalised(&output.stdout, &canary)
}

fn text(jail: &Jail, output: &Output) -> String {
    normalised(&output.stdout, &jail.canary())
}

#[test]
fn double_chroot_escapes_the_jail() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let before = jail.entries();
    let output = attempt(&jail, &[], &["double-chroot"]);
    insta::assert_snapshot!(text(&jail, &output), @r#"
    mkdir("stage1-escape", 0700) = 0
    chroot("stage1-escape") = 0
    chdir("..") until it no longer moves = 0
    chroot(".") = 0
    open("$CANARY", O_RDONLY|O_NOFOLLOW) = <fd>
    unlinkat(<fd>, "stage1-escape", AT_REMOVEDIR) = 0
    read("$CANARY") = "only the host has this line"
    LEAKS double-chroot: the host's canary was read from inside
    "#);
    output.assert().code(0);
    assert_eq!(jail.entries(), before);
}

#[test]
fn double_chroot_escapes_from_any_depth() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let before = jail.entries();
    for depth in ["1", "2", "40", "255"] {
        let output = attempt(&jail, &[], &["double-chroot", "--depth", depth]);
        assert_eq!(text(&jail, &output).matches("chdir(\"/\") = 0").count().to_string(), depth);
        output.assert().code(0).stdout(predicate::str::contains("LEAKS double-chroot"));
    }
    assert_eq!(jail.entries(), before);
}

#[test]
fn double_chroot_is_contained_without_the_capability() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let before = jail.entries();
    // A directory where everybody may make one, so that it is chroot(2) that says no.
    std::fs::set_permissions(jail.root(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    let output = attempt(&jail, &["--user", "1000:1000"], &["double-chroot"]);
    insta::assert_snapshot!(text(&jail, &output), @r#"
    mkdir("stage1-escape", 0700) = 0
    chroot("stage1-escape") = -1 EPERM (Operation not permitted)
    unlinkat(<fd>, "stage1-escape", AT_REMOVEDIR) = 0
    CONTAINED double-chroot: chroot("stage1-escape"): EPERM (Operation not permitted)
    "#);
    output.assert().code(1);
    assert_eq!(jail.entries(), before);
}

#[test]
fn double_chroot_is_not_stopped_by_what_a_killed_attempt_left() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let before = jail.entries();
    std::fs::create_dir(jail.root().join("stage1-escape")).unwrap();
    attempt(&jail, &[], &["double-chroot"]).assert().code(0);
    assert_eq!(jail.entries(), before);
}

#[test]
fn cwd_outside_leads_to_the_hosts_root() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let output = attempt(&jail, &["--no-chdir"], &["cwd-outside"]);
    insta::assert_snapshot!(text(&jail, &output), @r#"
    open(".", O_PATH|O_DIRECTORY) = <fd>
    openat(<fd>, "..", O_PATH|O_DIRECTORY) until it no longer moves = <fd>
    openat(<fd>, "$CANARY", O_RDONLY|O_NOFOLLOW) = <fd>
    read("$CANARY") = "only the host has this line"
    LEAKS cwd-outside: the host's canary was read from inside
    "#);
    output.assert().code(0);
}

#[test]
fn cwd_outside_is_contained_by_chdir() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let output = attempt(&jail, &[], &["cwd-outside"]);
    let verdict = r#"CONTAINED cwd-outside: openat(<fd>, "$CANARY", O_RDONLY|O_NOFOLLOW): ENOENT"#;
    assert!(text(&jail, &output).contains(verdict), "{}", text(&jail, &output));
    output.assert().code(1);
}

#[test]
fn cwd_outside_needs_no_capability() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    for directory in [jail.canary().parent().unwrap(), jail.canary().as_ref()] {
        std::fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    attempt(&jail, &["--no-chdir", "--user", "1000"], &["cwd-outside"]).assert().code(0);
}

#[test]
fn kept_fd_leads_to_the_hosts_root() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    insta::assert_snapshot!(attempt_with_fd(&jail, "--preserve-fds 1"), @r#"
    openat(3, ".", O_PATH|O_DIRECTORY) = <fd>
    openat(<fd>, "..", O_PATH|O_DIRECTORY) until it no longer moves = <fd>
    openat(<fd>, "$CANARY", O_RDONLY|O_NOFOLLOW) = <fd>
    read("$CANARY") = "only the host has this line"
    LEAKS kept-fd: the host's canary was read from inside
    status 0
    "#);
}

#[test]
fn kept_fd_is_contained_by_closing_it() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let seen = attempt_with_fd(&jail, "");
    assert!(seen.contains("CONTAINED kept-fd: openat(3, \".\", O_PATH|O_DIRECTORY): EBADF"), "{seen}");
    assert!(seen.ends_with("status 1\n"), "{seen}");
}

#[test]
fn proc_root_leads_to_the_hosts_root_for_who_may_trace_its_processes() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let pid = std::process::id().to_string();
    let output = attempt(&jail, &["--proc"], &["proc-root", "--pid", &pid]);
    let seen = text(&jail, &output);
    if String::from_utf8_lossy(&output.stderr).contains("borrowed a user namespace") {
        // A process in another user namespace, of the same user: cap_ptrace_access_check() says no.
        insta::assert_snapshot!(seen, @r#"
        open("/proc/<pid>/root$CANARY", O_RDONLY|O_NOFOLLOW) = -1 EACCES (Permission denied)
        CONTAINED proc-root: open("/proc/<pid>/root$CANARY", O_RDONLY|O_NOFOLLOW): EACCES (Permission denied)
        "#);
        output.assert().code(1).stderr(predicate::str::starts_with(LOAN));
    } else {
        insta::assert_snapshot!(seen, @r#"
        open("/proc/<pid>/root$CANARY", O_RDONLY|O_NOFOLLOW) = <fd>
        read("$CANARY") = "only the host has this line"
        LEAKS proc-root: the host's canary was read from inside
        "#);
        output.assert().code(0);
    }
}

#[test]
fn proc_root_is_contained_where_proc_is_not_mounted() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let output = attempt(&jail, &[], &["proc-root", "--pid", &std::process::id().to_string()]);
    let seen = text(&jail, &output);
    output.assert().code(1);
    assert!(seen.contains("CONTAINED proc-root: open(\"/proc/<pid>/root$CANARY\""), "{seen}");
}

#[test]
fn an_attempt_that_would_show_nothing_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty");
    let link = directory.path().join("link");
    std::fs::write(&empty, "\nsecond line\n").unwrap();
    std::os::unix::fs::symlink(&empty, &link).unwrap();
    for (canary, reason) in [
        ("tmp/canary", "not the absolute path of a file"),
        ("/", "not the absolute path of a file"),
        (directory.path().to_str().unwrap(), "not a regular file"),
        ("/dev/null", "not a regular file"),
        (link.to_str().unwrap(), "not a regular file"),
        (empty.to_str().unwrap(), "it would show nothing"),
    ] {
        jail::stage1().args(["escape", "cwd-outside", "--canary", canary]).assert().code(2).stderr(
            predicate::str::starts_with("stage1-chroot: escape: ").and(predicate::str::contains(reason)),
        );
    }
}

#[test]
fn a_canary_that_is_not_there_is_no_containment_for_who_got_out() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let missing = "/stage1-no-such/canary";
    let pid = std::process::id().to_string();
    let attempt = |options: &[&str], way: &[&str]| {
        let escape = [&[STAGE1, "escape"], way, &["--canary", missing]].concat();
        jail.run(options, &escape).assert()
    };
    let refused = || predicate::str::contains("the jail was left, but outside there is no");
    attempt(&[], &["double-chroot"]).code(2).stderr(refused());
    attempt(&["--no-chdir"], &["cwd-outside"]).code(2).stderr(refused());
    let line = format!("{STAGE1} escape kept-fd --fd 3 --canary {missing}");
    jail.shell("--preserve-fds 1", &line, "3</").assert().stdout(predicate::str::ends_with("status 2\n"));
    // Inside, a missing file is what containment looks like.
    attempt(&[], &["cwd-outside"]).code(1);
    attempt(&[], &["proc-root", "--pid", &pid]).code(1);
}

#[test]
fn double_chroot_is_not_deceived_by_what_stands_in_its_way() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let second = jail.root().join("stage1-escape");
    for lay in [|at: &Path| symlink(".", at).unwrap(), |at: &Path| std::fs::write(at, "").unwrap()] {
        lay(&second);
        let output = attempt(&jail, &[], &["double-chroot"]);
        output.assert().code(2).stderr(predicate::str::contains("is in the way"));
        std::fs::remove_file(&second).unwrap();
    }
}
