//! What a container's directory of state says of it, damaged as may be.
//!
//! No kernel calls; runtime.md, "State". Book: "How this runtime is tested".
//! Invariant: a record is read or refused; what is told of it is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage4_runtime::state::{Record, Status};

fuzz_target!(|text: &[u8]| {
    let Ok(record) = serde_json::from_slice::<Record>(text) else { return };
    for status in [Status::Creating, Status::Created, Status::Running, Status::Paused, Status::Stopped] {
        let told = record.state(status);
        serde_json::from_slice::<serde_json::Value>(&told).expect("JSON");
    }
});
