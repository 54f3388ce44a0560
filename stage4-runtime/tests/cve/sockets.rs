//! Sockets of the runtime's, from a container that shares the host's network: CVE-2020-15257.
//!
//! unix(7), network_namespaces(7). Book: "A container's life" (`life-cycle`).
//! Invariant: the sockets are the kernel's list, held against those that init has open.

use crate::ground::Bench;
use std::fs;

/// An abstract address is the network namespace's, and has no owner and no mode: whoever shares the network may
/// connect. containerd's shim had one, and started what it was told there.
#[test]
fn sockets_of_the_runtime_have_a_path_that_leads_nowhere_inside() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("true", |config| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "network");
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| mount["destination"] != "/sys");
    });
    bench.output(&["create", &id]);
    let pid = bench.pid(&id);
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let open: Vec<_> = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).collect();
    // Seen by a visitor, as by anybody in that network namespace.
    let all = bench.output(&["exec", &id, "cat", "/proc/net/unix"]);
    let is_ours = |line: &&str| {
        let inode = line.split_whitespace().nth(6).unwrap_or_default();
        open.iter().any(|target| target.to_str() == Some(&format!("socket:[{inode}]")))
    };
    let names: Vec<_> =
        all.lines().filter(is_ours).filter_map(|line| line.split_whitespace().nth(7)).collect();
    assert!(!names.is_empty(), "the doorbell is not in the list: {open:?} {all}");
    for name in names {
        assert!(name.ends_with("/start") && !name.starts_with('@'), "{name}");
        let (status, output, _) = bench.call(&["exec", &id, "ls", name]);
        assert!(status != 0 && output.is_empty(), "{name} is seen inside");
    }
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}
