//! What the specification forbids, in a configuration that is good otherwise.
//!
//! config.md, config-linux.md. Book: "config.json, field by field" (`config`).
//! Invariant: one error with path, value, rule and source. Each rule's edges are tried by the tests of `config`.

use crate::rows::{Table, linux, process};
use serde_json::{Value, json};

const NAMESPACES: &str = "config-linux.md, Namespaces";
const SECCOMP: &str = "config-linux.md, Seccomp";
const HOOKS: &str = "config.md, POSIX-platform Hooks";
const PROCESS: &str = "config.md, Process";
const ABSOLUTE: &str = "is no absolute path";

#[test]
fn rules_of_the_whole_are_kept() {
    let Some(table) = Table::for_anybody() else { return };
    let version = "config.md, Specification version";
    table.refuses_each(vec![
        (json!({"ociVersion": ""}), "ociVersion", "\"\" is no version as SemVer", version),
        (json!({"ociVersion": "1.0"}), "ociVersion", "\"1.0\" is no version as SemVer", version),
        (json!({"ociVersion": "2.0.0"}), "ociVersion", "is of another major version than", version),
        (json!({"ociVersion": 1}), "ociVersion", "invalid type: integer `1`", "config.md"),
        (json!({"root": null}), "root", "is missing; on Linux every container has a root", "config.md, Root"),
        (json!({"root": {"path": ""}}), "root.path", "\"\" is no path", "config.md, Root"),
        (json!({"process": null}), "process", "there is nothing to start", PROCESS),
        (json!({"hostname": "a\nb"}), "hostname", "control character", "config.md, Hostname"),
        (json!({"annotations": {"": "x"}}), "annotations", "key is empty", "config.md, Annotations"),
    ]);
    let several = json!({"ociVersion": "9.0.0", "annotations": {"": "x"}, "process": {"cwd": "tmp"}});
    table.write(&several);
    table.refuses("several", 1, |told| {
        let first = told.lines().next().unwrap();
        assert!(first.starts_with("config.json: 3 faults: ociVersion: "), "{told}");
        assert!(first.contains("; process.cwd: ") && first.contains("; annotations: "), "{told}");
    });
}

#[test]
fn rules_of_the_process_are_kept() {
    let Some(table) = Table::for_anybody() else { return };
    let limit = |kind: &str, soft: u64| {
        process(
            json!({"rlimits": table.and("/process/rlimits", json!({"type": kind, "hard": 9, "soft": soft}))}),
        )
    };
    let argument = "x".repeat(131_072);
    table.refuses_each(vec![
        (process(json!({"args": []})), "process.args", "is empty or missing", PROCESS),
        (process(json!({"args": [""]})), "process.args[0]", "\"\" is no executable", PROCESS),
        (process(json!({"args": "sh"})), "process.args", "invalid type: string \"sh\"", "config.md"),
        (process(json!({"args": ["sh", argument]})), "process.args[1]", "131072 bytes are more", "execve(2)"),
        (process(json!({"env": ["A=b", "C"]})), "process.env[1]", "\"C\" is no NAME=VALUE", "environ(7)"),
        (process(json!({"env": ["=b"]})), "process.env[0]", "\"=b\" is no NAME=VALUE", "environ(7)"),
        (process(json!({"cwd": "tmp"})), "process.cwd", ABSOLUTE, PROCESS),
        (process(json!({"cwd": ""})), "process.cwd", ABSOLUTE, PROCESS),
        (
            limit("RLIMIT_NOSUCH", 1),
            "process.rlimits[1].type",
            "\"RLIMIT_NOSUCH\" is not a resource of getrlimit(2) (one of ",
            "config.md",
        ),
        (
            limit("RLIMIT_NOFILE", 1),
            "process.rlimits[1].type",
            "\"RLIMIT_NOFILE\" is there twice",
            "config.md, POSIX process",
        ),
        (limit("RLIMIT_CORE", 10), "process.rlimits[1].soft", "10 is more than the hard", "setrlimit(2)"),
        (
            process(json!({"user": {"uid": -1}})),
            "process.user.uid",
            "invalid value: integer `-1`",
            "config.md",
        ),
        (process(json!({"user": {"gid": 4_294_967_295_u32}})), "process.user.gid", "is -1", "setresuid(2)"),
        (process(json!({"oomScoreAdj": 1001})), "process.oomScoreAdj", "1001 is not from -1000", "proc(5)"),
        (
            process(json!({"scheduler": {"policy": "SCHED_OTHER", "priority": 1}})),
            "process.scheduler.priority",
            "belongs to SCHED_FIFO and SCHED_RR",
            "sched_setattr(2)",
        ),
    ]);
}

