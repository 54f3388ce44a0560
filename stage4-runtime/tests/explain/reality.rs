//! The story against what strace(1) sees.
//!
//! Invariant: every call that is told and not in brackets happens, in that order; and every call that changes
//! namespaces, mounts, privileges or the program was told.

use super::pattern::Pattern;
use super::trace::{Event, events, strace};
use serde_json::{Value, json};
use stage1_chroot::rootfs::Rootfs;
use stage4_runtime::config::spec;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

const RUNTIME: &str = env!("CARGO_BIN_EXE_stage4-runtime");

/// What has to be told of, wherever it succeeds.
const TOLD: [&str; 32] = [
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "pivot_root",
    "chroot",
    "clone3",
    "clone",
    "unshare",
    "setns",
    "execve",
    "prctl",
    "capset",
    "seccomp",
    "setgroups",
    "setgid",
    "setuid",
    "setresuid",
    "setresgid",
    "sethostname",
    "setdomainname",
    "setsid",
    "mknodat",
    "symlinkat",
    "personality",
    "sched_setattr",
    "ioprio_set",
];

/// Questions: they change nothing.
const QUESTIONS: [&str; 5] = [
    "prctl(PR_GET_",
    "personality(0xffffffff)",
    "prctl(PR_CAPBSET_READ",
    "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET",
    "unshare(CLONE_VM)",
];

/// A bundle with `config`, and a root in which true(1) runs.
fn bundle(directory: &Path, config: &Value) {
    let root = Rootfs::create(&directory.join("rootfs")).unwrap();
    root.build(&["true"]).unwrap();
    fs::write(directory.join("config.json"), config.to_string()).unwrap();
}

/// The default as it is written, but without a terminal, and it ends.
fn default(mut config: Value) -> Value {
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["true"]);
    config
}

/// Runs it under strace, as another user if one is given, and compares.
fn compare(config: &Value, user: Option<u32>) {
    let scratch = tempfile::tempdir().unwrap();
    let place = scratch.path();
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
    bundle(place, config);
    // By another process: a child of another test's could hold the file open for writing (ETXTBSY).
    let copied = Command::new("cp").arg(RUNTIME).arg(place.join("runtime")).status().unwrap();
    assert!(copied.success());
    fs::create_dir(place.join("seen")).unwrap();
    if let Some(user) = user {
        give(place, user);
    }
    let id = format!("explain-{}-{:x}", std::process::id(), config.to_string().len());
    let told = told(place, &id, user);
    let mut run = Command::new(place.join("runtime"));
    run.args(["--root", "state", "run", "--bundle", ".", &id]);
    let run = as_user(run, user);
    // Of a process that is not dumpable only root's strace can read the texts.
    let mut strace = strace(&place.join("seen"));
    let output = strace.arg(run.get_program()).args(run.get_args()).current_dir(place).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("does not know idmapped mounts") {
        return observe::skip::skip(
            "stage4 explain",
            "the file system of temporary files knows no idmapped mounts",
        );
    }
    assert!(output.status.success(), "{said}");
    agree(&told, &events(&place.join("seen")));
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), user));
    }
}

fn as_user(command: Command, user: Option<u32>) -> Command {
    let Some(user) = user else { return command };
    let mut setpriv = Command::new("setpriv");
    setpriv.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
    setpriv.arg(command.get_program()).args(command.get_args());
    setpriv
}

fn told(bundle: &Path, id: &str, user: Option<u32>) -> Vec<Pattern> {
    let mut explain = Command::new(bundle.join("runtime"));
    explain.args(["explain", ".", "--format", "json", "--id", id]);
    let output = as_user(explain, user).current_dir(bundle).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let steps: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let calls = steps.iter().flat_map(|step| step["call"].as_array().unwrap().clone());
    calls.map(|call| Pattern::of(call.as_str().unwrap())).collect()
}

