//! What cannot be seen and what cannot be written.
//!
//! move_mount(2). Book: "Masks" (`masks`).
//! Invariant: a mask is tried, not believed.

use crate::Claim;
use crate::ground::{Bundle, at, inside, inside_as, is_root, seen, users};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;

pub const CLAIMS: &[Claim] = &[
    ("masks_cover_files_and_directories", cover),
    ("masks_cve_2025_31133_the_image_has_no_say_in_what_covers", null),
    ("masks_are_no_peers_of_a_shared_dev_of_the_host", peers),
    ("masks_make_paths_read_only_all_the_way_down", readonly),
    ("masks_hold_in_a_user_namespace", in_user_namespace),
    ("sysctls_are_written_in_the_containers_namespaces", sysctls),
];

fn cover() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    fs::create_dir_all(bundle.image("secret/deep")).unwrap();
    fs::create_dir_all(bundle.image("other/deep")).unwrap();
    fs::write(bundle.image("key"), "secret").unwrap();
    fs::write(bundle.image("etc/shadow"), "secret").unwrap();
    symlink("/etc/shadow", bundle.image("link")).unwrap();
    let masked =
        ["/secret", "/other", "/key", "/link", "/proc/kcore", "/proc/timer_list", "/proc/none", "/key/none"];
    inside(&bundle, &json!({"linux": {"maskedPaths": masked}}), || {
        for directory in ["/secret", "/other"] {
            assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
            assert_eq!(
                fs::write(format!("{directory}/x"), "").unwrap_err().raw_os_error(),
                Some(libc::EROFS)
            );
        }
        for file in ["/key", "/etc/shadow", "/proc/timer_list"] {
            assert_eq!(fs::read_to_string(file).unwrap(), "", "{file}");
        }
        let devices = |target: &str| seen().iter().filter(|line| line.target == target).count();
        assert_eq!((devices("/secret"), devices("/etc/shadow")), (1, 1));
        assert_eq!(at("/secret").superblock, at("/other").superblock);
        assert_eq!(at("/key").peers, "", "not a peer of the host's /dev");
    })
    .unwrap();
    assert_eq!(fs::read_to_string(bundle.image("key")).unwrap(), "secret");
}

fn null() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    symlink(bundle.outside().join("canary"), bundle.image("dev/null")).unwrap();
    let config = json!({
        "mounts": [{"destination": "/proc", "type": "proc"}, {"destination": "/dev", "source": "rootfs/dev", "options": ["bind"]}],
        "linux": {"maskedPaths": ["/proc/timer_list"]},
    });
    inside(&bundle, &config, || {
        assert_eq!(fs::read_to_string("/proc/timer_list").unwrap(), "");
        fs::write("/proc/timer_list", "into nothing").unwrap();
    })
    .unwrap();
    assert!(bundle.canary_sings());
}

fn readonly() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    fs::create_dir_all(bundle.image("data/below")).unwrap();
    fs::write(bundle.image("etc/issue"), "").unwrap();
    let config = json!({
        "more": [{"destination": "/data/below", "type": "tmpfs"}, {"destination": "/data/deep", "type": "tmpfs"}],
        "linux": {"readonlyPaths": ["/proc/sys", "/etc/issue", "/data", "/proc/none"], "maskedPaths": ["/data/below"]},
    });
    inside(&bundle, &config, || {
        for file in ["/proc/sys/kernel/hostname", "/etc/issue", "/data/x", "/data/below/x", "/data/deep/x"] {
            let error =
                fs::OpenOptions::new().write(true).create(true).truncate(false).open(file).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EROFS), "{file}");
        }
        assert!(fs::read_to_string("/proc/sys/kernel/ostype").unwrap().contains("Linux"));
        fs::write("/proc/self/comm", "still").unwrap();
    })
    .unwrap();
}

fn in_user_namespace() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    fs::write(bundle.image("key"), "secret").unwrap();
    for path in ["", "etc", "proc", "dev", "sys", "key"] {
        std::os::unix::fs::chown(bundle.image(path), Some(100_000), Some(100_000)).unwrap();
    }
    let linux = json!({"maskedPaths": ["/key", "/etc"], "readonlyPaths": ["/proc/sys", "/proc/bus"]});
    inside_as(&bundle, &json!({"linux": linux}), Some(users(100_000, 65536)), || {
        assert_eq!(fs::read_to_string("/key").unwrap(), "");
        assert!(at("/proc/sys").options.contains(&"ro".to_owned()));
        assert!(at("/etc").options.contains(&"ro".to_owned()));
    })
    .unwrap();
}

fn sysctls() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let read = |path: &str| fs::read_to_string(path).unwrap().trim().to_owned();
    let before = (read("/proc/sys/kernel/msgmax"), read("/proc/sys/net/core/somaxconn"));
    let sysctl = json!({"kernel.msgmax": "12345", "net.core.somaxconn": "77"});
    inside(&bundle, &json!({"linux": {"sysctl": sysctl, "readonlyPaths": ["/proc/sys"]}}), || {
        assert_eq!(
            (read("/proc/sys/kernel/msgmax"), read("/proc/sys/net/core/somaxconn")),
            ("12345".into(), "77".into())
        );
    })
    .unwrap();
    assert_eq!(
        before,
        (read("/proc/sys/kernel/msgmax"), read("/proc/sys/net/core/somaxconn")),
        "the host's stay"
    );
    for (name, value) in [("kernel.none", "1"), ("kernel.msgmax", "many")] {
        let error = inside(&bundle, &json!({"linux": {"sysctl": {name: value}}}), || ()).unwrap_err();
        assert!(error.contains(&format!("linux.sysctl[\"{name}\"]")), "{error}");
    }
}

fn peers() {
    if !is_root() {
        return;
    }
    crate::ground::apart(|| {
        use stage2_namespaces::mount::{Incoming, PrivateMounts, Propagation};
        PrivateMounts::unshare(Incoming::Refused).unwrap();
        // As systemd has it.
        Propagation::Shared.apply().unwrap();
        let bundle = Bundle::new();
        fs::write(bundle.image("key"), "secret").unwrap();
        std::os::unix::fs::chown(bundle.image(""), Some(100_000), Some(100_000)).unwrap();
        let config = json!({"linux": {"maskedPaths": ["/key"]}});
        inside(&bundle, &config, || assert_eq!(at("/key").peers, "")).unwrap();
        inside_as(&bundle, &config, Some(users(100_000, 65536)), || {
            assert!(seen().iter().all(|line| !line.peers.contains("shared:")), "{:?}", seen());
        })
        .unwrap();
    });
}
