//! `--rootless`: whether a container may do without a group where none can be had.
//!
//! Invariant: what only a group can do is never left out.

use crate::ground::{BINARY, Bench};
use serde_json::{Value, json};
use std::process::Command;

/// Where every control group can only be read.
const READ_ONLY: &str = "for place in $(cut -d' ' -f5 /proc/self/mountinfo | grep '^/sys/fs/cgroup'); do \
    mount -o remount,bind,ro $place || exit 99; done; exec \"$@\"";

fn run(bench: &Bench, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", READ_ONLY, "sh", BINARY, "--root"]);
    command.arg(bench.path("state")).args(arguments).current_dir(bench.path(""));
    command.args(["run", &bench.id()]);
    bench.watch(command)
}

#[test]
fn a_group_is_done_without_where_the_caller_says_so_or_is_not_root_of_the_machine() {
    let Some(bench) = Bench::new() else { return };
    let without = |config: &mut Value| drop(config["linux"].as_object_mut().unwrap().remove("resources"));
    bench.config("echo here", without);
    for words in [&[][..], &["--rootless", "auto"], &["--rootless", "false"]] {
        let (status, _, errors) = run(&bench, words);
        assert!(status == 1 && errors.contains("EROFS"), "{words:?}: {status} {errors}");
    }
    assert_eq!(run(&bench, &["--rootless", "true"]), (0, "here\n".into(), String::new()));
    bench.config("echo here", |config| config["linux"]["resources"] = json!({ "pids": { "limit": 9 } }));
    let (status, _, errors) = run(&bench, &["--rootless", "true"]);
    assert!(status == 1 && errors.contains("EROFS"), "a limit is not left out: {status} {errors}");
    bench.nothing_is_left();
}

/// user_namespaces(7): who joins one has all capabilities in it, so that those asked for can be given, to root inside.
#[test]
fn who_joins_a_user_namespace_gets_the_capabilities_asked_for() {
    let Some(bench) = Bench::new() else { return };
    let map = json!([{"containerID": 0, "hostID": 0, "size": 1000}]);
    let first = bench.idle(|config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map.clone();
    });
    let users = format!("/proc/{}/ns/user", bench.pid(&first));
    bench.config("grep CapEff /proc/self/status; readlink /proc/self/ns/user", |config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user", "path": users}));
    });
    let (status, output, errors) = bench.call(&["run", &bench.id()]);
    assert_eq!((status, errors.as_str()), (0, ""), "{output}");
    let namespace = std::fs::read_link(&users).unwrap();
    assert_eq!(output, format!("CapEff:\t0000000020000420\n{}\n", namespace.display()));
    bench.end(&first);
    bench.nothing_is_left();
}