/// Both directions at once: a walk through what was seen, with a finger on what was told.
fn agree(told: &[Pattern], seen: &[Event]) {
    let mut finger = 0;
    let mut passed: Vec<&Pattern> = Vec::new();
    for event in seen {
        let next = reach(told, finger);
        if let Some(at) = (finger..next).find(|at| told[*at].is(&event.call)) {
            passed.extend(&told[finger..at]);
            finger = at + 1;
        } else if let Some(at) = passed.iter().position(|one| one.is(&event.call)) {
            passed.remove(at);
        } else if must_be_told(event) {
            let expected = &told[finger..next].iter().map(|one| one.text.as_str()).collect::<Vec<_>>();
            panic!("happened, and was not told here: {}\ntold next: {expected:#?}", event.call);
        }
    }
    let left = passed.into_iter().chain(&told[finger..]).filter(|one| !one.optional);
    let left: Vec<&str> = left.map(|one| one.text.as_str()).collect();
    assert!(left.is_empty(), "told, and did not happen (in this order): {left:#?}");
}

/// How far what comes next may be: up to the first call that is not in brackets; and of those that parent and init
/// make at the same time any may be the first.
fn reach(told: &[Pattern], finger: usize) -> usize {
    let first = told[finger..].iter().position(|one| !one.optional).map_or(told.len(), |n| finger + n + 1);
    let at_once = |one: &&Pattern| one.text.contains("/cgroup.procs>, ") || one.text.contains("</proc/PID/");
    let together = told[finger..].iter().take_while(at_once).count();
    first.max(finger + together)
}

fn must_be_told(event: &Event) -> bool {
    let question = QUESTIONS.iter().any(|question| event.call.starts_with(question));
    TOLD.contains(&event.name()) && !event.failed && !question
}

/// Can what is told be compared here?
fn can() -> bool {
    if Command::new("strace").arg("-V").output().is_err() {
        observe::skip::skip("stage4 explain", "strace(1) is not installed");
        return false;
    }
    if !nix::unistd::geteuid().is_root() {
        let reason = "device files, limits and other users are root's";
        observe::skip::skip_for(observe::skip::Runner::Root, "stage4 explain", reason);
        return false;
    }
    true
}

#[test]
fn explain_tells_what_the_default_does() {
    if can() {
        compare(&default(serde_json::to_value(spec::closed(spec::default()).unwrap()).unwrap()), None);
    }
}

#[test]
fn explain_tells_what_an_ordinary_user_does() {
    if can() {
        const NOBODY: u32 = 65534;
        let config = serde_json::to_value(spec::closed(spec::rootless(NOBODY, NOBODY)).unwrap()).unwrap();
        compare(&default(config), Some(NOBODY));
    }
}

#[test]
fn explain_tells_what_many_fields_do() {
    if !can() {
        return;
    }
    let mut config = default(serde_json::to_value(spec::default()).unwrap());
    many(&mut config);
    compare(&config, None);
}

#[test]
fn explain_tells_what_root_does_in_a_user_namespace() {
    if !can() {
        return;
    }
    let mut config = default(serde_json::to_value(spec::default()).unwrap());
    let map = json!([{ "containerID": 0, "hostID": 0, "size": 65536 }]);
    let linux = &mut config["linux"];
    linux["namespaces"].as_array_mut().unwrap().push(json!({ "type": "user" }));
    (linux["uidMappings"], linux["gidMappings"]) = (map.clone(), map.clone());
    config["process"]["noNewPrivileges"] = json!(false);
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["keyctl"], "action": "SCMP_ACT_ERRNO" }]
    });
    config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "cgroup");
    compare(&config, None);
}

#[test]
fn explain_tells_of_owners_that_are_mapped() {
    if !can() {
        return;
    }
    let mut config = default(serde_json::to_value(spec::default()).unwrap());
    let map = json!([{ "containerID": 0, "hostID": 1000, "size": 10 }]);
    for name in ["/one", "/other"] {
        config["mounts"].as_array_mut().unwrap().push(json!({
            "destination": name, "source": ".", "options": ["bind", "idmap", "ro"],
            "uidMappings": map, "gidMappings": map
        }));
    }
    compare(&config, None);
}

