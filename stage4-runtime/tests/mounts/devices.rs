//! Devices and links in /dev.
//!
//! mknod(2). Book: "Devices" (`container-devices`).
//! Invariant: the devices are the kernel's by number, whatever the image says.

use crate::Claim;
use crate::ground::{Bundle, inside, inside_as, is_root, users};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

pub const CLAIMS: &[Claim] = &[
    ("container_devices_are_the_default_ones_and_those_asked_for", all),
    ("container_devices_in_a_user_namespace_are_the_hosts", bound),
    ("container_devices_that_are_something_else_are_errors", other),
    ("container_devices_of_the_image_are_kept_where_they_are_the_same", kept),
];

const DEFAULT: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

fn look() {
    for (name, major, minor) in DEFAULT {
        let file = fs::metadata(format!("/dev/{name}")).unwrap();
        assert!(file.file_type().is_char_device(), "{name}");
        assert_eq!((file.rdev(), file.mode() & 0o7777), (makedev(major, minor), 0o666), "{name}");
    }
    fs::write("/dev/null", "nothing").unwrap();
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ];
    for (name, target) in links {
        assert_eq!(fs::read_link(format!("/dev/{name}")).unwrap().to_str(), Some(target));
    }
}

fn all() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    symlink("away", bundle.image("opt")).unwrap();
    let devices = json!([
        {"path": "/dev/sub/loop", "type": "b", "major": 7, "minor": 3, "fileMode": 0o640, "uid": 5, "gid": 6},
        {"path": "/opt/pipe", "type": "p", "uid": 7, "fileMode": 0o4711},
        {"path": "/dev/u", "type": "u", "major": 1, "minor": 5},
    ]);
    inside(&bundle, &json!({"linux": {"devices": devices}}), || {
        look();
        let block = fs::metadata("/dev/sub/loop").unwrap();
        assert!(block.file_type().is_block_device());
        assert_eq!(
            (block.rdev(), block.mode() & 0o7777, block.uid(), block.gid()),
            (makedev(7, 3), 0o640, 5, 6)
        );
        let pipe = fs::metadata("/away/pipe").unwrap();
        assert!(pipe.file_type().is_fifo() && pipe.uid() == 7);
        assert_eq!(fs::metadata("/dev/u").unwrap().mode() & 0o777, 0o666);
        assert_eq!(fs::read_link("/dev/core").is_ok(), fs::metadata("/proc/kcore").is_ok());
    })
    .unwrap();
}

fn bound() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    std::os::unix::fs::chown(bundle.image(""), Some(100_000), Some(100_000)).unwrap();
    let devices = json!([{"path": "/dev/pipe", "type": "p"}]);
    let config = json!({"linux": {"devices": devices}});
    inside_as(&bundle, &config, Some(users(100_000, 65536)), || {
        look();
        assert!(fs::metadata("/dev/pipe").unwrap().file_type().is_fifo());
        assert_eq!(crate::ground::at("/dev/null").peers, "", "nothing mounted on it is seen outside");
    })
    .unwrap();
    let missing =
        json!({"linux": {"devices": [{"path": "/dev/stage4-none", "type": "c", "major": 1, "minor": 3}]}});
    let error = inside_as(&bundle, &missing, Some(users(100_000, 65536)), || ()).unwrap_err();
    assert!(error.contains("/dev/stage4-none") && error.contains("ENOENT"), "{error}");
    let wrong = json!({"linux": {"devices": [{"path": "/dev/zero", "type": "c", "major": 1, "minor": 3}]}});
    let error = inside_as(&bundle, &wrong, Some(users(100_000, 65536)), || ()).unwrap_err();
    assert!(error.contains("on the host is not c 1:3"), "{error}");
}

fn other() {
    if !is_root() {
        return;
    }
    let mounts = json!([{"destination": "/proc", "type": "proc"}]);
    let plant: [fn(&Bundle); 4] = [
        |bundle| fs::write(bundle.image("dev/null"), "text").unwrap(),
        |bundle| symlink("../../outside/canary", bundle.image("dev/null")).unwrap(),
        |bundle| fs::create_dir(bundle.image("dev/null")).unwrap(),
        |bundle| mknod(&bundle.image("dev/null"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).unwrap(),
    ];
    for plant in plant {
        let bundle = Bundle::new();
        plant(&bundle);
        let error = inside(&bundle, &json!({"mounts": mounts}), || ()).unwrap_err();
        assert!(error.contains("/dev/null exists, and is not c 1:3"), "{error}");
        assert!(bundle.canary_sings());
    }
}

fn kept() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    mknod(&bundle.image("dev/null"), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).unwrap();
    // The host's multiplexer, as a backup of a machine has it.
    mknod(&bundle.image("dev/ptmx"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(5, 2)).unwrap();
    symlink("fd/0", bundle.image("dev/stdin")).unwrap();
    let mounts = json!([{"destination": "/proc", "type": "proc"}]);
    inside(&bundle, &json!({"mounts": mounts}), || {
        fs::write("/dev/null", "nothing").unwrap();
        assert_eq!(fs::read_link("/dev/ptmx").unwrap().to_str(), Some("pts/ptmx"));
        assert_eq!(fs::read_link("/dev/stdin").unwrap().to_str(), Some("fd/0"));
    })
    .unwrap();
}
