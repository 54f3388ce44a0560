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

/// Who a test can only be run by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// The administrator.
    Root,
    /// Anybody else.
    Ordinary,
}

/// The variable that names the users, of `root` and `ordinary`, as whom the suite is run in turn.
pub const RUN_AS: &str = "STAGES_RUN_AS";

/// Says that `what` is for the other user's run of the suite.
///
/// # Panics
/// When [`NO_SKIP`] is set, and [`RUN_AS`] does not say that there is such a run.
pub fn skip_for(runner: Runner, what: &str, reason: &str) {
    let name = if runner == Runner::Root { "root" } else { "ordinary" };
    let runs = std::env::var(RUN_AS).unwrap_or_default();
    if runs.split(',').any(|run| run == name) {
        // Seen, but no failure: the other run proves it.
        let line = format!("\nSKIP {what}: {reason} (proven by the run as {name})\n");
        drop(std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes()));
    } else {
        skip(what, &format!("{reason}; run the tests as {name}, too"));
    }
}

/// The variable that names the layouts of control groups, of `v1`, `hybrid` and `v2`, under which the suite
/// is run in turn, in virtual machines (`cargo xtask test --vm all`).
pub const RUN_UNDER: &str = "STAGES_RUN_UNDER";

/// Says that `what` is for the suite's run under another layout.
///
/// # Panics
/// When [`NO_SKIP`] is set, and [`RUN_UNDER`] does not say that there is such a run.
pub fn skip_under(layout: &str, what: &str, reason: &str) {
    let runs = std::env::var(RUN_UNDER).unwrap_or_default();
    if runs.split(',').any(|run| run == layout) {
        let line = format!("\nSKIP {what}: {reason} (proven by the run under {layout})\n");
        drop(std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes()));
    } else {
        skip(what, &format!("{reason}; run `cargo xtask test --vm {layout}`, too"));
    }
}

/// Whether a skip is a failure here.
pub fn forbidden() -> bool {
    std::env::var_os(NO_SKIP).is_some_and(|value| value == "1")
}
