//! Lengths that do not fit into 16 bits: CVE-2021-43784.
//!
//! netlink(7), user_namespaces(7). Book: "A container's birth" (`birth`).
//! Invariant: what is too long for the kernel is refused as a whole, and what is only long arrives as a whole.

use crate::ground::Bench;
use serde_json::json;
use std::fs;

/// runc told its child the maps in a message whose length was cut to 16 bits: what was beyond was read as further
/// orders, and one of them could say "no user namespace".
#[test]
fn lengths_beyond_16_bits_cut_nothing_off() {
    let Some(bench) = Bench::new() else { return };
    let line = |id: u32| json!({"containerID": id, "hostID": 3_000_000_000_u32 + id, "size": 1});
    let map: Vec<_> = (0..4000).map(line).collect();
    bench.config("echo has run", |config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = json!(map);
        config["linux"]["gidMappings"] = json!(map);
    });
    let (status, output, errors) = bench.call(&["run", &bench.id()]);
    assert!(status == 1 && output.is_empty() && errors.contains("linux.uidMappings"), "{output}{errors}");
    bench.nothing_is_left();

    // What parent and init say to each other is as long: the state, for a hook.
    let long = "x".repeat(65_536 + 7);
    bench.config("true", |config| {
        config["annotations"] = json!({ "long": long });
        config["hooks"] = json!({"createContainer": [{
            "path": "/bin/sh", "args": ["sh", "-c", format!("cat > {}", bench.path("told").display())],
            "env": ["PATH=/usr/bin:/bin"]}]});
    });
    let (status, _, errors) = bench.call(&["run", &bench.id()]);
    let told = fs::read_to_string(bench.path("told")).unwrap_or_default();
    assert!(status == 0 && told.contains(&long), "{} bytes of the state have arrived: {errors}", told.len());
    bench.nothing_is_left();
}
