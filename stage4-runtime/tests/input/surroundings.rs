//! What a good configuration asks for, and is not there or not so.
//!
//! setns(2), mknod(2), mount(2), prlimit(2). Book: "A container's birth" (`birth`).
//! Invariant: whatever was made until then is gone, and the words say with which call, why, and what to do.

use crate::rows::{Cannot, Table, linux, process};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[test]
fn namespaces_that_cannot_be_joined_are_an_error() {
    let Some(table) = Table::new() else { return };
    let joined = |kind: &str, path: &str| {
        let mut all: Vec<_> = ["pid", "mount", "uts"].iter().map(|kind| json!({ "type": kind })).collect();
        all.retain(|one| one["type"] != kind);
        all.push(json!({"type": kind, "path": path}));
        linux(json!({ "namespaces": all }))
    };
    const PLACE: &str = "config.json: linux.namespaces[";
    table.cannot_do_each(vec![
        (
            joined("network", "/proc/self/ns/uts"),
            &[PLACE, "\"/proc/self/ns/uts\" is a uts namespace, wanted is net"],
        ),
        (joined("ipc", "/dev/null"), &[PLACE, "ENOTTY", "/dev/null is no namespace"]),
        (joined("ipc", "/proc/self"), &[PLACE, "ENOTTY", "/proc/self is no namespace"]),
        (joined("time", "/NAME"), &[PLACE, "open(\"/", "ENOENT"]),
        (
            joined("user", "/proc/self/ns/user"),
            &["setns(<user namespace", "EINVAL", "in that user namespace already"],
        ),
        (joined("mount", "/proc/self/ns/mnt"), &["linux.namespaces: a container has a new mount namespace"]),
    ]);
}

#[test]
fn roots_that_are_no_directory_are_an_error() {
    let Some(table) = Table::new() else { return };
    let root = |path: &str| json!({"root": {"path": path}});
    fs::write(table.bench.path("file"), "").unwrap();
    table.cannot_do_each(vec![
        (root("file"), &["/file\", O_DIRECTORY): ENOTDIR", "a root is a directory"]),
        (root("nosuch"), &["/nosuch\", O_DIRECTORY): ENOENT"]),
        (root("/"), &["config.json: root.path: \"/\" is the host's own root"]),
    ]);
}

#[test]
fn files_that_are_not_the_device_asked_for_are_an_error() {
    let Some(table) = Table::new() else { return };
    let path = |name: &str| table.bench.path("rootfs/tmp").join(name);
    fs::write(path("file"), "data").unwrap();
    fs::create_dir(path("directory")).unwrap();
    mknod(&path("zero"), SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), makedev(1, 5)).unwrap();
    let device = |name: &str| {
        linux(json!({"devices": [{"type": "c", "path": format!("/tmp/{name}"), "major": 1, "minor": 3}]}))
    };
    table.cannot_do_each(vec![
        (device("file"), &["/tmp/file exists, and is not c 1:3"]),
        (device("directory"), &["/tmp/directory exists, and is not c 1:3"]),
        (device("zero"), &["/tmp/zero exists, and is not c 1:3"]),
    ]);
}

