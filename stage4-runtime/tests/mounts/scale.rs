//! Five hundred mounts cost five times what a hundred cost.
//!
//! strace(1) counts. Book: "Mounts" (`mounts`).
//! Invariant: calls are counted, never time.

use crate::Claim;
use crate::ground::{Bundle, apart, inside, is_root, seen};
use serde_json::json;
use std::process::Command;

pub const CLAIMS: &[Claim] = &[
    ("mounts_five_hundred_are_made", five_hundred),
    ("mounts_may_be_more_than_descriptors", descriptors),
    ("mounts_each_cost_the_same_few_calls", linear),
];

/// What this program is told to be the process that is counted.
pub const MANY: &str = "mount-many";

/// As many bind mounts, on directories that are there.
pub fn mount_many(count: usize) {
    let bundle = Bundle::new();
    for number in 0..count {
        std::fs::create_dir(bundle.image(&format!("m{number}"))).unwrap();
    }
    let bind = |number| json!({"destination": format!("/m{number}"), "source": "outside", "options": ["rbind", "rprivate", "rro"]});
    inside(&bundle, &json!({"more": (0..count).map(bind).collect::<Vec<_>>()}), || ()).unwrap();
}

fn five_hundred() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let bind = |number: usize| match number % 2 {
        0 => json!({"destination": format!("/made/m{number}"), "source": "outside", "options": ["bind"]}),
        _ => json!({"destination": format!("/made/m{number}"), "type": "tmpfs", "options": ["size=4k"]}),
    };
    inside(&bundle, &json!({"more": (0..500).map(bind).collect::<Vec<_>>()}), || {
        assert_eq!(seen().len(), 503)
    })
    .unwrap();
}

fn linear() {
    if !is_root() {
        return;
    }
    if Command::new("strace").arg("-V").output().is_err() {
        return observe::skip::skip("stage4", "strace is not installed");
    }
    // Not mkdir: those are of the bundle, outside.
    let calls = "open_tree,mount_setattr,move_mount,openat2,close,fsopen,fsconfig,fsmount,fstat,newfstatat,statx,fstatfs,mount,read";
    let count = |mounts: usize| {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", &format!("trace={calls}"), "-o"]).arg(log.path());
        let status =
            strace.arg(std::env::current_exe().unwrap()).args([MANY, &mounts.to_string()]).status().unwrap();
        assert!(status.success());
        let text = std::fs::read_to_string(log.path()).unwrap();
        // What the removal of the bundle needs is of the test.
        text.lines()
            .filter(|line| !line.contains("resumed>"))
            .filter(|line| {
                line.contains("open_tree")
                    || line.contains("mount")
                    || line.contains("openat2")
                    || line.contains("fstat(")
            })
            .count()
    };
    let (none, few, many) = (count(0), count(20), count(220));
    assert_eq!(many - few, 10 * (few - none), "each mount costs the same");
    assert_eq!(few - none, 20 * 4, "open_tree, mount_setattr, openat2, move_mount");
}

fn descriptors() {
    if !is_root() {
        return;
    }
    apart(|| {
        use nix::sys::resource::{Resource, setrlimit};
        setrlimit(Resource::RLIMIT_NOFILE, 128, 128).unwrap();
        let bundle = Bundle::new();
        let bind = |number| json!({"destination": format!("/m{number}"), "source": "outside", "options": ["bind", "ro"]});
        inside(&bundle, &json!({"more": (0..300).map(bind).collect::<Vec<_>>()}), || {
            let seen = seen();
            assert_eq!(seen.len(), 303);
            assert!(
                seen.iter().filter(|line| line.target.starts_with("/m")).all(|line| line.options[0] == "ro")
            );
        })
        .unwrap();
    });
}
