//! Podman drives this runtime: what its user sees, in a sandbox with one layout of control groups, on the machine as it
//! is, and as an ordinary user.
//!
//! The claims are made of one podman after the other, each with its own image and storage, so that this file brings its
//! own `main`, which knows `--list`, `--exact` and parts of names, and calls itself for each place: `--in PLACE`.
//! Invariant: nothing is mocked; no network but the loopback; what a place holds goes with it.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "podman/confinement.rs"]
mod confinement;
#[path = "podman/life.rs"]
mod life;
#[path = "podman/place.rs"]
mod place;
#[path = "podman/process.rs"]
mod process;
#[path = "podman/together.rs"]
mod together;

use observe::sandbox::Sandbox;
use observe::skip::{Runner, skip, skip_for};
use observe::workspace::installed;
use place::{Claim, Place, Podman};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

const PACKAGES: [(&str, &str); 7] = [
    ("podman", "podman"),
    ("conmon", "conmon"),
    ("runc", "runc"),
    ("busybox", "busybox-static"),
    ("catatonit", "catatonit"),
    ("newuidmap", "uidmap"),
    ("script", "bsdutils"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let place = arguments.iter().position(|word| word == "--in").map(|at| arguments[at + 1].clone());
    let names: Vec<&String> =
        arguments.iter().filter(|word| !word.starts_with('-') && place.as_ref() != Some(word)).collect();
    let exact = arguments.iter().any(|word| word == "--exact");
    let asked = |name: &str| {
        let meant =
            |part: &&&String| if exact { part.as_str() == name } else { name.contains(part.as_str()) };
        names.is_empty() || names.iter().any(|part| meant(&part))
    };
    let failed = match place {
        Some(place) => inside(&place, asked),
        None if arguments.iter().any(|word| word == "--list") => list(asked),
        None if names.is_empty() || Place::ALL.iter().any(|place| chosen(*place, asked).next().is_some()) => {
            everywhere(&arguments, asked)
        }
        None => 0,
    };
    std::process::exit(i32::from(failed > 0));
}

/// The claims that can be made of a place.
fn chosen(place: Place, asked: impl Fn(&str) -> bool) -> impl Iterator<Item = (String, &'static Claim)> {
    let all = [life::CLAIMS, process::CLAIMS, confinement::CLAIMS, together::CLAIMS].into_iter().flatten();
    let all = all.filter(move |claim| place != Place::Ordinary || claim.ordinary);
    all.map(move |claim| (format!("{}::{}", place.name(), claim.name), claim))
        .filter(move |(name, _)| asked(name))
}

fn list(asked: impl Fn(&str) -> bool + Copy) -> usize {
    for place in Place::ALL {
        chosen(place, asked).for_each(|(name, _)| println!("{name}: test"));
    }
    0
}

/// Calls itself for each place, side by side, for most of the time is spent waiting; how many have failed.
fn everywhere(arguments: &[String], asked: impl Fn(&str) -> bool + Copy) -> usize {
    let Some(sandbox) = ground() else { return 0 };
    let places = Place::ALL.into_iter().filter(|place| chosen(*place, asked).next().is_some());
    let calls: Vec<_> = places
        .map(|place| {
            let (sandbox, arguments) = (sandbox.clone(), arguments.to_vec());
            std::thread::spawn(move || call(&sandbox, place, &arguments))
        })
        .collect();
    let holds = calls.into_iter().map(|call| call.join().unwrap());
    holds.filter(|holds| !holds).count()
}

/// Whether all holds there.
fn call(sandbox: &Sandbox, place: Place, arguments: &[String]) -> bool {
    let own = std::env::current_exe().unwrap();
    let limit = Duration::from_secs(400);
    let mut command = match place {
        Place::Machine => {
            let mut command = Command::new("timeout");
            command.args(["--kill-after=5", "400"]).arg(own);
            command
        }
        Place::Sandbox | Place::Ordinary => sandbox.command(own, limit),
    };
    let status = command.args(["--in", place.name()]).args(arguments).status().unwrap();
    if !status.success() {
        println!("podman in the place {:?}: {status}", place.name());
    }
    status.success()
}

/// None: cannot be observed here, and has been said.
fn ground() -> Option<Sandbox> {
    if !nix::unistd::geteuid().is_root() {
        skip_for(Runner::Root, "podman", "control groups and users are made for it by root");
        return None;
    }
    if let Some((program, package)) = PACKAGES.iter().find(|(program, _)| !installed(program)) {
        skip("podman", &format!("{program} is not found in PATH; apt-get install {package}"));
        return None;
    }
    Sandbox::here().inspect_err(|answer| skip("podman", &answer.to_string())).ok()
}

/// Makes the claims one by one; how many do not hold.
fn inside(place: &str, asked: impl Fn(&str) -> bool) -> usize {
    let place = Place::ALL.into_iter().find(|known| known.name() == place).unwrap();
    let podman = Podman::new(place);
    let mut failed = 0;
    for (name, claim) in chosen(place, asked) {
        let held = catch_unwind(AssertUnwindSafe(|| (claim.holds)(&podman))).is_ok();
        podman.clear();
        println!("test {name} ... {}", if held { "ok" } else { "FAILED" });
        failed += usize::from(!held);
    }
    failed
}
