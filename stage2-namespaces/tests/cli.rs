//! Commands, errors and exit statuses.
//!
//! Book: "How to use this book".
//! Invariant: every error names what was asked, why not, and what to do; and nothing was begun.

mod ground;

use ground::{BINARY, Runner, host, is_root, output, run, skip_for, stage2, stderr};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn spawn_status_is_the_commands() {
    run(&["--uts"], &["sh", "-c", "exit 7"]).assert().code(7);
    run(&["--pid"], &["sh", "-c", "exit 7"]).assert().code(7);
    run(&["--pid"], &["sh", "-c", "kill -TERM $$"]).assert().code(143);
    run(&["--uts"], &["sh", "-c", "kill -KILL $$"]).assert().code(137);
    // A directory in PATH that one may not search would make it EACCES, and 126, as for execvp(3).
    let mut missing = run(&["--pid"], &["no-such-command"]);
    missing.env("PATH", "/usr/bin:/bin").assert().code(127).stderr(contains("not found in $PATH"));
    run(&["--uts"], &["/etc/passwd"]).assert().code(126).stderr(contains("EACCES"));
    stage2(&["run", "--nonsense"]).assert().code(2);
    stage2(&["run", "--uts"]).assert().code(2);
}

#[test]
fn spawn_options_without_their_kind_are_refused() {
    for (options, needs) in [
        (&["--hostname", "x"][..], "--uts"),
        (&["--map-root"], "--user"),
        (&["--boottime", "1"], "--time"),
        (&["--monotonic=-1"], "--time"),
        (&["--no-init"], "--pid"),
        (&["--propagation", "slave"], "--mount"),
        (&["--uid-map", "0:0:1", "--gid-map", "0:0:1"], "--user"),
    ] {
        let mut command = stage2(&["run"]);
        command
            .args(options)
            .args(["--", "true"])
            .assert()
            .code(1)
            .stderr(contains(format!("hint: add {needs}")));
    }
}

