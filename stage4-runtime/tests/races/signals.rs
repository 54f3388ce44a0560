//! Signals to the runtime, at any moment: while it makes, while it waits, while it removes.
//!
//! kill(2), signalfd(2). Book: "Whoever is faster" (`races-verbs`).
//! Invariant: what is told is what became of the program; of who was killed himself nothing stays behind `delete --force`.

use crate::arena::configure;
use crate::chance::Chance;
use crate::ground::{Bench, until};
use crate::{alone, rounds};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What each is told as: by the program's own trap, where it has one.
const SIGNALS: [(Signal, Option<i32>); 5] = [
    (Signal::SIGTERM, Some(40)),
    (Signal::SIGINT, Some(41)),
    (Signal::SIGUSR1, Some(42)),
    (Signal::SIGWINCH, None),
    (Signal::SIGCHLD, None),
];

/// Leaves a mark, works for a moment, and ends with 7 unless it is told otherwise.
const SCRIPT: &str = "trap 'exit 40' TERM; trap 'exit 41' INT; trap 'exit 42' USR1; echo marked; \
                      sleep 0.02; sleep 0.02; exit 7";

/// How it ended, and whether its program had begun.
struct Told {
    status: ExitStatus,
    began: bool,
    errors: String,
}

/// Signals until it has ended, each after a moment that nobody knows before; it ends within half a minute.
fn storm(bench: &Bench, mut command: Command, signal: Signal, chance: &mut Chance) -> Told {
    let (output, errors) = (bench.path("output"), bench.path("errors"));
    command.stdout(fs::File::create(&output).unwrap()).stderr(fs::File::create(&errors).unwrap());
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let mut pause = chance.below(40_000);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it hangs");
        std::thread::sleep(Duration::from_micros(pause));
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        pause = chance.below(3_000);
    };
    let [began, errors] = [output, errors].map(|path| fs::read_to_string(path).unwrap());
    assert!(!errors.contains("panicked"), "{errors}");
    Told { status, began: began.contains("marked"), errors }
}

/// Is that what it may tell? `default` is what becomes of a program that has no trap yet: of the first process nothing.
fn is_right(told: &Told, (signal, trapped): (Signal, Option<i32>), default: Option<i32>) -> bool {
    match (told.status.code(), trapped) {
        (Some(7), _) => told.began,
        (Some(status), Some(trapped)) => status == trapped && told.began || Some(status) == default,
        (Some(_), None) => false,
        // Before there was anybody to pass it on to.
        (None, Some(_)) => told.status.signal() == Some(signal as i32) && !told.began,
        (None, None) => false,
    }
}

/// How many processes are in the pid namespace of `first`.
fn inhabitants(first: i32) -> usize {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let its = namespace(&first.to_string());
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| entry.file_name().to_str().is_some_and(|pid| its.is_some() && namespace(pid) == its))
        .count()
}

fn each() -> usize {
    (rounds() / 100).max(12)
}

#[test]
fn signals_at_any_moment_of_run() {
    let _alone = alone();
    let Some(bench) = Bench::for_anybody() else { return };
    let mut chance = Chance::new();
    // It takes a while until it is removed; meanwhile nobody is there to whom a signal could be passed on.
    configure(&bench, SCRIPT, |config| {
        let hook = json!({"path": "/bin/sleep", "args": ["sleep", "0.01"]});
        config["hooks"] = json!({"poststop": [hook]});
    });
    for round in 0..each() {
        let (id, signal) = (bench.id(), chance.of(&SIGNALS));
        let told = storm(&bench, bench.raw(&["run", &id]), signal.0, &mut chance);
        let what = format!("{round}: {}: {:?}: {}", signal.0, told.status, told.errors);
        assert!(is_right(&told, signal, None), "{what}");
        match told.status.code() {
            Some(_) => assert!(!bench.path("state").join(&id).exists(), "{what}: its state is left"),
            None => drop(bench.output(&["delete", "--force", &id])),
        }
    }
    bench.nothing_is_left();
}

#[test]
fn signals_at_any_moment_of_exec() {
    let _alone = alone();
    let Some(bench) = Bench::for_anybody() else { return };
    let mut chance = Chance::new();
    let id = bench.id();
    configure(&bench, "sleep 100000", |_| ());
    bench.output(&["run", "--detach", &id]);
    let first = bench.pid(&id);
    let alone = inhabitants(first);
    for round in 0..each() {
        let signal = chance.of(&SIGNALS);
        let told = storm(&bench, bench.raw(&["exec", &id, "sh", "-c", SCRIPT]), signal.0, &mut chance);
        let what = format!("{round}: {}: {:?}: {}", signal.0, told.status, told.errors);
        assert!(is_right(&told, signal, Some(128 + signal.0 as i32)), "{what}");
        until("its visitors have gone", || inhabitants(first) == alone);
    }
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

#[test]
fn signals_at_any_moment_of_create() {
    let _alone = alone();
    let Some(bench) = Bench::for_anybody() else { return };
    let mut chance = Chance::new();
    configure(&bench, SCRIPT, |_| ());
    for round in 0..each() {
        let (id, signal) = (bench.id(), chance.of(&SIGNALS));
        let told = storm(&bench, bench.raw(&["create", &id]), signal.0, &mut chance);
        let what = format!("{round}: {}: {:?}: {}", signal.0, told.status, told.errors);
        match told.status.code() {
            Some(0) => assert_eq!(bench.status(&id), "created", "{what}"),
            None => assert!(signal.1.is_some() && told.status.signal() == Some(signal.0 as i32), "{what}"),
            Some(_) => panic!("{what}"),
        }
        assert!(!told.began, "{what}");
        bench.output(&["delete", "--force", &id]);
    }
    bench.nothing_is_left();
}