#[test]
fn explain_tells_of_namespaces_that_are_joined() {
    if !can() {
        return;
    }
    let mut config = default(serde_json::to_value(spec::default()).unwrap());
    for namespace in config["linux"]["namespaces"].as_array_mut().unwrap() {
        // Our own serve as well as any: to join them is the same call.
        let ours = |name: &str| json!(format!("/proc/{}/ns/{name}", std::process::id()));
        match namespace["type"].as_str().unwrap() {
            "network" => namespace["path"] = ours("net"),
            "ipc" => namespace["path"] = ours("ipc"),
            _ => (),
        }
    }
    compare(&config, None);
}

/// An agent that takes its listener and says nothing: nobody asks it anything.
#[test]
fn explain_tells_of_an_agent() {
    if !can() {
        return;
    }
    let directory = observe::scratch::Scratch::new("stage4").unwrap();
    let path = directory.path().join("agent");
    let agent = std::os::unix::net::UnixListener::bind(&path).unwrap();
    for confined in [true, false] {
        let mut config = default(serde_json::to_value(spec::default()).unwrap());
        config["process"]["noNewPrivileges"] = json!(confined);
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": path,
            "syscalls": [{ "names": ["keyctl"], "action": "SCMP_ACT_NOTIFY" }]
        });
        std::thread::scope(|scope| {
            let taken =
                scope.spawn(|| stage4_runtime::console::socket::receive(agent.accept().unwrap().0.as_fd()));
            compare(&config, None);
            taken.join().unwrap().unwrap();
        });
    }
}

#[test]
fn explain_tells_of_a_terminal() {
    if !can() {
        return;
    }
    let mut config = default(serde_json::to_value(spec::default()).unwrap());
    config["process"]["terminal"] = json!(true);
    config["process"]["consoleSize"] = json!({ "height": 25, "width": 80 });
    compare(&config, None);
}

/// What the default leaves out, as far as every machine has it.
fn many(config: &mut Value) {
    let process = &mut config["process"];
    process["user"] = json!({ "uid": 1, "gid": 2, "umask": 63, "additionalGids": [5, 6] });
    process["rlimits"] = json!([
        { "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 512 },
        { "type": "RLIMIT_CORE", "hard": 0, "soft": 0 },
        { "type": "RLIMIT_FSIZE", "hard": 1_048_576, "soft": 1_048_576 }
    ]);
    process["oomScoreAdj"] = json!(100);
    process["ioPriority"] = json!({ "class": "IOPRIO_CLASS_IDLE", "priority": 4 });
    process["scheduler"] = json!({ "policy": "SCHED_BATCH", "nice": 3 });
    for set in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
        process["capabilities"][set] = json!(["CAP_KILL", "CAP_CHOWN"]);
    }
    config["hostname"] = json!("a-host");
    config["domainname"] = json!("a-domain.test");
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.push(json!({ "destination": "/data", "source": ".", "options": ["rbind", "ro", "nosuid"] }));
    mounts.push(json!({ "destination": "/file", "source": "config.json", "options": ["bind", "rprivate"] }));
    mounts.push(
        json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["ro", "noexec"] }),
    );
    mounts.push(json!({ "destination": "/tmp", "type": "none", "options": ["remount", "nosuid"] }));
    let hook = json!([{ "path": "/bin/true", "args": ["true", "one"] }]);
    for moment in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        config["hooks"][moment] = hook.clone();
    }
    let linux = &mut config["linux"];
    linux["sysctl"] = json!({ "kernel.msgmax": "65536", "fs.mqueue.msg_max": "20" });
    linux["devices"] = json!([
        { "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 384, "uid": 1, "gid": 2 },
        { "path": "/opt/pipe", "type": "p" }
    ]);
    linux["namespaces"]
        .as_array_mut()
        .unwrap()
        .extend([json!({ "type": "cgroup" }), json!({ "type": "time" })]);
    linux["timeOffsets"] = json!({ "boottime": { "secs": 7 }, "monotonic": { "secs": 8, "nanosecs": 9 } });
    linux["personality"] = json!({ "domain": "LINUX32" });
    linux["rootfsPropagation"] = json!("unbindable");
    linux["resources"]["pids"] = json!({ "limit": 64 });
    linux["resources"]["memory"] = json!({ "limit": 268_435_456 });
    linux["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["mount", "keyctl", "reboot"], "action": "SCMP_ACT_ERRNO" }]
    });
}