#[test]
fn spawn_bad_input_is_one_clear_error_and_changes_nothing() {
    let before = host();
    let long = "x".repeat(65);
    for (arguments, code, says) in [
        (&["run", "--uts", "--hostname", "", "--", "true"][..], 2, "it is empty"),
        (&["run", "--uts", "--hostname", &long, "--", "true"], 2, "at most 64"),
        (&["run", "--uts", "--hostname", "a b", "--", "true"], 2, "no host name"),
        (&["run", "--mount", "--propagation", "sometimes", "--", "true"], 2, "private"),
        (
            &["run", "--user", "--uid-map", "0:0", "--gid-map", "0:0:1", "--", "true"],
            2,
            "INSIDE:OUTSIDE:COUNT",
        ),
        (&["run", "--user", "--uid-map", "0:0:0", "--gid-map", "0:0:1", "--", "true"], 2, "at least 1"),
        (
            &["run", "--user", "--uid-map", "4294967295:0:1", "--gid-map", "0:0:1", "--", "true"],
            2,
            "means no id",
        ),
        (&["run", "--time", "--boottime", "-99999999999", "--", "true"], 1, "out of range"),
        (&["run", "--time", "--boottime", "9223372036854775807", "--", "true"], 1, "out of range"),
        (&["run", "--root", "/nonexistent", "--", "true"], 1, "ENOENT"),
        (&["run", "--root", "/", "--", "true"], 1, "not a new root"),
        (&["run", "--mount", "--propagation", "shared", "--mount-proc", "--", "true"], 1, "private or slave"),
        (&["enter", "0", "--all", "--", "true"], 1, "not a process id"),
        (&["enter", "-5", "--all", "--", "true"], 2, "unexpected argument"),
        (&["enter", "2147483647", "--all", "--", "true"], 1, "there is no process 2147483647"),
        (&["enter", "x", "--all", "--", "true"], 2, "invalid"),
        (&["enter", "1", "--", "true"], 1, "no namespace was named"),
        (&["diff", "2147483647", "1"], 1, "there is no process"),
        (&["list", "2147483647"], 1, "there is no process"),
        (&["mounts", "2147483647"], 1, "there is no process"),
        (&["net", "add", "../etc"], 2, "no name for a network namespace"),
        (&["net", "exec", "no-such-net", "--", "true"], 1, "net list"),
        (&["net", "delete", "no-such-net"], 1, "ENOENT"),
        (&["net", "delete"], 2, "required"),
        (&["net", "delete", "a", "--lab", "b"], 2, "cannot be used with"),
        (&["net", "lab", "9"], 2, "the last one a letter"),
        (&["net", "lab", "a", "--range", "198.18.0.0/31"], 1, "no room"),
        (&["net", "up", "no-such-link"], 1, "ENODEV"),
        (&["net", "addr", "lo", "198.18.0.1/33"], 2, "0 to 32"),
        (&["net", "veth", "sixteen-letters-x", "b"], 2, "at most 15"),
        (&["net", "ping", "example.org"], 2, "no address"),
        (&["net", "ping", "127.0.0.1", "-c", "101"], 2, "1..=100"),
        (&["ipc", "make", "--key", "0"], 2, "not in"),
        (&["pod", "--", "true", "---"], 1, "no command"),
    ] {
        let output = stage2(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(says), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    assert_eq!(host(), before);
}

#[test]
fn idmap_overlap_and_excess_are_found_before_anything_is_made() {
    let overlap =
        ["run", "--user", "--uid-map", "0:1:5", "--uid-map", "4:9:1", "--gid-map", "0:1:1", "--", "true"];
    stage2(&overlap).assert().code(1).stderr(contains("overlap"));
    if is_root() {
        return skip_for(Runner::Ordinary, "root may map every id");
    }
    let other = ["run", "--user", "--uid-map", "0:1:1", "--gid-map", "0:1:1", "--", "true"];
    stage2(&other).assert().code(1).stderr(contains("ids that are not yours").and(contains("/etc/subuid")));
}

#[test]
fn user_is_the_remedy_that_an_ordinary_user_is_told() {
    if is_root() {
        return skip_for(Runner::Ordinary, "root needs no remedy");
    }
    stage2(&["run", "--net", "--", "true"])
        .assert()
        .code(1)
        .stderr(contains("EPERM").and(contains("--user --map-root")));
    stage2(&["net", "add", "x"]).assert().code(1).stderr(contains("hint: a handle is a mount"));
}

#[test]
fn kinds_and_lists_are_printed_as_json_as_well() {
    for arguments in [
        &["kinds"][..],
        &["list"],
        &["diff", "self"],
        &["mounts"],
        &["net", "show"],
        &["net", "list"],
        &["ipc", "list"],
    ] {
        let own = std::process::id().to_string();
        let arguments: Vec<&str> = match arguments {
            [diff, "self"] => vec![diff, &own, &own],
            other => other.to_vec(),
        };
        let json = output(stage2(&arguments).args(["--format", "json"]));
        let list: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(list.is_array(), "{arguments:?}");
    }
}

#[test]
fn list_without_proc_says_so() {
    let script = format!("mount -t tmpfs none /proc; {BINARY} list");
    let text = stderr(&mut run(&["--mount"], &["sh", "-c", &script]));
    assert!(text.contains("no /proc is mounted here") && text.contains("hint: mount"), "{text}");
}

#[test]
fn enter_behind_hidepid_says_that_the_process_lives() {
    if !is_root() {
        return skip_for(Runner::Root, "to become another user behind hidepid");
    }
    if !ground::has("setpriv") {
        return;
    }
    // The build directory may be closed to others.
    let open = tempfile::tempdir().unwrap();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = open.path().join("stage2-namespaces");
    fs::copy(BINARY, &copy).unwrap();
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc; sleep 5 & \
         setpriv --reuid 65534 --regid 65534 --clear-groups {} enter $! --all -- true",
        copy.display()
    );
    let text = stderr(&mut run(&["--mount", "--pid"], &["sh", "-c", &script]));
    assert!(text.contains("hidepid"), "{text}");
}

#[test]
fn spawn_command_inherits_no_descriptors() {
    let script = format!(
        "exec 7</dev/null; {BINARY} run --uts {} -- ls /proc/self/fd",
        if is_root() { "" } else { "--user" }
    );
    let mut shell = assert_cmd::Command::new("sh");
    let seen = output(shell.args(["-c", &script]));
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"], "3 is ls' own");
}

#[test]
fn completions_and_manual_pages_are_generated() {
    let completions = output(&mut stage2(&["generate", "completions", "bash"]));
    assert!(completions.contains("stage2-namespaces"));
    assert!(output(&mut stage2(&["generate", "man"])).contains(".TH"));
}

#[test]
fn the_pid_file_names_a_process_that_can_be_visited() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let script = format!(
        "{BINARY} run --user --map-root --uts --hostname inside --pid-file {0} -- sleep 5 &
         until test -s {0}; do sleep 0.05; done
         {BINARY} enter $(cat {0}) --user --uts -- hostname; kill $!",
        file.display()
    );
    let mut shell = assert_cmd::Command::new("sh");
    assert_eq!(output(shell.args(["-c", &script])), "inside");
    let missing = stderr(&mut stage2(&["run", "--pid-file", "/nonexistent/pid", "--", "true"]));
    assert!(missing.contains("/nonexistent/pid") && missing.contains("ENOENT"), "{missing}");
}