#[test]
fn rules_of_namespaces_are_kept() {
    let Some(table) = Table::for_anybody() else { return };
    let also = |kind: Value| linux(json!({"namespaces": table.and("/linux/namespaces", kind)}));
    let only = |kinds: &[&str]| {
        let kinds: Vec<_> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
        json!({"hostname": null, "linux": {"namespaces": kinds}})
    };
    let ids = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
    let mapped =
        json!({"uidMappings": ids, "gidMappings": null, "namespaces": [{"type": "user"}, {"type": "mount"}]});
    // How many the default has depends on who asks for it.
    let count = table.and("/linux/namespaces", json!({})).as_array().unwrap().len() - 1;
    let last = |field: &str| -> &'static str { format!("linux.namespaces[{count}].{field}").leak() };
    table.refuses_each(vec![
        (also(json!({"type": "net"})), last("type"), "\"net\" is not a kind of namespace", "config.md"),
        (also(json!({"type": "mount"})), last("type"), "\"mount\" is there twice", NAMESPACES),
        (also(json!({"type": "time", "path": "proc/1/ns/time"})), last("path"), ABSOLUTE, NAMESPACES),
        (also(json!({"type": "time", "path": ""})), last("path"), ABSOLUTE, NAMESPACES),
        (
            json!({"hostname": "x", "linux": {"namespaces": [{"type": "mount"}]}}),
            "hostname",
            "no namespace of the type \"uts\"",
            "config.md, Hostname",
        ),
        (
            json!({"hostname": null, "linux": mapped}),
            "linux.gidMappings",
            "needs both",
            "config-linux.md, User namespace mappings",
        ),
        (
            {
                let mut patch = only(&["mount", "uts"]);
                patch["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1}});
                patch
            },
            "linux.timeOffsets",
            "no new namespace of the type \"time\"",
            "config-linux.md, Offset for Time Namespace",
        ),
    ]);
}

#[test]
fn rules_of_paths_are_kept() {
    let Some(table) = Table::for_anybody() else { return };
    let mounted = |on: &str, kind: &str| json!({"mounts": [{"destination": "/proc", "type": "proc"}, {"destination": on, "type": kind}]});
    let upwards = "leads upwards; write where it leads to";
    let group = "config-linux.md, Cgroups Path";
    table.refuses_each(vec![
        (
            linux(json!({"maskedPaths": ["a"]})),
            "linux.maskedPaths[0]",
            ABSOLUTE,
            "config-linux.md, Masked Paths",
        ),
        (
            linux(json!({"readonlyPaths": ["a"]})),
            "linux.readonlyPaths[0]",
            ABSOLUTE,
            "config-linux.md, Readonly Paths",
        ),
        (linux(json!({"maskedPaths": ["/a/../b"]})), "linux.maskedPaths[0]", upwards, "path_resolution(7)"),
        (mounted("/a/../b", "tmpfs"), "mounts[1].destination", upwards, "path_resolution(7)"),
        (mounted("/proc", "tmpfs"), "mounts[1].destination", "only a proc file system", "CVE-2019-19921"),
        (
            mounted("/proc/self/attr", "tmpfs"),
            "mounts[1].destination",
            "nothing is mounted on",
            "CVE-2019-16884",
        ),
        (mounted("proc/sys//.", "tmpfs"), "mounts[1].destination", "nothing is mounted on", "CVE-2019-16884"),
        (mounted("/a", "bind"), "mounts[1].type", "\"bind\" is no file system", "config.md, Mounts"),
        (linux(json!({"cgroupsPath": "../NAME"})), "linux.cgroupsPath", upwards, "path_resolution(7)"),
        (linux(json!({"cgroupsPath": "/NAME/../../x"})), "linux.cgroupsPath", upwards, "path_resolution(7)"),
        (linux(json!({"cgroupsPath": "/NAME\nx"})), "linux.cgroupsPath", "holds a control character", group),
        (
            linux(json!({"rootfsPropagation": "public"})),
            "linux.rootfsPropagation",
            "\"public\" is not a mount propagation (one of ",
            "config.md",
        ),
    ]);
}

#[test]
fn rules_of_devices_parameters_and_limits_are_kept() {
    let Some(table) = Table::for_anybody() else { return };
    let device = |kind: &str, path: &str| {
        linux(json!({"devices": [{"type": kind, "path": path, "major": 1, "minor": 3}]}))
    };
    let sysctl = |name: &str, value: &str| linux(json!({"sysctl": {name: value}}));
    let limits = |limits: Value| linux(json!({ "resources": limits }));
    let host = "is of no namespace: set here, it is set on the host";
    let of = "config-linux.md, Sysctl";
    table.refuses_each(vec![
        (device("x", "/dev/a"), "linux.devices[0].type", "\"x\" is not a type of device", "config.md"),
        (device("c", "dev/a"), "linux.devices[0].path", ABSOLUTE, "config-linux.md, Devices"),
        (device("c", "/dev/../a"), "linux.devices[0].path", "leads upwards", "path_resolution(7)"),
        (sysctl("kernel.panic", "1"), "linux.sysctl[\"kernel.panic\"]", host, of),
        (sysctl("vm/swappiness", "1"), "linux.sysctl[\"vm/swappiness\"]", host, of),
        (
            sysctl("net/../kernel/panic", "1"),
            "linux.sysctl[\"net/../kernel/panic\"]",
            "is no name of a parameter",
            "sysctl(8)",
        ),
        (
            sysctl("kernel.sem", "1\nkernel.panic=1"),
            "linux.sysctl[\"kernel.sem\"]",
            "holds a control character",
            "CVE-2022-0811",
        ),
        (
            json!({"hostname": null, "linux": {"namespaces": [{"type": "mount"}], "sysctl": {"kernel.sem": "1"}}}),
            "linux.sysctl[\"kernel.sem\"]",
            "is the host's without a namespace of the type \"ipc\"",
            of,
        ),
        (
            limits(json!({"pids": {"limit": -2}})),
            "linux.resources.pids.limit",
            "-2 is not from 0",
            "config-linux.md, PIDs",
        ),
        (
            limits(json!({"memory": {"limit": 2, "swap": 1}})),
            "linux.resources.memory.swap",
            "less than the memory",
            "config-linux.md, Memory",
        ),
        (
            limits(json!({"unified": {"../cgroup.procs": "1"}})),
            "linux.resources.unified[\"../cgroup.procs\"]",
            "is no name of a file of a group",
            "config-linux.md, Unified",
        ),
    ]);
}

#[test]
fn rules_of_seccomp_are_kept() {
    let Some(table) = Table::for_anybody() else { return };
    let seccomp = |patch: Value| linux(json!({"seccomp": patch}));
    let rule = |rule: Value| seccomp(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}));
    table.refuses_each(vec![
        (seccomp(json!({"syscalls": []})), "linux.seccomp", "missing field `defaultAction`", "config.md"),
        (
            seccomp(json!({"defaultAction": "ALLOW"})),
            "linux.seccomp.defaultAction",
            "\"ALLOW\" is not an action of seccomp",
            "config.md",
        ),
        (
            rule(json!({"names": [], "action": "SCMP_ACT_ERRNO"})),
            "linux.seccomp.syscalls[0].names",
            "must contain at least one entry",
            SECCOMP,
        ),
        (
            rule(json!({"names": [""], "action": "SCMP_ACT_ERRNO"})),
            "linux.seccomp.syscalls[0].names[0]",
            "\"\" is no name of a system call",
            SECCOMP,
        ),
        (
            rule(json!({"names": ["kill"], "action": "SCMP_ACT_KILL", "errnoRet": 1})),
            "linux.seccomp.syscalls[0].errnoRet",
            "1: SCMP_ACT_KILL has no errno",
            SECCOMP,
        ),
        (
            seccomp(json!({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1})),
            "linux.seccomp.defaultErrnoRet",
            "1: SCMP_ACT_ALLOW has no errno",
            SECCOMP,
        ),
        (
            seccomp(json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"})),
            "linux.seccomp.listenerMetadata",
            "must not be set without listenerPath",
            SECCOMP,
        ),
        (
            rule(json!({"names": ["kill"], "action": "SCMP_ACT_NOTIFY"})),
            "linux.seccomp.listenerPath",
            "missing: SCMP_ACT_NOTIFY is said, and nobody would answer",
            SECCOMP,
        ),
        (
            rule(json!({"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]})),
            "linux.seccomp.syscalls[0].args[0].index",
            "6: a system call has the arguments 0 to 5",
            "syscall(2)",
        ),
    ]);
}

#[test]
fn rules_of_hooks_are_kept() {
    let Some(table) = Table::for_anybody() else { return };
    let hook = |moment: &str, hook: Value| json!({"hooks": {moment: [hook]}});
    table.refuses_each(vec![
        (hook("prestart", json!({"path": "true"})), "hooks.prestart[0].path", ABSOLUTE, HOOKS),
        (hook("startContainer", json!({"path": ""})), "hooks.startContainer[0].path", ABSOLUTE, HOOKS),
        (
            hook("poststart", json!({"path": "/bin/true", "timeout": 0})),
            "hooks.poststart[0].timeout",
            "0 seconds are not more than 0",
            HOOKS,
        ),
        (
            hook("poststop", json!({"path": "/bin/true", "timeout": -1})),
            "hooks.poststop[0].timeout",
            "-1 seconds are not more than 0",
            HOOKS,
        ),
        (
            hook("createRuntime", json!({"path": "/bin/true", "env": ["A"]})),
            "hooks.createRuntime[0].env[0]",
            "\"A\" is no NAME=VALUE",
            "environ(7)",
        ),
    ]);
}
