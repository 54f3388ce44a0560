//! Podman, Docker and containerd drive this runtime: what their users see, in sandboxes with one layout of control
//! groups, on the machine as it is, and as an ordinary user.
//!
//! The claims are the operations of `clients.toml`; a client makes its own one after the other, with one image and one
//! daemon, so that this file brings its own `main`, which knows `--list`, `--exact` and parts of names.
//! Invariant: nothing is mocked; no network but the loopback and what is made inside; what a client holds goes with it.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

use observe::clients::{CLIENTS, Client, Ground, Operation, Operations, Runtime, Seen, Verdict, play};
use observe::sandbox::Sandbox;
use observe::scratch::Scratch;
use observe::skip::{Runner, skip, skip_for};
use std::thread;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let exact = arguments.iter().any(|word| word == "--exact");
    let asked = |name: &str| {
        let meant =
            |part: &&&String| if exact { part.as_str() == name } else { name.contains(part.as_str()) };
        names.is_empty() || names.iter().any(|part| meant(&part))
    };
    let operations = Operations::load().unwrap();
    let chosen = |client: &'static Client| -> Vec<&Operation> {
        operations.of(client).filter(|operation| asked(&name(client, operation))).collect()
    };
    let chosen: Vec<_> = CLIENTS.iter().map(|client| (client, chosen(client))).collect();
    let chosen: Vec<_> = chosen.into_iter().filter(|(_, operations)| !operations.is_empty()).collect();
    let failed = if arguments.iter().any(|word| word == "--list") { list(&chosen) } else { all(&chosen) };
    std::process::exit(i32::from(failed > 0));
}

/// `docker::exit-status`
fn name(client: &Client, operation: &Operation) -> String {
    format!("{}::{}", client.name, operation.name)
}

type Chosen<'a> = [(&'static Client, Vec<&'a Operation>)];

fn list(chosen: &Chosen<'_>) -> usize {
    for (client, operations) in chosen {
        operations.iter().for_each(|operation| println!("{}: test", name(client, operation)));
    }
    0
}

/// Side by side, for most of the time is spent waiting; how many have failed.
fn all(chosen: &Chosen<'_>) -> usize {
    if chosen.is_empty() {
        return 0;
    }
    let Some(sandbox) = sandbox() else { return 0 };
    let here = chosen.iter().filter(|(client, _)| is_here(client));
    let failed: usize = thread::scope(|scope| {
        let sandbox = &sandbox;
        let play = |(client, operations): &'_ (&'static Client, Vec<&'_ Operation>)| {
            one(client, operations, sandbox)
        };
        let players: Vec<_> = here.map(|chosen| scope.spawn(move || play(chosen))).collect();
        players.into_iter().map(|player| player.join().unwrap_or(1)).sum()
    });
    failed
}

/// None: cannot be observed here, and has been said.
fn sandbox() -> Option<Sandbox> {
    if !nix::unistd::geteuid().is_root() {
        skip_for(Runner::Root, "clients", "control groups and users are made for them by root");
        return None;
    }
    Sandbox::here().inspect_err(|answer| skip("clients", &answer.to_string())).ok()
}

fn is_here(client: &Client) -> bool {
    let missing = client.missing();
    if let Some((program, package)) = missing {
        skip(client.name, &format!("{program} is not found in PATH; apt-get install {package}"));
    }
    missing.is_none()
}

fn one(client: &Client, operations: &[&Operation], sandbox: &Sandbox) -> usize {
    let directory = Scratch::new("stage4").unwrap();
    let ground = Ground { directory: directory.path(), sandbox, calls: false };
    let runtime = Runtime { name: "ours".into(), program: env!("CARGO_BIN_EXE_stage4-runtime").into() };
    let seen = play(&ground, client, &runtime, operations).unwrap_or_else(|error| panic!("{error}"));
    let held = operations.iter().zip(&seen).map(|(operation, seen)| held(client, operation, seen));
    held.filter(|held| !held).count()
}

fn held(client: &Client, operation: &Operation, seen: &Seen) -> bool {
    let held = seen.verdict == Verdict::Works;
    let mut told = format!("test {} ... {}", name(client, operation), if held { "ok" } else { "FAILED" });
    if !held {
        told += &format!(
            "\n{}\nmust say:\n{}\nsaid:\n{}{}",
            operation.run, operation.says, seen.said, seen.errors
        );
    }
    println!("{told}");
    held
}
