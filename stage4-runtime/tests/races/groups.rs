//! Groups that give hardly anything, and groups that cannot be made.
//!
//! cgroups(7); mount(2), MS_REMOUNT|MS_BIND|MS_RDONLY. Book: "Resources" (`resources`).
//! Invariant: an error that names its reason or a container that works; never half of one, and nobody waits for ever.

use crate::alone;
use crate::arena::configure;
use crate::ground::{BINARY, Bench, is_root};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// Did it work, or say why not? 137: the program was killed for want of memory; 2: the shell could not fork.
fn is_an_answer((status, output, errors): &(i32, String, String)) -> bool {
    match status {
        0 => output == "ran\n",
        137 => true,
        1 | 2 | 126 | 127 | 255 => !errors.is_empty() && !errors.contains("panicked"),
        _ => false,
    }
}

/// All that is done with a container, under `resources`.
fn live(bench: &Bench, resources: &Value) -> [(i32, String, String); 3] {
    configure(bench, "/bin/true && echo ran", |config| config["linux"]["resources"] = resources.clone());
    let run = bench.call(&["run", &bench.id()]);
    configure(bench, "exec sleep 1000", |config| config["linux"]["resources"] = resources.clone());
    let id = bench.id();
    let created = bench.call(&["create", &id]);
    let (started, visited) = match created.0 {
        0 => (bench.call(&["start", &id]), bench.call(&["exec", &id, "echo", "ran"])),
        _ => (created.clone(), created),
    };
    bench.output(&["delete", "--force", &id]);
    let started = if started.0 == 0 { (0, "ran\n".to_owned(), String::new()) } else { started };
    [run, started, visited]
}

/// How many of the answers were successes, of runs, of starts and of visits.
fn all_answer(bench: &Bench, limits: &[(&str, u64)], resources: impl Fn(u64) -> Value) -> [usize; 3] {
    let mut worked = [0; 3];
    for (name, limit) in limits {
        let answers = live(bench, &resources(*limit));
        assert!(answers.iter().all(is_an_answer), "{name}: {answers:?}");
        for (worked, answer) in worked.iter_mut().zip(&answers) {
            *worked += usize::from(answer.0 == 0);
        }
        bench.nothing_is_left();
    }
    worked
}

#[test]
fn tiny_limits_of_processes_are_kept_or_told() {
    let Some(bench) = Bench::new() else { return };
    let limits = [("1", 1), ("2", 2), ("3", 3), ("4", 4)];
    let worked = all_answer(&bench, &limits, |limit| json!({"pids": {"limit": limit}}));
    // One process is enough to be there, two to have a child; and whoever comes from outside is not counted (cgroups(7)).
    assert_eq!(worked[..2], [3, 4]);
}

#[test]
fn tiny_limits_of_memory_are_kept_or_told() {
    let Some(bench) = Bench::new() else { return };
    let limits = [
        ("4k", 4 << 10),
        ("64k", 64 << 10),
        ("256k", 256 << 10),
        ("512k", 512 << 10),
        ("1M", 1 << 20),
        ("32M", 32 << 20),
    ];
    let worked = all_answer(&bench, &limits, |limit| json!({"memory": {"limit": limit}}));
    assert!(worked.iter().all(|worked| (1..limits.len()).contains(worked)), "{worked:?}");
}

