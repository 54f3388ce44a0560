//! Every option of the specification, seen from inside.
//!
//! mount(8), mount_setattr(2). Book: "Mounts" (`mounts`).
//! Invariant: an option that has no effect to be seen is an error or a word for programs.

use crate::Claim;
use crate::ground::{Bundle, at, inside, is_root};
use nix::errno::Errno;
use serde_json::json;
use std::fs;
use std::process::Command;

pub const CLAIMS: &[Claim] = &[
    ("mounts_have_each_attribute_that_is_asked_for", attributes),
    ("mounts_recursive_options_reach_what_is_mounted_below", recursive),
    ("mounts_keep_what_the_host_has_decided", kept),
    ("mounts_propagate_as_they_are_told", propagation),
    ("mounts_remounted_change_only_what_is_said", remount),
    ("mounts_refuse_options_that_nobody_takes", unknown),
    ("mounts_tmpfs_begins_with_a_copy_of_what_it_covers", copy_up),
    ("mounts_tmpfs_has_the_mode_of_what_it_covers", mode),
];

/// Option, what mountinfo says of the mount.
const ATTRIBUTES: [(&str, &str); 11] = [
    ("ro", "ro"),
    ("rw", "rw"),
    ("nosuid", "nosuid"),
    ("nodev", "nodev"),
    ("noexec", "noexec"),
    ("noatime", "noatime"),
    ("nodiratime", "nodiratime"),
    ("relatime", "relatime"),
    ("atime", "relatime"),
    ("nosymfollow", "nosymfollow"),
    ("rnosuid", "nosuid"),
];

fn attributes() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let mut more = Vec::new();
    for (option, _) in ATTRIBUTES {
        more.push(json!({"destination": format!("/tmpfs-{option}"), "type": "tmpfs", "options": [option]}));
        more.push(json!({"destination": format!("/bind-{option}"), "source": "outside", "options": ["bind", option]}));
        more.push(json!({"destination": format!("/rbind-{option}"), "source": "outside", "options": ["rbind", option]}));
    }
    let more = [more, vec![
        json!({"destination": "/strict", "type": "tmpfs", "options": ["strictatime", "sync", "dirsync", "size=64k", "nr_inodes=7"]}),
        json!({"destination": "/all", "type": "tmpfs", "options": ["ro", "nosuid", "nodev", "noexec", "noatime", "lazytime", "mand", "nomand", "x-y", "defaults"]}),
    ]].concat();
    inside(&bundle, &json!({"more": more}), || {
        for (option, seen) in ATTRIBUTES {
            for kind in ["tmpfs", "bind", "rbind"] {
                let line = at(&format!("/{kind}-{option}"));
                assert!(line.options.iter().any(|one| one == seen), "{kind} {option}: {line:?}");
            }
        }
        let strict = at("/strict");
        assert!(!strict.options.iter().any(|one| one.contains("atime")), "{strict:?}");
        for option in ["sync", "dirsync", "size=64k", "nr_inodes=7"] {
            assert!(strict.superblock.iter().any(|one| one == option), "{option}: {strict:?}");
        }
        let all = at("/all");
        assert_eq!(all.options, ["ro", "nosuid", "nodev", "noexec", "noatime"]);
        assert!(all.superblock.iter().any(|one| one == "lazytime"), "{all:?}");
        assert_eq!(fs::write("/bind-ro/canary", "").unwrap_err().raw_os_error(), Some(Errno::EROFS as i32));
        assert_eq!(fs::read_to_string("/bind-ro/canary").unwrap(), "sings");
    })
    .unwrap();
    assert!(bundle.canary_sings());
}

/// A directory of the host with a mount below, in a mount namespace of this process.
fn with_submount(act: impl FnOnce(&Bundle)) {
    crate::ground::apart(|| {
        let mounts =
            stage2_namespaces::mount::PrivateMounts::unshare(stage2_namespaces::mount::Incoming::Refused);
        mounts.unwrap();
        let bundle = Bundle::new();
        fs::create_dir_all(bundle.path().join("volume/below")).unwrap();
        let mount = |words: &[&str]| assert!(Command::new("mount").args(words).status().unwrap().success());
        let volume = bundle.path().join("volume");
        let volume = volume.to_str().unwrap();
        mount(&["-t", "tmpfs", "-o", "nodev", "volume", volume]);
        fs::create_dir(bundle.path().join("volume/below")).unwrap();
        mount(&["-t", "tmpfs", "-o", "nosuid", "below", &format!("{volume}/below")]);
        act(&bundle);
        assert!(Command::new("umount").args(["-R", volume]).status().unwrap().success());
    });
}