#[test]
fn the_pid_file_follows_no_link_and_is_tried_before_the_command() {
    let directory = tempfile::tempdir().unwrap();
    let (victim, file) = (directory.path().join("victim"), directory.path().join("pid"));
    fs::write(&victim, "untouched").unwrap();
    std::os::unix::fs::symlink(&victim, &file).unwrap();
    run(&["--uts", "--pid-file", file.to_str().unwrap()], &["true"]).assert().code(0);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    assert!(!file.is_symlink() && fs::read_to_string(&file).unwrap().trim().parse::<i32>().is_ok());
    let mut early = run(&["--uts", "--pid-file", "/nonexistent/pid"], &["sh", "-c", "echo ran"]);
    early.assert().code(1).stdout("");
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn net_lab_leaves_alone_what_has_its_names_already() {
    let names = "$S2 net add stage2-t1; $S2 net lab t && exit 9; $S2 net list; $S2 net bridge stage2-v1
        $S2 net lab v && exit 9; $S2 net show";
    let seen = output(&mut ground::sandbox(names));
    assert!(seen.contains("stage2-t1") && seen.contains("stage2-v1"), "{seen}");
}

#[test]
fn net_names_are_those_of_ip_netns_and_a_killed_add_can_be_repeated() {
    let script = "$S2 net add keep; touch '/run/netns/a killed one'; $S2 net add 'a killed one'
        $S2 net add a:b; $S2 net exec a:b -- true; $S2 net list; $S2 net delete a:b; $S2 net delete 'a killed one'
        $S2 net delete keep; ls /run";
    let seen = output(&mut ground::sandbox(script));
    assert!(seen.contains("a:b") && seen.contains("a killed one") && !seen.contains("netns"), "{seen}");
    for bad in ["../x", ".", "a/b", "a\u{1b}[m"] {
        stage2(&["net", "add", bad]).assert().code(2).stderr(contains("is no name"));
    }
}

#[test]
fn net_add_that_fails_leaves_no_directory_behind() {
    let script = "echo 0 > /proc/sys/user/max_net_namespaces; $S2 net add x && exit 9; ls /run";
    assert_eq!(output(&mut ground::sandbox(script)), "");
}
