//! A skip that nobody can overlook.
//!
//! No kernel calls. Book: "How to use this book".
//! Invariant: with `STAGES_NO_SKIP=1`, as CI sets it, a skip is a failure.

/// The variable that turns every skip into a failure.
pub const NO_SKIP: &str = "STAGES_NO_SKIP";

/// Says that `what` was not tried, why, and what would make it possible.
///
/// # Panics
/// When [`NO_SKIP`] is set: this machine was promised to be able to do everything.
pub fn skip(what: &str, reason: &str) {
    // Straight to the descriptor: the test harness captures what eprintln! writes, and a skip must be seen.
    let line = format!("\nSKIP {what}: {reason}\n");
    let seen = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
    assert!(!forbidden() && seen.is_ok(), "SKIP {what}: {reason} ({NO_SKIP} is set)");
}

/// Whether a skip is a failure here.
pub fn forbidden() -> bool {
    std::env::var_os(NO_SKIP).is_some_and(|value| value == "1")
}
