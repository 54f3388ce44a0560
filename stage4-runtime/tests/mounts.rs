//! What a process inside sees of its root, mounts, devices and masks; and what no image can bring about.
//!
//! clone3(2), open_tree(2), openat2(2). Book: "Mounts" (`mounts`).
//! Invariant: everything asserted was seen on a real kernel by a process in namespaces of its own; the canaries outside
//! are looked at after every attempt.
//!
//! A harness of its own: a birth needs a process with one thread, which that of the standard library has not.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "mounts/attacks.rs"]
mod attacks;
#[path = "mounts/devices.rs"]
mod devices;
#[path = "mounts/faults.rs"]
mod faults;
#[path = "mounts/ground.rs"]
mod ground;
#[path = "mounts/kinds.rs"]
mod kinds;
#[path = "mounts/masks.rs"]
mod masks;
#[path = "mounts/options.rs"]
mod options;
#[path = "mounts/owners.rs"]
mod owners;
#[path = "mounts/roots.rs"]
mod roots;
#[path = "mounts/scale.rs"]
mod scale;

use std::panic::catch_unwind;
use std::process::ExitCode;

type Claim = (&'static str, fn());

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == [faults::WHOLE] {
        faults::mount_whole();
        return ExitCode::SUCCESS;
    }
    if let [command, count] = &words[..]
        && command == scale::MANY
    {
        scale::mount_many(count.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let all = [
        attacks::CLAIMS,
        devices::CLAIMS,
        faults::CLAIMS,
        kinds::CLAIMS,
        masks::CLAIMS,
        options::CLAIMS,
        owners::CLAIMS,
        roots::CLAIMS,
        scale::CLAIMS,
    ]
    .concat();
    if words.iter().any(|word| word == "--list") {
        all.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let chosen =
        all.into_iter().filter(|(name, _)| filters.is_empty() || filters.iter().any(|f| name.contains(*f)));
    let failed: Vec<&str> = chosen.filter(|claim| !holds(claim)).map(|(name, _)| name).collect();
    println!(
        "\n{}",
        if failed.is_empty() { "all hold".to_owned() } else { format!("FAILED: {}", failed.join(", ")) }
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn holds((name, claim): &Claim) -> bool {
    let held = catch_unwind(*claim).is_ok();
    println!("test {name} ... {}", if held { "ok" } else { "FAILED" });
    held
}
