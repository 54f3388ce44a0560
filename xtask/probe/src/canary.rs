//! A process that waits to be found: the host's canary.
//!
//! prctl(PR_SET_PDEATHSIG). Book: chapter 1, "Processes".
//! Invariant: it ends with its parent, with its time, or when somebody kills it.

use crate::{Failure, Options, Result};
use nix::{
    sys::{prctl, signal::Signal},
    unistd::getppid,
};
use std::{process::ExitCode, time::Duration};

/// The longest a canary lives.
const LIMIT: u64 = 3600;

/// `probe canary SECONDS`
pub(crate) fn wait(options: &Options) -> Result<ExitCode> {
    let [word] = options.words()?[..] else { return Err(Failure::Usage("canary SECONDS".into())) };
    let seconds = word.parse::<u64>().ok().filter(|seconds| (1..=LIMIT).contains(seconds));
    let seconds = seconds.ok_or_else(|| Failure::Usage(format!("seconds are 1 to {LIMIT}: {word:?}")))?;
    let parent = getppid();
    prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(|errno| Failure::Failed(format!("prctl(PR_SET_PDEATHSIG, SIGKILL): {errno}")))?;
    // The parent may have died before the call; then nobody would send the signal.
    if getppid() == parent {
        std::thread::sleep(Duration::from_secs(seconds));
    }
    Ok(ExitCode::SUCCESS)
}
