//! Every call that fails ends the birth: none is passed over.
//!
//! strace(1), fault injection. Book: "Mounts" (`mounts`).
//! Invariant: a protection that could not be applied is never taken for one that was.

use crate::Claim;
use crate::ground::{Bundle, inside, is_root};
use serde_json::json;
use std::fs;
use std::process::Command;

pub const CLAIMS: &[Claim] = &[("mounts_pass_over_no_error", every_call)];

/// What this program is told to be the process that is hindered.
pub const WHOLE: &str = "mount-whole";

/// Something of everything.
pub fn mount_whole() {
    let bundle = Bundle::new();
    fs::write(bundle.image("key"), "secret").unwrap();
    let config = json!({
        "root": {"path": "rootfs", "readonly": true},
        "more": [
            {"destination": "/run/made", "type": "tmpfs", "options": ["ro", "nosuid"]},
            {"destination": "/data", "source": "outside", "options": ["rbind", "rro", "nodev"]},
            {"destination": "/run/made", "options": ["remount", "noexec"]},
        ],
        "linux": {
            "maskedPaths": ["/key", "/etc", "/proc/timer_list"], "readonlyPaths": ["/proc/sys"],
            "sysctl": {"kernel.msgmax": "4096"}, "rootfsPropagation": "shared",
        },
    });
    inside(&bundle, &config, || ()).unwrap();
}

const CALLS: [&str; 13] = [
    "open_tree",
    "mount_setattr",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "openat2",
    "mkdirat",
    "mknodat",
    "symlinkat",
    "fstatfs",
    "pivot_root",
    "umount2",
];

fn every_call() {
    if !is_root() {
        return;
    }
    if Command::new("strace").arg("-V").output().is_err() {
        return observe::skip::skip("stage4", "strace is not installed");
    }
    let mut hindered = 0;
    for call in CALLS {
        // Up to the first number that no process reaches.
        for number in 1.. {
            let log = tempfile::NamedTempFile::new().unwrap();
            let inject = format!("inject={call}:error=EIO:when={number}");
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-e", &format!("trace={call}"), "-e", &inject, "-o"]).arg(log.path());
            let run = strace.arg(std::env::current_exe().unwrap()).arg(WHOLE).output().unwrap();
            if !fs::read_to_string(log.path()).unwrap().contains("(INJECTED)") {
                assert!(run.status.success(), "{call}: {}", String::from_utf8_lossy(&run.stderr));
                assert!(number > 1, "{call} is not called at all");
                break;
            }
            hindered += 1;
            assert!(!run.status.success(), "the {number}. {call} failed, and nobody minded");
            let said = String::from_utf8_lossy(&run.stderr);
            assert!(said.contains("EIO"), "{number}. {call}: {said}");
        }
    }
    assert!(hindered > 60, "only {hindered} calls were hindered");
}
