//! What the command line promises: its errors, its exit statuses, and what a command inherits.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod jail;

use jail::{Jail, LOAN, STAGE1, stage1};
use predicates::prelude::*;
use predicates::str::{contains, ends_with, starts_with};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

#[test]
fn every_verb_explains_itself_with_examples() {
    let verbs: [&[&str]; 8] = [
        &[],
        &["build"],
        &["run"],
        &["escape"],
        &["escape", "double-chroot"],
        &["escape", "cwd-outside"],
        &["escape", "kept-fd"],
        &["escape", "proc-root"],
    ];
    for verb in verbs {
        stage1()
            .args(verb)
            .arg("--help")
            .assert()
            .code(0)
            .stdout(contains("Example").and(contains("stage1-chroot ")));
    }
    stage1().assert().code(2).stderr(contains("Usage: "));
    stage1().arg("--version").assert().code(0).stdout(starts_with("stage1-chroot "));
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        "bake",
        "run",
        "run new-root",
        "run --preserve-fds x new-root true",
        "run --env NAME new-root true",
        "run --env =VALUE new-root true",
        "escape",
        "escape double-chroot",
        "escape kept-fd --canary /tmp/canary",
        "escape kept-fd --fd -1 --canary /tmp/canary",
        "escape proc-root --pid 0 --canary /tmp/canary",
        "escape cwd-outside --pid 1 --canary /tmp/canary",
        "generate completions no-shell",
    ] {
        stage1().args(arguments.split(' ')).assert().code(2);
    }
}

#[test]
fn an_unknown_way_is_answered_with_the_ways() {
    let ways = contains("<double-chroot|cwd-outside|kept-fd|proc-root>");
    stage1().args(["escape", "tunnel", "--canary", "/tmp/canary"]).assert().code(2).stderr(ways);
}

#[test]
fn a_user_is_given_by_number() {
    for user in ["root", "1000:users", "", "1:", "+1", "1 ", "0x1"] {
        let option = format!("--user={user}");
        stage1().args(["run", &option, "new-root", "true"]).assert().code(2).stderr(contains("/etc/passwd"));
    }
    stage1()
        .args(["run", "--user", "4294967295", "new-root", "true"])
        .assert()
        .code(2)
        .stderr(contains("no id"));
}

#[test]
fn a_root_that_is_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    for (root, reason) in [("missing", "ENOENT"), ("file", "ENOTDIR"), ("/", "/ itself")] {
        stage1()
            .current_dir(&directory)
            .args(["run", root, "true"])
            .assert()
            .code(1)
            .stderr(starts_with("stage1-chroot: run: ").and(contains(reason)));
    }
}

#[test]
fn the_exit_status_is_the_commands() {
    let Some(jail) = Jail::with(&["sh"]) else { return };
    for status in [0, 1, 2, 7, 126, 127, 255] {
        jail.run(&[], &["sh", "-c", &format!("exit {status}")]).assert().code(status);
    }
    // Without `--`, and with an option after the root.
    stage1()
        .arg("run")
        .arg(jail.root())
        .args(["--env", "A=1", "sh", "-c", "exit $((A + 4))"])
        .assert()
        .code(5);
}

#[test]
fn a_signal_is_128_and_its_number() {
    let Some(jail) = Jail::with(&["sh"]) else { return };
    for (signal, number) in [("TERM", 15), ("KILL", 9)] {
        let kill = format!("kill -{signal} $$");
        let output = jail.run(&[], &["sh", "-c", &kill]).output().unwrap();
        assert_eq!(output.status.signal(), Some(number));
        let seen = jail.shell("", &format!("sh -c '{kill}'"), "").assert().code(0);
        seen.stdout(ends_with(format!("status {}\n", 128 + number)));
    }
}

#[test]
fn a_closed_pipe_ends_the_command() {
    let Some(jail) = Jail::with(&["sh"]) else { return };
    let output = jail.run(&[], &["sh", "-c", "kill -PIPE $$; echo survived"]).output().unwrap();
    assert_eq!(output.status.signal(), Some(13));
}

#[test]
fn the_environment_is_clean() {
    let Some(jail) = Jail::with(&["env"]) else { return };
    let clean = "HOME=/\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";
    jail.run(&[], &["env"]).env_remove("TERM").env("SECRET", "1").assert().code(0).stdout(clean);
    jail.run(&[], &["env"]).env("TERM", "vt52").assert().code(0).stdout(format!("{clean}TERM=vt52\n"));
    let options = ["--env", "A=1=2", "--env", "B=", "--env", "HOME=/root", "--env", "PATH=/bin"];
    let given = "A=1=2\nB=\nHOME=/root\nPATH=/bin\n";
    jail.run(&options, &["env"]).env_remove("TERM").assert().code(0).stdout(given);
}

#[test]
fn the_working_directory_is_the_new_root() {
    let Some(jail) = Jail::with(&["pwd"]) else { return };
    jail.run(&[], &["pwd", "-P"]).assert().code(0).stdout("/\n");
}

