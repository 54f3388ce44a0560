//! Owners shown through maps, and containers of ordinary users.
//!
//! mount_setattr(2), MOUNT_ATTR_IDMAP; user_namespaces(7). Book: "Mounts" (`mounts`).
//! Invariant: a map is seen in the owners of files, on both sides.

use crate::Claim;
use crate::ground::{Bundle, apart, at, inside, inside_as, is_root, users};
use nix::unistd::{Gid, Uid, setresgid, setresuid};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

pub const CLAIMS: &[Claim] = &[
    ("mounts_mapped_by_their_own_maps_show_other_owners", own_maps),
    ("mounts_mapped_by_the_containers_user_namespace_show_its_ids", containers_maps),
    ("mounts_of_an_ordinary_user_need_no_privilege", ordinary),
    ("mounts_locked_by_the_host_stay_as_they_are_for_an_ordinary_user", locked),
];

/// Does the file system of the bundle know idmapped mounts? Not all do.
fn mappable(error: &str) -> bool {
    if error.contains("does not know idmapped mounts") {
        observe::skip::skip(
            "stage4",
            "the file system of the temporary directory knows no idmapped mounts: set TMPDIR to ext4, xfs, btrfs or tmpfs",
        );
        return false;
    }
    panic!("{error}")
}

fn own_maps() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let map = json!([{"containerID": 0, "hostID": 3000, "size": 10}]);
    let bind = |to: &str, options: &[&str]| json!({"destination": to, "source": "outside", "options": options, "uidMappings": map, "gidMappings": map});
    let more = json!([
        bind("/mapped", &["bind", "idmap"]),
        bind("/again", &["rbind", "ridmap"]),
        bind("/silent", &["bind"])
    ]);
    let seen = inside(&bundle, &json!({"more": more}), || {
        for place in ["/mapped", "/again", "/silent"] {
            let file = fs::metadata(format!("{place}/canary")).unwrap();
            assert_eq!((file.uid(), file.gid()), (3000, 3000), "{place}");
            assert!(at(place).options.contains(&"idmapped".to_owned()), "{:?}", at(place));
        }
        // Who has no id in the map can own nothing there.
        assert_eq!(fs::write("/mapped/new", "").unwrap_err().raw_os_error(), Some(libc::EOVERFLOW));
    });
    assert!(seen.is_ok() || mappable(&seen.unwrap_err()) || bundle.canary_sings());
    assert_eq!(fs::metadata(bundle.outside().join("canary")).unwrap().uid(), 0);
}

fn containers_maps() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    chown(bundle.image(""), Some(100_000), Some(100_000)).unwrap();
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    let linux = json!({"namespaces": [{"type": "user"}], "uidMappings": map, "gidMappings": map});
    let more = json!([{"destination": "/mapped", "source": "outside", "options": ["bind", "idmap"]},
        {"destination": "/plain", "source": "outside", "options": ["bind"]}]);
    let config = json!({"more": more, "linux": linux});
    let seen = inside_as(&bundle, &config, Some(users(100_000, 65536)), || {
        assert_eq!(fs::metadata("/plain/canary").unwrap().uid(), 65534, "the host's root is nobody here");
        assert_eq!(fs::metadata("/mapped/canary").unwrap().uid(), 0);
        fs::write("/mapped/new", "").unwrap();
    });
    if seen.is_ok() || mappable(&seen.unwrap_err()) {
        assert_eq!(
            fs::metadata(bundle.outside().join("new")).unwrap().uid(),
            0,
            "written as root of the host"
        );
    }
}

const USER: u32 = 31_234;

/// As an ordinary user, in a process that ends with it.
fn as_user(bundle: &Bundle, act: impl FnOnce(&Bundle)) {
    for path in
        ["", "rootfs", "rootfs/proc", "rootfs/sys", "rootfs/dev", "rootfs/etc", "outside", "outside/canary"]
    {
        chown(bundle.path().join(path), Some(USER), Some(USER)).unwrap();
    }
    apart(|| {
        let (uid, gid) = (Uid::from_raw(USER), Gid::from_raw(USER));
        nix::unistd::setgroups(&[]).unwrap();
        setresgid(gid, gid, gid).unwrap();
        setresuid(uid, uid, uid).unwrap();
        // Its own files in /proc are root's since the ids changed, until it is dumpable again.
        nix::sys::prctl::set_dumpable(true).unwrap();
        act(bundle);
    });
}

fn ordinary() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    fs::write(bundle.image("etc/key"), "secret").unwrap();
    let config = json!({
        "more": [
            {"destination": "/data", "source": "outside", "options": ["rbind", "ro", "nosuid"]},
            {"destination": "/dev/pts", "type": "devpts", "options": ["newinstance", "ptmxmode=0666", "mode=0620"]},
            {"destination": "/dev/mqueue", "type": "mqueue"},
            {"destination": "/sys", "type": "sysfs", "options": ["ro"]},
        ],
        "root": {"path": "rootfs", "readonly": true},
        "linux": {"maskedPaths": ["/etc/key", "/etc"], "readonlyPaths": ["/proc/sys"]},
    });
    as_user(&bundle, |bundle| {
        inside_as(bundle, &config, Some(users(USER, 1)), || {
            assert_eq!(fs::read_to_string("/data/canary").unwrap(), "sings");
            assert_eq!(fs::write("/data/new", "").unwrap_err().raw_os_error(), Some(libc::EROFS));
            fs::write("/dev/null", "nothing").unwrap();
            assert_eq!(fs::read_dir("/etc").unwrap().count(), 0);
            assert_eq!(fs::write("/x", "").unwrap_err().raw_os_error(), Some(libc::EROFS));
            assert!(at("/proc/sys").options.contains(&"ro".to_owned()));
        })
        .unwrap();
    });
    assert!(bundle.canary_sings());
}

fn locked() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    apart(|| {
        use stage2_namespaces::mount::{Incoming, PrivateMounts};
        PrivateMounts::unshare(Incoming::Refused).unwrap();
        let volume = bundle.outside();
        let mount = |words: &[&str]| {
            assert!(std::process::Command::new("mount").args(words).status().unwrap().success())
        };
        mount(&["-t", "tmpfs", "-o", "nosuid,nodev,ro,noatime", "volume", volume.to_str().unwrap()]);
        for path in ["", "rootfs", "rootfs/proc", "rootfs/dev"] {
            chown(bundle.path().join(path), Some(USER), Some(USER)).unwrap();
        }
        let (uid, gid) = (Uid::from_raw(USER), Gid::from_raw(USER));
        setresgid(gid, gid, gid).unwrap();
        setresuid(uid, uid, uid).unwrap();
        nix::sys::prctl::set_dumpable(true).unwrap();
        let bind = |option: &str| json!({"more": [{"destination": "/data", "source": "outside", "options": ["rbind", "noexec", option]}]});
        for option in ["rw", "nosuid", "rprivate"] {
            inside_as(&bundle, &bind(option), Some(users(USER, 1)), || {
                assert_eq!(at("/data").options.join(","), "ro,nosuid,nodev,noexec,noatime", "{option}");
            })
            .unwrap();
        }
        for option in ["suid", "dev", "rrw", "relatime"] {
            let error = inside_as(&bundle, &bind(option), Some(users(USER, 1)), || ()).unwrap_err();
            assert!(error.contains("EPERM") && error.contains("leave out suid"), "{option}: {error}");
        }
    });
}