fn recursive() {
    if !is_root() {
        return;
    }
    with_submount(|bundle| {
        let bind =
            |to: &str, options: &[&str]| json!({"destination": to, "source": "volume", "options": options});
        let more = json!([
            bind("/plain", &["bind"]),
            bind("/top", &["rbind", "ro"]),
            bind("/all", &["rbind", "rro", "rnoexec", "rnoatime"]),
            bind("/back", &["rbind", "rro", "rw"]),
            bind("/undone", &["rbind", "rsuid", "rdev"]),
        ]);
        inside(bundle, &json!({"more": more}), || {
            let options = |target: &str| at(target).options.join(",");
            assert!(fs::read_dir("/plain/below").unwrap().next().is_none());
            assert!(!crate::ground::seen().iter().any(|line| line.target == "/plain/below"));
            assert_eq!(
                (options("/top"), options("/top/below")),
                ("ro,nodev,relatime".into(), "rw,nosuid,relatime".into())
            );
            assert_eq!(options("/all/below"), "ro,nosuid,noexec,noatime");
            assert_eq!(options("/all"), "ro,nodev,noexec,noatime");
            assert_eq!(
                (options("/back"), options("/back/below")),
                ("rw,nodev,relatime".into(), "ro,nosuid,relatime".into())
            );
            assert_eq!(
                (options("/undone"), options("/undone/below")),
                ("rw,relatime".into(), "rw,relatime".into())
            );
        })
        .unwrap();
    });
}

fn kept() {
    if !is_root() {
        return;
    }
    with_submount(|bundle| {
        let more = json!([
            {"destination": "/quiet", "source": "volume", "options": ["rbind", "nosuid"]},
            {"destination": "/asked", "source": "volume", "options": ["bind", "dev"]},
        ]);
        inside(bundle, &json!({"more": more}), || {
            assert_eq!(at("/quiet").options.join(","), "rw,nosuid,nodev,relatime", "nodev is the host's");
            assert_eq!(at("/asked").options.join(","), "rw,relatime");
        })
        .unwrap();
    });
}

fn propagation() {
    if !is_root() {
        return;
    }
    with_submount(|bundle| {
        let volume = bundle.path().join("volume");
        assert!(Command::new("mount").arg("--make-rshared").arg(&volume).status().unwrap().success());
        let bind =
            |to: &str, options: &[&str]| json!({"destination": to, "source": "volume", "options": options});
        let more = json!([
            bind("/silent", &["rbind"]),
            bind("/private", &["rbind", "rprivate"]),
            bind("/slave", &["rbind", "rslave"]),
            bind("/shared", &["rbind", "rshared"]),
            bind("/unbindable", &["bind", "unbindable"]),
            bind("/top", &["rbind", "private"]),
        ]);
        let kind = |target: &str| {
            let peers = at(target).peers;
            let words: Vec<_> =
                peers.split(' ').map(|word| word.split(':').next().unwrap().to_owned()).collect();
            words.join(" ")
        };
        inside(bundle, &json!({"more": more}), || {
            assert_eq!((kind("/silent"), kind("/silent/below")), ("master".into(), "master".into()));
            assert_eq!((kind("/private"), kind("/private/below")), (String::new(), String::new()));
            assert_eq!(kind("/slave"), "master");
            assert_eq!(
                (kind("/shared"), kind("/shared/below")),
                ("shared master".into(), "shared master".into())
            );
            assert_eq!(kind("/unbindable"), "unbindable");
            assert_eq!((kind("/top"), kind("/top/below")), (String::new(), "master".into()));
            assert_eq!(kind("/"), "", "the root itself is of nobody's group");
        })
        .unwrap();
        let shared = json!({"more": more, "linux": {"rootfsPropagation": "rshared"}});
        inside(bundle, &shared, || {
            assert_eq!(kind("/shared"), "shared", "what is mounted here the host sees: that was asked for");
            assert_eq!(kind("/"), "shared");
        })
        .unwrap();
    });
}

