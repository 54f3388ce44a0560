//! config.json: what is taken, what is refused and with which words.
//!
//! Nothing here asks the kernel but the tests of bundles: the rules are pure. Book: "config.json, field by field".
//! Invariant: every rule has a text that breaks it alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, as do the functions that it calls")]

#[path = "config/bundles.rs"]
mod bundles;
#[path = "config/census.rs"]
mod census;
#[path = "config/edits.rs"]
mod edits;
#[path = "config/examples.rs"]
mod examples;
#[path = "config/limits.rs"]
mod limits;
#[path = "config/linux.rs"]
mod linux;
#[path = "config/merge.rs"]
mod merge;
#[path = "config/places.rs"]
mod places;
#[path = "config/rules.rs"]
mod rules;
#[path = "config/texts.rs"]
mod texts;
#[path = "config/types.rs"]
mod types;
#[path = "config/warnings.rs"]
mod warnings;

use serde_json::Value;
use stage4_runtime::config::check::{self, Findings, Verb};
use stage4_runtime::config::{Config, parse};

/// Every field there is.
const COMPLETE: &str = include_str!("fixtures/config/complete.json");

fn complete() -> Value {
    serde_json::from_str(COMPLETE).unwrap()
}

/// What `spec` writes.
fn default() -> Value {
    serde_json::to_value(stage4_runtime::config::spec::default()).unwrap()
}

fn parsed(value: &Value) -> Config {
    parse("config.json", value.to_string().as_bytes()).unwrap_or_else(|faults| panic!("{faults}"))
}

fn findings(value: &Value) -> Findings {
    check::config(&parsed(value), Verb::Start)
}
