//! config.json: parsed, checked, planned and told, whatever is in it.
//!
//! No kernel calls; config.md. Book: "How this runtime is tested".
//! Invariant: a file is planned or refused; what was planned can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage4_runtime::capabilities::grantable;
use stage4_runtime::config::check::{self, Verb};
use stage4_runtime::config::{Config, parse};
use stage4_runtime::plan::root::Way;
use stage4_runtime::plan::{Facts, Plan};
use stage4_runtime::seccomp::Arch;
use std::path::Path;

fuzz_target!(|text: &[u8]| {
    let Ok(config) = parse::<Config>("config.json", text) else { return };
    let Ok(mut warnings) = check::config(&config, Verb::Start).verdict("config.json") else { return };
    let again = serde_json::to_vec(&config).expect("what was read can be written");
    assert_eq!(parse::<Config>("config.json", &again).expect("and read again"), config);
    let facts =
        Facts { grantable: grantable(true).expect("of this process"), native: Arch::X86_64, within: false };
    let id = "box".parse().expect("an id");
    drop(Plan::of(&config, &id, Path::new("/bundle"), Way::Pivot, facts, &mut warnings));
});