fn remount() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let more = json!([
        {"destination": "/t", "type": "tmpfs", "options": ["nosuid", "size=64k"]},
        {"destination": "/t", "options": ["remount", "ro", "size=128k"]},
    ]);
    inside(&bundle, &json!({"more": more}), || {
        let line = at("/t");
        assert_eq!(line.options.join(","), "ro,nosuid,relatime");
        assert!(line.superblock.iter().any(|one| one == "size=128k"), "{line:?}");
    })
    .unwrap();
    let nothing = json!({"more": [{"destination": "/t", "options": ["remount", "ro"]}]});
    let error = inside(&bundle, &nothing, || ()).unwrap_err();
    assert!(error.contains("remount"), "{error}");
}

fn unknown() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    for (kind, option) in
        [("tmpfs", "nonsense=1"), ("tmpfs", "size=x"), ("proc", "rubbish"), ("nosuchfs", "ro")]
    {
        let more = json!([{"destination": "/t", "type": kind, "options": [option]}]);
        let error = inside(&bundle, &json!({"more": more}), || ()).unwrap_err();
        assert!(error.contains("mounts[2] on /t"), "{error}");
    }
}

fn copy_up() {
    if !is_root() {
        return;
    }
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let bundle = Bundle::new();
    fs::create_dir_all(bundle.image("data/deep/er")).unwrap();
    fs::write(bundle.image("data/deep/er/file"), "text".repeat(10_000)).unwrap();
    fs::set_permissions(bundle.image("data/deep/er/file"), fs::Permissions::from_mode(0o4751)).unwrap();
    std::os::unix::fs::chown(bundle.image("data/deep"), Some(12), Some(34)).unwrap();
    symlink("/nowhere", bundle.image("data/link")).unwrap();
    nix::unistd::mkfifo(&bundle.image("data/pipe"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let more = json!([{"destination": "/data", "type": "tmpfs", "options": ["tmpcopyup", "ro"]},
        {"destination": "/new", "type": "tmpfs", "options": ["tmpcopyup"]}]);
    inside(&bundle, &json!({"more": more}), || {
        assert_eq!(at("/data").options[0], "ro");
        let file = fs::metadata("/data/deep/er/file").unwrap();
        assert_eq!((file.len(), file.mode() & 0o7777), (40_000, 0o4751));
        let deep = fs::metadata("/data/deep").unwrap();
        assert_eq!((deep.uid(), deep.gid()), (12, 34));
        assert_eq!(fs::read_link("/data/link").unwrap().to_str(), Some("/nowhere"));
        assert_eq!(fs::read_dir("/data").unwrap().count(), 3);
    })
    .unwrap();
    let before = fs::metadata(bundle.image("data/deep/er/file")).unwrap();
    assert_eq!(before.len(), 40_000, "what is covered is as it was");
    let small = json!([{"destination": "/data", "type": "tmpfs", "options": ["tmpcopyup", "size=8k"]}]);
    let error = inside(&bundle, &json!({"more": small}), || ()).unwrap_err();
    assert!(error.contains("ENOSPC"), "{error}");
}

fn mode() {
    if !is_root() {
        return;
    }
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let bundle = Bundle::new();
    fs::create_dir(bundle.image("there")).unwrap();
    fs::set_permissions(bundle.image("there"), fs::Permissions::from_mode(0o2750)).unwrap();
    let more = json!([{"destination": "/there", "type": "tmpfs"}, {"destination": "/new", "type": "tmpfs"},
        {"destination": "/etc", "type": "tmpfs", "options": ["mode=0700"]}]);
    inside(&bundle, &json!({"more": more}), || {
        let mode = |path: &str| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode("/there"), mode("/new"), mode("/etc")), (0o2750, 0o1777, 0o700));
    })
    .unwrap();
}