/// Whoever waits for it does not wait for ever, even where a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// As a cleaner does that takes every empty group for one that was forgotten.
#[test]
fn groups_that_somebody_removes_at_once_are_told() {
    let _alone = alone();
    let Some(bench) = Bench::new() else { return };
    let name = format!("{}-group", bench.name());
    let ask = |script: &str| {
        configure(&bench, script, |config| {
            config["linux"]["cgroupsPath"] = json!(format!("/{name}"));
            // To see from inside in which groups it is.
            let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|namespace| namespace["type"] != "cgroup");
        });
    };
    ask("exec sleep 1000");
    let id = bench.id();
    bench.output(&["create", &id]);
    let places = bench.groups();
    bench.output(&["delete", "--force", &id]);
    ask(&format!("test $(grep -c {name} /proc/self/cgroup) = {} && echo ran", places.len()));
    let over = AtomicBool::new(false);
    let remove = || {
        while !over.load(Ordering::Relaxed) {
            places.iter().for_each(|place| drop(fs::remove_dir(place)));
        }
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(remove);
        let _over = Over(&over);
        (0..100).map(|_| bench.call(&["run", &bench.id()])).collect()
    });
    // Not one of them ran outside of a group that had gone.
    let told = |(status, output, errors): &(i32, String, String)| {
        let errno = errors.contains("ENOENT") || errors.contains("ENODEV");
        *status == 1
            && output.is_empty()
            && errno
            && (errors.contains(&name) || errors.contains("group was deleted meanwhile"))
    };
    assert!(
        answers.iter().all(|answer| is_an_answer(answer) && (answer.0 == 0 || told(answer))),
        "{answers:?}"
    );
    assert!(answers.iter().any(|answer| answer.2.contains("the group was deleted meanwhile")), "{answers:?}");
    bench.nothing_is_left();
}

/// Makes `places` read-only in mounts of its own, and executes the rest.
const READ_ONLY: &str = "for place in $0; do mount -o remount,bind,ro $place || exit 99; done; exec \"$@\"";

/// The runtime where the hierarchies at `places` can only be read.
fn where_read_only(bench: &Bench, places: &[String], words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--propagation", "private", "sh", "-c", READ_ONLY]);
    command.arg(places.join(" ")).args([BINARY, "--root"]).arg(bench.path("state")).args(words);
    command.current_dir(bench.path(""));
    bench.watch(command)
}

fn hierarchies() -> Vec<String> {
    let layout = stage3_cgroups::Layout::read().unwrap();
    layout.useful().map(|one| one.mount.display().to_string()).collect()
}

#[test]
fn hierarchies_that_are_read_only_are_told_and_nothing_is_made_in_the_others() {
    let Some(bench) = Bench::new() else { return };
    configure(&bench, "echo here", |_| ());
    for place in hierarchies() {
        for verb in ["create", "run"] {
            let (status, output, errors) =
                where_read_only(&bench, std::slice::from_ref(&place), &[verb, &bench.id()]);
            assert!(status == 1 && output.is_empty(), "{place}: {status}: {output}{errors}");
            assert!(errors.contains("EROFS") && errors.contains(&place), "{place}: {errors}");
            bench.nothing_is_left();
        }
    }
}

#[test]
fn hierarchies_that_became_read_only_are_told_and_removed_later() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|_| ());
    let everywhere = hierarchies();
    for words in [
        &["update", "--pids-limit", "9", &id][..],
        &["pause", &id],
        &["exec", &id, "true"],
        &["delete", "--force", &id],
    ] {
        let (status, output, errors) = where_read_only(&bench, &everywhere, words);
        assert!(
            status != 0 && output.is_empty() && errors.contains("EROFS"),
            "{words:?}: {status}: {output}{errors}"
        );
    }
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

/// Who may have no groups does without; who asks for a limit is told that there is none.
#[test]
fn hierarchies_that_are_read_only_are_done_without_by_an_ordinary_user() {
    if is_root() {
        return observe::skip::skip_for(
            observe::skip::Runner::Ordinary,
            "stage4",
            "root is refused, as above",
        );
    }
    let Some(bench) = Bench::for_anybody() else { return };
    // Where it runs, he is mapped to root, and has no other ids.
    let mapped = |config: &mut Value| {
        for map in ["uidMappings", "gidMappings"] {
            config["linux"][map] = json!([{"containerID": 0, "hostID": 0, "size": 1}]);
        }
    };
    configure(&bench, "echo here", mapped);
    let run = || where_read_only(&bench, &hierarchies(), &["run", &bench.id()]);
    assert_eq!(run(), (0, "here\n".to_owned(), String::new()));
    configure(&bench, "echo here", |config| {
        mapped(config);
        config["linux"]["resources"] = json!({"pids": {"limit": 9}});
    });
    let (status, output, errors) = run();
    assert!(status == 1 && output.is_empty() && errors.contains("EROFS"), "{status}: {output}{errors}");
    bench.nothing_is_left();
}
