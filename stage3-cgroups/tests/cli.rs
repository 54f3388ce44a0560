//! Commands, errors and exit statuses.
//!
//! Book: "How to use this book".
//! Invariant: every error names what was asked, why not, and what to do; and nothing was begun.

mod ground;

use ground::{Lab, Runner, can, is_root, output, run, skip_for, stage3};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use stage3_cgroups::Controller;

#[test]
fn info_names_the_layout_and_every_controller() {
    let text = output(&mut stage3(&["info"]));
    let layout = stage3_cgroups::Layout::read().unwrap().kind().to_string();
    assert!(text.starts_with(&format!("layout: {layout}\n")), "{text}");
    let json = output(&mut stage3(&["info", "--format", "json"]));
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(rows.len(), Controller::all().count());
    assert!(rows.iter().all(|row| row["version"].is_null() == row["mount"].is_null()), "{json}");
}

#[test]
fn info_bad_input_is_one_clear_error_and_changes_nothing() {
    for (arguments, says) in [
        (&["create", "lab"][..], "begin it with \\\"stage3-\\\""),
        (&["create", "stage3-a/../b"], "only lead downwards"),
        (&["create", "/stage3-a"], "empty"),
        (&["create", "stage3-a\nb"], "control character"),
        (&["create", "stage3-a/cgroup.procs"], "the kernel's"),
        (&["kill", "process_api"], "begin it with"),
        (&["freeze", "/"], "empty"),
        (&["create", "stage3-a", "--memory", "-5"], "unexpected argument"),
        (&["create", "stage3-a", "--memory", "lots"], "powers of 1024"),
        (&["create", "stage3-a", "--cpus", "0"], "0.5 is half of one"),
        (&["create", "stage3-a", "--cpu-period", "5"], "--cpus"),
        (&["create", "stage3-a", "--io", "sda:rbps=1"], "lsblk"),
        (&["create", "stage3-a", "--device", "c 1:3"], "c 1:3 rwm"),
        (&["create", "stage3-a", "--owner", "no-such-user"], "there is no user"),
        (&["attach", "stage3-a"], "required"),
        (&["attach", "stage3-a", "0"], "0 is not in"),
        (&["hog", "memory", "--most", "5G"], "4G at most"),
        (&["delete", "stage3-a", "--wait", "-1"], "unexpected argument"),
        (&["run"], "required"),
        (&["run", "--view", "both", "--", "true"], "own"),
    ] {
        let output = stage3(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(&says.replace('\\', "")), "{arguments:?}: {text}");
    }
    assert!(ground::groups("stage3-a").is_empty());
}

#[test]
fn conversions_out_of_range_are_refused_before_anything_is_made() {
    for (limits, says) in [
        (&["--cpu-weight", "0"][..], "a cpu weight of 0 is out of range"),
        (&["--cpu-weight", "10001"], "1 to 10000"),
        (&["--cpus", "0.5", "--cpu-period", "10"], "1000 to 1000000"),
        (&["--cpus", "0.001"], "cpu time of a period"),
        (&["--cpus", "0.1", "--cpu-burst", "20000"], "more than the 10000"),
        (&["--rdma", "mlx4_0=1,2"], "no hierarchy here has the controller rdma"),
    ] {
        if limits[0] == "--rdma" && ground::version(Controller::Rdma).is_some() {
            continue;
        }
        run(limits, &["true"]).assert().code(1).stderr(contains(says));
    }
}

#[test]
fn info_of_a_group_that_is_not_there_says_how_to_make_it() {
    for verb in ["set", "stat", "freeze", "thaw", "kill", "delete"] {
        stage3(&[verb, "stage3-none"])
            .assert()
            .code(1)
            .stderr(contains("ENOENT").and(contains("create stage3-none")));
    }
    stage3(&["plot", "/dev/null"]).assert().code(1).stderr(contains("no recording"));
    stage3(&["plot", "/nonexistent"]).assert().code(1).stderr(contains("ENOENT"));
}

#[test]
fn born_inside_status_is_the_commands() {
    if !can(&[Controller::Freezer]) {
        return;
    }
    run(&[], &["sh", "-c", "exit 7"]).assert().code(7);
    run(&[], &["sh", "-c", "kill -TERM $$"]).assert().code(143);
    run(&[], &["no-such-command"]).assert().code(127).stderr(contains("not found in $PATH"));
    run(&[], &["/etc/passwd"]).assert().code(126).stderr(contains("EACCES"));
    run(&["--root", "/nonexistent"], &["true"]).assert().code(1).stderr(contains("ENOENT"));
    run(&["--root", "/"], &["true"]).assert().code(1);
}

#[test]
fn info_limits_are_printed_as_the_writes_that_made_them() {
    if !can(&[Controller::Pids]) {
        return;
    }
    let lab = Lab::new();
    let seen = output(lab.verb("create").args(["--pids", "7"]));
    assert!(seen.starts_with("echo 7 > /") && seen.ends_with(&format!("/{}/pids.max", lab.0)), "{seen}");
    lab.verb("create").assert().code(1).stderr(contains("EEXIST").and(contains("`set` changes")));
    lab.verb("set").assert().code(1).stderr(contains("no limit was named"));
    output(lab.verb("set").args(["--pids", "max"]));
    let json = output(lab.verb("stat").args(["--format", "json"]));
    assert!(json.contains("\"limit\": \"max\""), "{json}");
}

#[test]
fn delegation_of_nothing_is_told_with_the_remedy() {
    if is_root() {
        return skip_for(Runner::Ordinary, "everything is delegated to root");
    }
    let info = stage3(&["info"]).output().unwrap();
    let said = String::from_utf8(info.stderr).unwrap();
    if !said.contains("nothing is delegated to us") {
        return ground::skip("something is delegated to this user");
    }
    for verb in [&["create", "stage3-mine"][..], &["run", "--pids", "5", "--", "true"]] {
        let text = ground::stderr(&mut stage3(verb));
        assert!(
            text.contains("EACCES") && text.contains("systemd-run --user") && text.contains("--owner"),
            "{text}"
        );
    }
}

#[test]
fn hog_takes_files_until_the_process_limit_and_says_that_no_group_counts_them() {
    let script = format!("ulimit -n 50; {} hog fd", ground::BINARY);
    let mut shell = assert_cmd::Command::new("sh");
    let shell = shell.args(["-c", &script]).assert().code(1);
    shell.stdout(contains("open files")).stderr(contains("EMFILE").and(contains("no control group counts")));
    assert_eq!(output(&mut stage3(&["hog", "fd", "--most", "10"])), "10 open files");
}

#[test]
fn completions_and_manual_pages_are_generated() {
    assert!(output(&mut stage3(&["generate", "completions", "bash"])).contains("stage3-cgroups"));
    assert!(output(&mut stage3(&["generate", "man"])).contains(".TH"));
}
