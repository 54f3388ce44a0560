//! Hooks: what they get, and how long they have.

use crate::ground::Claim;
use stage4_runtime::config::Hooks;
use stage4_runtime::hooks::{run, run_all};
use stage4_runtime::plan::hooks::HooksPlan;
use std::fs;
use std::time::{Duration, Instant};

pub const CLAIMS: &[Claim] = &[
    ("hooks_get_arguments_environment_and_state_and_nothing_else", get),
    ("hooks_run_in_their_order_up_to_the_first_that_fails", order),
    ("hooks_that_fail_are_named_with_their_words", fail),
    ("hooks_that_cannot_be_executed_are_named", not_executed),
    ("hooks_have_their_time_and_no_more", timeout),
    ("hooks_that_do_not_read_their_state_are_no_failure", unread),
    ("hooks_that_leave_others_behind_are_not_waited_for_longer", left_behind),
    ("hooks_that_talk_much_end_all_the_same", talkative),
];

fn planned(json: serde_json::Value) -> HooksPlan {
    HooksPlan::of(&serde_json::from_value::<Hooks>(json).unwrap()).unwrap()
}

fn sh(script: &str, timeout: Option<i64>) -> HooksPlan {
    let mut hook =
        serde_json::json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]});
    if let Some(timeout) = timeout {
        hook["timeout"] = timeout.into();
    }
    planned(serde_json::json!({ "poststart": [hook] }))
}

fn get() {
    let top = tempfile::tempdir().unwrap();
    let out = top.path().join("out");
    let script = format!(
        "{{ tr '\\0' '|' < /proc/$$/cmdline; echo; tr '\\0' '|' < /proc/$$/environ; echo; cat; echo; \
         for fd in /proc/$$/fd/*; do test ${{fd##*/}} -gt 2 && echo $fd; done; :; }} > {}",
        out.display()
    );
    let hooks = planned(serde_json::json!({ "prestart": [
        {"path": "/bin/sh", "args": ["zeroth/sh", "-c", script, "", "last"], "env": ["A=1", "PATH=/bin:/usr/bin", "A=2"]}
    ]}));
    // Not to be inherited.
    let leak = nix::fcntl::open("/", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty()).unwrap();
    run(&hooks.prestart[0], br#"{"id":"x"}"#).unwrap();
    drop(leak);
    let said = fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("zeroth/sh|-c|") && lines[0].ends_with("||last|"), "{said}");
    assert_eq!(lines[1], "A=1|PATH=/bin:/usr/bin|A=2|");
    assert_eq!(lines[2], r#"{"id":"x"}"#);
    // The shell may have the file it writes to on a number above 2 while it runs the list; nothing of ours leads to /.
    assert!(
        !lines[3..]
            .iter()
            .any(|fd| fs::read_link(fd).is_ok_and(|target| target == std::path::Path::new("/")))
    );
}

fn order() {
    let top = tempfile::tempdir().unwrap();
    let out = top.path().join("out");
    let hook = |word: &str, status: i32| {
        let script = format!("echo {word} >> {}; exit {status}", out.display());
        serde_json::json!({"path": "/bin/sh", "args": ["sh", "-c", script]})
    };
    let hooks = planned(serde_json::json!({
        "createRuntime": [hook("one", 0), hook("two", 0), hook("three", 3), hook("four", 0)]
    }));
    let error = run_all(&hooks.create_runtime, b"{}").unwrap_err().to_string();
    assert!(error.contains("hooks.createRuntime[2]") && error.contains("status 3"), "{error}");
    assert_eq!(fs::read_to_string(&out).unwrap(), "one\ntwo\nthree\n");
}

fn fail() {
    let error = run(&sh("echo on output; echo on error >&2; exit 7", None).poststart[0], b"{}").unwrap_err();
    let text = error.to_string();
    for part in ["hooks.poststart[0]", "/bin/sh", "status 7", "on error", "on output"] {
        assert!(text.contains(part), "{text}");
    }
    let killed = run(&sh("kill -9 $$", None).poststart[0], b"{}").unwrap_err().to_string();
    assert!(killed.contains("status 137"), "{killed}");
}

fn not_executed() {
    for (path, status, word) in [("/stage4/no-such", "127", "ENOENT"), ("/etc/passwd", "126", "EACCES")] {
        let hooks = planned(serde_json::json!({ "poststop": [{ "path": path }] }));
        let error = run(&hooks.poststop[0], b"{}").unwrap_err().to_string();
        assert!(
            error.contains("hooks.poststop[0]") && error.contains(status) && error.contains(word),
            "{error}"
        );
    }
}

fn timeout() {
    let top = tempfile::tempdir().unwrap();
    let out = top.path().join("pids");
    // It and what it has begotten.
    let script = format!("echo before; sleep 60 & echo $$ $! > {}; wait", out.display());
    let begun = Instant::now();
    let error = run(&sh(&script, Some(1)).poststart[0], b"{}").unwrap_err().to_string();
    assert!(error.contains("within 1 s") && error.contains("before"), "{error}");
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(8)).contains(&begun.elapsed()),
        "{:?}",
        begun.elapsed()
    );
    let pids = fs::read_to_string(&out).unwrap();
    for pid in pids.split_whitespace() {
        let ended = || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        while !ended() && begun.elapsed() < Duration::from_secs(9) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(ended(), "{pid} goes on");
    }
    // Who is in time is not killed.
    run(&sh("sleep 0.2", Some(5)).poststart[0], b"{}").unwrap();
}

fn unread() {
    // More than a pipe holds.
    let state = vec![b' '; 1 << 20];
    run(&sh("exec <&-; exit 0", None).poststart[0], &state).unwrap();
    run(&sh("exit 0", None).poststart[0], &state).unwrap();
    let count = run(&sh("test $(wc -c) = 1048576", None).poststart[0], &state);
    assert!(count.is_ok(), "{count:?}");
}

fn left_behind() {
    // It holds both pipes.
    let begun = Instant::now();
    run(&sh("sleep 8 & exit 0", None).poststart[0], b"{}").unwrap();
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

fn talkative() {
    let error =
        run(&sh("yes | head -c 3000000; echo the end; exit 1", None).poststart[0], b"{}").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the end") && text.len() < 20_000, "{}", text.len());
}
