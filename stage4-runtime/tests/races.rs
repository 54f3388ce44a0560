//! Whoever is faster: files that are exchanged while they are looked at, verbs that meet, signals at any moment; and
//! limits so tiny that hardly anything can be made.
//!
//! renameat2(2), RENAME_EXCHANGE, Linux 3.15, 2014. Book: "Whoever is faster" (`races`).
//! Invariant: the canary beside the root is as it was; who attacks has attacked, and the naive way has lost to him.
//!
//! `STAGES_ROUNDS=100000 cargo test --release -p stage4-runtime --test races -- --nocapture`
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "races/arena.rs"]
mod arena;
#[path = "races/attacker.rs"]
mod attacker;
#[path = "races/chance.rs"]
mod chance;
mod ground;
#[path = "races/groups.rs"]
mod groups;
#[path = "races/naive.rs"]
mod naive;
#[path = "races/places.rs"]
mod places;
#[path = "races/signals.rs"]
mod signals;
#[path = "races/tally.rs"]
mod tally;
#[path = "races/targets.rs"]
mod targets;
#[path = "races/verbs.rs"]
mod verbs;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often, where the environment does not say: a few seconds for each test.
const USUAL: usize = 200;

/// Of targets that are exchanged; a part of it where each is several commands, and waits for all.
fn rounds() -> usize {
    std::env::var("STAGES_ROUNDS").map_or(USUAL, |text| text.parse().unwrap())
}

/// One race at a time: who attacks here would slow down who attacks there.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
