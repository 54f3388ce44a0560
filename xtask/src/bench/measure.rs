//! What a command costs as a whole process, children included.
//!
//! getrusage(2), 4.2BSD 1983. Book: "How to use this book".
//! Invariant: the median is shown, for a busy machine disturbs some runs and not most.

use crate::Error;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use serde_json::{Value, json};
use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

/// Runs of each that are not counted.
pub(super) const WARM_UP: u32 = 3;

/// Milliseconds of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub wall: f64,
    pub cpu: f64,
}

/// Runs it to its end. Its errors go to a file, for a container that goes on would hold a pipe open.
pub(super) fn cost(mut command: Command, errors: &Path) -> Result<Cost, Error> {
    let used = || -> Result<f64, Error> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(std::io::Error::from)?;
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Ok(micros as f64 / 1000.0)
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(errors)?);
    let (before, start) = (used()?, Instant::now());
    let status = command.status()?;
    let cost = Cost { wall: start.elapsed().as_secs_f64() * 1000.0, cpu: used()? - before };
    match status.success() {
        true => Ok(cost),
        false => Err(failed(&command, &status.to_string(), errors)),
    }
}

/// What it was and what it said.
pub(super) fn failed(command: &Command, status: &str, errors: &Path) -> Error {
    let told = std::fs::read_to_string(errors).unwrap_or_default();
    Error::Failed(format!("{command:?}: {status}: {}", told.trim()))
}

/// The one in the middle; NaN of none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `wall_ms` and `cpu_ms`
pub(super) fn medians(costs: &[Cost]) -> Value {
    json!({ "wall_ms": median(costs.iter().map(|cost| cost.wall)), "cpu_ms": median(costs.iter().map(|cost| cost.cpu)) })
}