#[test]
fn descriptors_are_closed_unless_preserved() {
    let Some(jail) = Jail::with(&["sh"]) else { return };
    let is_open = |options: &str, fd: u8| {
        let output = jail.shell(options, &format!("sh -c 'true <&{fd}'"), "3</ 4</ 5</").output().unwrap();
        String::from_utf8(output.stdout).unwrap() == "status 0\n"
    };
    assert_eq!([3, 4, 5].map(|fd| is_open("", fd)), [false; 3]);
    assert_eq!([3, 4, 5].map(|fd| is_open("--preserve-fds 2", fd)), [true, true, false]);

    let refused = jail.shell("--preserve-fds 2", "true", "3</ 4<&-").assert();
    refused.stdout("status 1\n").stderr(contains("descriptor 4 is to be preserved, but is not open"));
}

#[test]
fn a_user_has_no_groups_of_the_host() {
    let Some(jail) = Jail::with(&["id"]) else { return };
    let id = |options: &[&str], flag: &str| {
        let output = jail.run(options, &["id", flag]).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(id(&[], "-u").0, "0\n");
    assert_eq!(id(&["--user", "1000"], "-g").0, "1000\n");
    let user = ["--user", "1000:100"];
    assert_eq!(id(&user, "-u").0, "1000\n");
    assert_eq!(id(&user, "-g").0, "100\n");
    let (groups, notes) = id(&user, "-G");
    // What a borrowed namespace cannot take away is said.
    assert!(groups == "100\n" || notes.contains("supplementary groups stay"), "{groups}{notes}");
}

#[test]
fn the_loan_is_told_in_one_line() {
    let Some(jail) = Jail::with(&[]) else { return };
    let lacking = stage1_chroot::loan::lacking(&[stage1_chroot::loan::Capability::SYS_CHROOT]).unwrap();
    let told = if lacking.is_some() { LOAN } else { "" };
    jail.run(&[], &["true"]).assert().code(0).stdout("").stderr(told);
}

#[test]
fn the_loan_is_refused_inside_a_chroot_and_the_reason_is_named() {
    let Some(jail) = Jail::with(&[STAGE1]) else { return };
    let again = [STAGE1, "run", "/usr", "true"];
    let refused =
        contains("stage1-chroot: run: unshare(CLONE_NEWUSER): EPERM (Operation not permitted)\nhint: ");
    let without_proc = refused.clone().and(contains("/proc cannot be read here; inside a chroot"));
    jail.run(&["--user", "1000"], &again).assert().code(1).stderr(without_proc);
    let with_proc = refused.and(contains("this process is in a chroot already"));
    jail.run(&["--user", "1000", "--proc"], &again).assert().code(1).stderr(with_proc);
}

#[test]
fn proc_is_the_hosts_and_the_host_does_not_see_the_mount() {
    let Some(jail) = Jail::with(&["sh"]) else { return };
    let mut run = std::process::Command::new(STAGE1);
    run.arg("run").arg("--proc").arg(jail.root());
    run.args([
        "sh",
        "-c",
        &format!("test -d /proc/{} && test -d /sys/class && echo seen; read line", std::process::id()),
    ]);
    let mut inside = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(inside.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let empty = fs::read_dir(jail.root().join("proc")).unwrap().next().is_none();
    drop(inside.stdin.take());
    inside.wait().unwrap();

    assert_eq!(line, "seen\n");
    assert!(empty && !mounts.contains(jail.root().to_str().unwrap()));
}

#[test]
fn proc_is_not_mounted_through_a_link() {
    let Some(jail) = Jail::with(&[]) else { return };
    let outside = jail.canary().with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, jail.root().join("proc")).unwrap();
    let refused =
        contains("O_NOFOLLOW): ENOTDIR").and(contains("\"proc\" must be a directory, and not a link"));
    jail.run(&["--proc"], &["true"]).assert().code(1).stderr(refused);
}

#[test]
fn root_is_told_nothing_that_does_not_concern_it() {
    let Some(jail) = Jail::with(&[]) else { return };
    let lacking = stage1_chroot::loan::lacking(&[stage1_chroot::loan::Capability::SYS_ADMIN]).unwrap();
    let notes = jail.run(&["--proc"], &["true"]).output().unwrap().stderr;
    let count = String::from_utf8(notes).unwrap().matches("note: ").count();
    assert_eq!(count, if lacking.is_some() { 2 } else { 1 });
}

#[test]
fn completions_and_manual_pages_come_from_the_same_definition() {
    stage1().args(["generate", "completions", "bash"]).assert().code(0).stdout(contains("--preserve-fds"));
    stage1().args(["generate", "man"]).assert().code(0).stdout(contains(".TH stage1-chroot 1"));
    let directory = tempfile::tempdir().unwrap();
    stage1().args(["generate", "man"]).arg(directory.path()).assert().code(0);
    let page = fs::read_to_string(directory.path().join("stage1-chroot-run.1")).unwrap();
    assert!(page.contains("Examples"), "{page}");
    for what in ["completions bash", "man"] {
        let line = format!("{STAGE1} generate {what} >/dev/full");
        let full = assert_cmd::Command::new("sh").args(["-c", &line]).assert();
        full.code(1).stderr(starts_with("stage1-chroot: generate: write").and(contains("ENOSPC")));
    }
    stage1()
        .args(["generate", "man", "/nowhere"])
        .assert()
        .code(1)
        .stderr(contains("stage1-chroot: generate: "));
}