#[test]
fn properties_of_the_process_that_cannot_be_applied_are_an_error() {
    let Some(table) = Table::new() else { return };
    let nofile = json!([{"type": "RLIMIT_NOFILE", "hard": 1_u64 << 40, "soft": 1}]);
    let deadline = json!({"policy": "SCHED_DEADLINE", "runtime": 1024, "deadline": 1024});
    table.cannot_do_each(vec![
        (process(json!({"rlimits": nofile})), &["prlimit(0, RLIMIT_NOFILE", "EPERM", "process.rlimits[0]"]),
        (process(json!({"cwd": "/nosuch/at/all"})), &["mkdirat(", "/nosuch/at/all", "EROFS", "process.cwd"]),
        (process(json!({"apparmorProfile": "nosuch-NAME"})), &["apparmor", "process.apparmorProfile"]),
        (process(json!({"selinuxLabel": "a:b:c:d"})), &["attr/exec", "process.selinuxLabel"]),
        (process(json!({"scheduler": deadline})), &["sched_setattr(", "process.scheduler"]),
        (
            linux(json!({"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "900"}})),
            &["set_mempolicy(", "linux.memoryPolicy"],
        ),
    ]);
    for (program, status) in [("nosuch", 127), ("/tmp/nosuch", 127), ("/etc", 126)] {
        table.write(&json!({"process": {"args": [program]}, "hooks": null}));
        table.refuses(program, status, |told| assert!(told.contains(program), "{told}"));
    }
}

#[test]
fn what_this_host_does_not_have_is_an_error() {
    let Some(table) = Table::new() else { return };
    let sysctl = |name: &str, value: &str| linux(json!({"sysctl": {name: value}}));
    let mounts = |patch: Value| json!({"mounts": table.and("/mounts", patch)});
    let mut rows: Vec<Cannot> = vec![
        (
            linux(json!({"netDevices": {"nosuch0": {}}})),
            &["RTM_GETLINK nosuch0", "ENODEV", "linux.netDevices"],
        ),
        (sysctl("net.nosuch", "1"), &["\"sys/net/nosuch\"", "ENOENT", "linux.sysctl[\"net.nosuch\"]"]),
        (
            sysctl("net.ipv4.ip_forward", "much"),
            &["\"much\"): EINVAL", "linux.sysctl[\"net.ipv4.ip_forward\"]"],
        ),
        (
            mounts(json!({"destination": "/tmp", "type": "nosuch"})),
            &["fsopen(\"nosuch\"): ENODEV", "config.json: mounts["],
        ),
        (
            mounts(json!({"destination": "/tmp", "type": "tmpfs", "options": ["nosuch"]})),
            &["fsconfig(<tmpfs>, \"nosuch\"): EINVAL", "config.json: mounts["],
        ),
        (
            mounts(json!({"destination": "/tmp", "source": "/nosuch", "options": ["bind"]})),
            &["open_tree(\"/nosuch\"", "ENOENT", "config.json: mounts["],
        ),
    ];
    if !Path::new("/sys/fs/resctrl/schemata").exists() {
        rows.push((
            linux(json!({"intelRdt": {"closID": "NAME"}})),
            &["linux.intelRdt: no resctrl is mounted"],
        ));
    }
    table.cannot_do_each(rows);
}

/// Each hook that fails before the program runs; the program has not run, and nobody waits for a hook without end.
#[test]
fn hooks_that_fail_are_an_error() {
    let Some(table) = Table::new() else { return };
    let script = |script: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
    let mut rows: Vec<Cannot> = Vec::new();
    for moment in ["prestart", "createRuntime", "createContainer"] {
        rows.push((
            json!({"hooks": {moment: script("echo sorry; exit 3")}}),
            &["[0] (\"/bin/sh\") failed with status 3: sorry"],
        ));
        rows.push((
            json!({"hooks": {moment: [{"path": "/nosuch"}]}}),
            &["[0] (\"/nosuch\") failed with status 127", "ENOENT"],
        ));
    }
    rows.push((
        json!({"hooks": {"prestart": script("kill -9 $$")}}),
        &["hooks.prestart[0]", "failed with status 137"],
    ));
    table.cannot_do_each(rows);
    let endless = json!([{"path": "/bin/sh", "args": ["sh", "-c", "sleep 100 # NAME"], "timeout": 1}]);
    table.write(&json!({"hooks": {"prestart": endless}}));
    table.refuses_to(&["run", &table.bench.id()], "endless", 1, |told| {
        assert!(
            told.contains("hooks.prestart[0] (\"/bin/sh\") did not end within 1 s and was killed"),
            "{told}"
        );
    });
}
