//! The root itself: read-only, alone, and by the weaker way.
//!
//! pivot_root(2), chroot(2), mount_setattr(2). Book: "Mounts" (`mounts`).
//! Invariant: nothing of the host's is mounted inside, and `..` leads nowhere.

use crate::Claim;
use crate::ground::{Bundle, at, inside, is_root, planned, plans, seen};
use nix::sys::stat::{Mode, umask};
use serde_json::json;
use stage4_runtime::plan::root::Way;
use std::fs;
use std::os::unix::fs::MetadataExt;

pub const CLAIMS: &[Claim] = &[
    ("mounts_of_a_read_only_root_can_be_written", readonly),
    ("mounts_leave_nothing_of_the_hosts", alone),
    ("mounts_without_pivot_are_over_the_hosts", no_pivot),
    ("mounts_refuse_the_hosts_root", hosts),
    ("mounts_that_are_read_only_have_everything_in_them", sealed),
    ("mounts_leave_no_trace_on_the_host", no_trace),
];

fn readonly() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let config = json!({
        "root": {"path": "rootfs", "readonly": true},
        "more": [{"destination": "/made/for/it", "type": "tmpfs"}],
    });
    let before = umask(Mode::from_bits_truncate(0o27));
    inside(&bundle, &config, || {
        assert_eq!(fs::write("/etc/x", "").unwrap_err().raw_os_error(), Some(libc::EROFS));
        fs::write("/made/for/it/x", "").unwrap();
        fs::write("/dev/x", "").unwrap();
        assert!(at("/").options.contains(&"ro".to_owned()));
        assert_eq!(
            umask(Mode::empty()),
            Mode::from_bits_truncate(0o27),
            "the engine's hooks run with their own"
        );
    })
    .unwrap();
    umask(before);
    assert_eq!(fs::metadata(bundle.image("made/for")).unwrap().mode() & 0o7777, 0o755);
    fs::write(bundle.image("etc/x"), "the host's own mount is as it was").unwrap();
}

fn alone() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    inside(&bundle, &json!({}), || {
        let targets: Vec<_> = seen().into_iter().map(|line| line.target).collect();
        assert_eq!(targets, ["/", "/proc", "/dev"]);
        assert_eq!(fs::read_dir("/../../..").unwrap().count(), fs::read_dir("/").unwrap().count());
        assert!(!std::path::Path::new("/etc/passwd").exists());
    })
    .unwrap();
}

fn no_pivot() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let mut plans = plans(&bundle, &json!({})).unwrap();
    plans.root.way = Way::Chroot;
    planned(plans, None, || {
        assert!(!std::path::Path::new("/etc/passwd").exists());
        assert_eq!(fs::read_dir("/../../..").unwrap().count(), fs::read_dir("/").unwrap().count());
        fs::create_dir("/etc/in").unwrap();
        // Even who breaks out of the chroot finds himself in the image: it lies on top of the host's root.
        nix::unistd::chroot("/etc/in").unwrap();
        for _ in 0..20 {
            nix::unistd::chdir("..").unwrap();
        }
        assert!(fs::read_dir(".").unwrap().any(|entry| entry.unwrap().file_name() == "etc"));
        assert!(fs::read_dir("etc").unwrap().any(|entry| entry.unwrap().file_name() == "in"));
    })
    .unwrap();
}

fn hosts() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let error = inside(&bundle, &json!({"root": {"path": "/"}}), || ()).unwrap_err();
    assert!(error.contains("is the host's own root"), "{error}");
    std::os::unix::fs::symlink("/", bundle.path().join("link")).unwrap();
    let error = inside(&bundle, &json!({"root": {"path": "link"}}), || ()).unwrap_err();
    assert!(error.contains("this is / itself"), "{error}");
    let error = inside(&bundle, &json!({"root": {"path": "outside/canary"}}), || ()).unwrap_err();
    assert!(error.contains("ENOTDIR"), "{error}");
}

fn sealed() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let mounts = json!([
        {"destination": "/proc", "type": "proc"},
        {"destination": "/dev", "type": "tmpfs", "options": ["ro", "mode=755"]},
        {"destination": "/dev/shm", "type": "tmpfs"},
        {"destination": "/run", "type": "tmpfs", "options": ["ro"]},
        {"destination": "/run/lock", "source": "outside", "options": ["bind"]},
    ]);
    inside(&bundle, &json!({"mounts": mounts}), || {
        fs::write("/dev/null", "").unwrap();
        fs::write("/dev/shm/x", "").unwrap();
        assert_eq!(fs::read_to_string("/run/lock/canary").unwrap(), "sings");
        for file in ["/dev/x", "/run/x"] {
            assert_eq!(fs::write(file, "").unwrap_err().raw_os_error(), Some(libc::EROFS));
        }
    })
    .unwrap();
}

fn no_trace() {
    if !is_root() {
        return;
    }
    let text = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let bundle = Bundle::new();
    let before = (text(), descriptors());
    inside(&bundle, &json!({"linux": {"maskedPaths": ["/etc"], "readonlyPaths": ["/proc/sys"]}}), || ())
        .unwrap();
    inside(&bundle, &json!({"more": [{"destination": "/x", "type": "nosuchfs"}]}), || ()).unwrap_err();
    assert_eq!(before, (text(), descriptors()));
}
