//! Who exchanges files, as fast as the kernel lets him.
//!
//! renameat2(2), RENAME_EXCHANGE. Book: "Whoever is faster" (`races`).
//! Invariant: he stops with the test, and is known to have gone on until then.

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, spawn};

/// Exchanges until it is dropped.
pub struct Attacker {
    told: Arc<Told>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Told {
    stop: AtomicBool,
    exchanges: AtomicU64,
}

impl Attacker {
    pub fn begin(pairs: Vec<(PathBuf, PathBuf)>) -> Self {
        let told = Arc::new(Told::default());
        let his = Arc::clone(&told);
        Attacker { told, thread: Some(spawn(move || exchange(&pairs, &his))) }
    }

    /// How often until now.
    pub fn exchanges(&self) -> u64 {
        self.told.exchanges.load(Ordering::Relaxed)
    }

    /// Nothing has stopped him before.
    pub fn end(mut self) -> u64 {
        self.told.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().expect("he could not exchange any more");
        self.exchanges()
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.told.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

// ANCHOR: races-attacker
/// Of two names each becomes what the other was, at once: there is no moment at which one is missing.
fn exchange(pairs: &[(PathBuf, PathBuf)], told: &Told) {
    while !told.stop.load(Ordering::Relaxed) {
        for (one, other) in pairs {
            renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).unwrap();
            told.exchanges.fetch_add(1, Ordering::Relaxed);
        }
    }
}
// ANCHOR_END: races-attacker
