//! What a process is when it leaves the runtime's hands, seen by itself and by others.
//!
//! Every claim is a process of its own, with one thread, as the runtime has: clone3(2) is refused to any other. So this
//! file brings its own `main`, which knows `--list`, `--exact` and parts of names.
//! Invariant: nothing is mocked; what is asserted was read from the kernel or written by a program that was executed.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "process/confinement.rs"]
mod confinement;
#[path = "process/console.rs"]
mod console;
#[path = "process/ground.rs"]
mod ground;
#[path = "process/hooks.rs"]
mod hooks;
#[path = "process/identity.rs"]
mod identity;
#[path = "process/last_acts.rs"]
mod last_acts;
#[path = "process/network_devices.rs"]
mod network_devices;
#[path = "process/relay.rs"]
mod relay;
#[path = "process/schedule.rs"]
mod schedule;

use ground::Claim;
use stage2_namespaces::Kinds;
use stage2_namespaces::birth::birth;

fn main() {
    let claims: Vec<&Claim> = [
        identity::CLAIMS,
        confinement::CLAIMS,
        schedule::CLAIMS,
        last_acts::CLAIMS,
        console::CLAIMS,
        relay::CLAIMS,
        hooks::CLAIMS,
        network_devices::CLAIMS,
    ]
    .into_iter()
    .flatten()
    .collect();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let exact = arguments.iter().any(|word| word == "--exact");
    let asked = |name: &str| {
        names.is_empty()
            || names.iter().any(|part| if exact { *part == name } else { name.contains(part.as_str()) })
    };
    let chosen: Vec<&&Claim> = claims.iter().filter(|(name, _)| asked(name)).collect();
    if arguments.iter().any(|word| word == "--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let failed = chosen.iter().filter(|(name, claim)| !holds(name, *claim)).count();
    println!("\ntest result: {} passed; {failed} failed", chosen.len() - failed);
    std::process::exit(i32::from(failed > 0));
}

/// In a process of its own, whose end is the verdict: 101 after a panic, as birth has it.
fn holds(name: &str, claim: fn()) -> bool {
    let child = birth(Kinds::NONE, None, |_| {
        claim();
        0
    });
    let status = child.unwrap().wait().unwrap();
    println!("test {name} ... {}", if status == 0 { "ok" } else { "FAILED" });
    status == 0
}
