//! Control groups from inside: a program that the kernel starts on the host, and a group that is not one's own.
//!
//! cgroups(7), release_agent. Book: "Who may make groups" (`release-agent`).
//! Invariant: files are opened for writing, and nothing is written.

use crate::ground::Bench;
use crate::with_users;
use serde_json::{Value, json};

/// Says of every file by which a group is steered what became of opening it.
const OPEN: &str = r#"
for file in $(busybox find /sys/fs/cgroup -name cgroup.procs -o -name tasks -o -name release_agent \
    -o -name notify_on_release -o -name cgroup.subtree_control); do
    (: >> $file) 2>&1 && echo "$file: open for writing"
done; true"#;

fn none_is_writable(edit: impl FnOnce(&mut Value)) {
    let Some(bench) = Bench::new() else { return };
    bench.config(OPEN, edit);
    let (status, output, errors) = bench.call(&["run", &bench.id()]);
    assert_eq!(status, 0, "{errors}");
    assert!(output.lines().count() > 0, "no control group is shown: {errors}");
    assert!(output.lines().all(|line| line.contains("Read-only file system")), "{output}");
    bench.nothing_is_left();
}

/// CVE-2022-0492: in a user namespace of one's own, a hierarchy's release_agent could be set, which the kernel starts
/// as root of the host.
#[test]
fn groups_inside_take_no_release_agent() {
    none_is_writable(|config| {
        for set in ["bounding", "permitted", "effective"] {
            config["process"]["capabilities"][set] = json!(["CAP_DAC_OVERRIDE", "CAP_SYS_CHROOT"]);
        }
    });
}

/// CVE-2023-25809: without a cgroup namespace what is shown is bound, and once was bound writable.
#[test]
fn groups_inside_are_read_only_in_a_user_namespace_without_a_view_of_their_own() {
    none_is_writable(|config| {
        with_users(config);
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "cgroup");
    });
}
