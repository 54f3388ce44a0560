//! Every type of mount, seen from inside.
//!
//! fsopen(2), open_tree(2). Book: "Mounts" (`mounts`).
//! Invariant: what is mounted is the container's own: its processes, its network, its queues, its groups.

use crate::Claim;
use crate::ground::{Bundle, at, inside, is_root, planned, plans, seen};
use serde_json::json;
use stage3_cgroups::{Base, Group, Layout};
use std::fs;
use std::os::unix::fs::MetadataExt;

pub const CLAIMS: &[Claim] = &[
    ("mounts_of_the_specifications_default_are_all_there", default),
    ("mounts_of_files_make_files_and_of_directories_directories", made),
    ("mounts_of_control_groups_show_the_containers_own", cgroup),
    ("mounts_of_control_groups_are_those_of_the_containers_group", group),
    ("mounts_of_control_groups_on_version_2_alone", version_2),
    ("mounts_of_an_overlay_may_have_long_options", overlay),
    ("mounts_by_relative_destination_are_below_the_root", relative),
    ("mounts_of_what_is_not_there_are_errors", missing),
    ("mounts_are_made_in_an_empty_image", empty),
];

fn default() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let more = json!([
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    ]);
    inside(&bundle, &json!({"more": more}), || {
        let kind = |target: &str| (at(target).kind, at(target).source);
        assert_eq!(kind("/proc"), ("proc".into(), "proc".into()));
        assert_eq!(kind("/dev/shm"), ("tmpfs".into(), "shm".into()));
        assert_eq!(kind("/dev/pts").0, "devpts");
        assert_eq!(kind("/dev/mqueue").0, "mqueue");
        assert_eq!(at("/sys").options.join(","), "ro,nosuid,nodev,noexec,relatime");
        assert_eq!(fs::read_link("/proc/self").unwrap().to_str(), Some("1"), "its own processes");
        let links: Vec<_> =
            fs::read_dir("/sys/class/net").unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(links, ["lo"], "its own network");
        fs::OpenOptions::new().read(true).write(true).open("/dev/ptmx").unwrap();
        assert_eq!(fs::metadata("/dev/pts/0").map(|pty| pty.gid()).unwrap_or(5), 5);
        assert_eq!(seen().len(), 7, "and nothing of the host's: {:#?}", seen());
    })
    .unwrap();
}

fn made() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    fs::write(bundle.image("old"), "").unwrap();
    let bind = |to: &str, from: &str| json!({"destination": to, "source": from, "options": ["bind"]});
    let more =
        json!([bind("/a/b/c", "outside"), bind("/d/e", "outside/canary"), bind("/old", "outside/canary")]);
    inside(&bundle, &json!({"more": more}), || {
        for file in ["/a/b/c/canary", "/d/e", "/old"] {
            assert_eq!(fs::read_to_string(file).unwrap(), "sings");
        }
        let (owner, mode) = fs::metadata("/a/b").map(|made| (made.uid(), made.mode() & 0o7777)).unwrap();
        assert_eq!((owner, mode), (0, 0o755));
    })
    .unwrap();
    assert_eq!(fs::metadata(bundle.image("d/e")).unwrap().len(), 0, "the mount point is an empty file");
    let wrong = json!({"more": [bind("/old", "outside")]});
    let error = inside(&bundle, &wrong, || ()).unwrap_err();
    assert!(error.contains("EINVAL") && error.contains("a file on a file"), "{error}");
}

fn cgroup() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let mount = json!([{"destination": "/sys", "type": "sysfs", "options": ["ro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro", "nosuid", "nodev", "noexec"]}]);
    let linux = json!({"namespaces": [{"type": "cgroup"}]});
    let layout = stage3_cgroups::Layout::read().unwrap();
    let alone = layout.kind() == stage3_cgroups::layout::Kind::V2;
    let shown: Vec<_> =
        layout.useful().filter(|one| one.here.is_some()).map(|one| one.mount.clone()).collect();
    if shown.is_empty() {
        return observe::skip::skip(
            "stage4",
            "no control groups are mounted here; mount -t cgroup2 none /sys/fs/cgroup",
        );
    }
    inside(&bundle, &json!({"more": mount, "linux": linux}), || {
        let top = at("/sys/fs/cgroup");
        assert_eq!(top.kind, if alone { "cgroup2" } else { "tmpfs" });
        assert!(top.options.contains(&"ro".to_owned()), "{top:?}");
        for hierarchy in shown {
            let name = if alone { "" } else { hierarchy.file_name().unwrap().to_str().unwrap() };
            let place = format!("/sys/fs/cgroup/{name}");
            let line = at(place.trim_end_matches('/'));
            assert_eq!(line.root, "/", "only what is below our own group: {line:?}");
            assert!(line.options.contains(&"ro".to_owned()), "{line:?}");
            let procs = fs::OpenOptions::new().write(true).open(format!("{place}/cgroup.procs"));
            assert_eq!(procs.unwrap_err().raw_os_error(), Some(libc::EROFS), "CVE-2023-25809");
        }
    })
    .unwrap();
}

fn overlay() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    // More than fsconfig(2) takes for one value.
    let long = "l".repeat(200);
    let layers: Vec<_> = (1..=3).map(|n| bundle.path().join(format!("{long}{n}"))).collect();
    for (number, layer) in layers.iter().enumerate() {
        fs::create_dir(layer).unwrap();
        fs::write(layer.join(format!("file{number}")), "").unwrap();
    }
    let list: Vec<_> = layers.iter().map(|layer| layer.to_str().unwrap()).collect();
    let mount = |lower: &str| json!([{"destination": "/o", "type": "overlay", "source": "overlay", "options": ["nodev", format!("lowerdir={lower}")]}]);
    let look = |count: usize| {
        move || {
            assert_eq!(fs::read_dir("/o").unwrap().count(), count);
            assert!(at("/o").options.contains(&"nodev".to_owned()));
            assert_eq!(fs::write("/o/x", "").unwrap_err().raw_os_error(), Some(libc::EROFS));
        }
    };
    inside(&bundle, &json!({"more": mount(&list.join(":"))}), look(3)).unwrap();
    std::os::unix::fs::symlink(&layers[0], bundle.path().join("s1")).unwrap();
    std::os::unix::fs::symlink(&layers[1], bundle.path().join("s2")).unwrap();
    let short = format!("{0}/s1:{0}/s2", bundle.path().display());
    inside(&bundle, &json!({"more": mount(&short)}), look(2)).unwrap();
}

fn relative() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let more = json!([{"destination": "data/./x//", "type": "tmpfs"}]);
    inside(&bundle, &json!({"more": more}), || assert_eq!(at("/data/x").kind, "tmpfs")).unwrap();
}

fn missing() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let more = json!([{"destination": "/x", "source": "nothing/here", "options": ["bind"]}]);
    let error = inside(&bundle, &json!({"more": more}), || ()).unwrap_err();
    assert!(
        error.contains("nothing/here") && error.contains("ENOENT") && error.contains("mounts[2]"),
        "{error}"
    );
    assert!(!bundle.image("x").exists(), "found before anything was made");
}

fn empty() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    for name in ["proc", "sys", "dev", "etc"] {
        fs::remove_dir(bundle.image(name)).unwrap();
    }
    let more =
        json!([{"destination": "/sys", "type": "sysfs"}, {"destination": "/dev/shm", "type": "tmpfs"}]);
    inside(&bundle, &json!({"more": more}), || {
        assert_eq!(fs::read_link("/proc/self").unwrap().to_str(), Some("1"));
        fs::write("/dev/null", "").unwrap();
    })
    .unwrap();
    assert_eq!(fs::read_dir(bundle.image("dev")).unwrap().count(), 0, "what is in /dev is in the tmpfs");
}

const CGROUP: &str = "/sys/fs/cgroup";

fn cgroup_config(namespace: bool) -> serde_json::Value {
    let mount = json!([{"destination": "/sys", "type": "sysfs"}, {"destination": CGROUP, "type": "cgroup", "options": ["nosuid"]}]);
    let namespaces = if namespace { json!([{"type": "cgroup"}]) } else { json!([]) };
    json!({"more": mount, "linux": {"namespaces": namespaces}})
}

fn group() {
    if !is_root() {
        return;
    }
    let layout = Layout::read().unwrap();
    let name = format!("stage4-mounts-{}", std::process::id()).parse().unwrap();
    let Ok(group) = Group::create(&layout, Base::Here, &name, &[]) else {
        return observe::skip::skip("stage4", "no control group can be made here");
    };
    let alone = layout.kind() == stage3_cgroups::layout::Kind::V2;
    let identity = |path: &std::path::Path| fs::metadata(path).map(|stat| (stat.dev(), stat.ino())).unwrap();
    let places: Vec<_> = group
        .places()
        .iter()
        .map(|place| {
            let name = place.hierarchy.mount.file_name().unwrap().to_str().unwrap().to_owned();
            (name, place.hierarchy.controllers.clone(), identity(place.directory.path()))
        })
        .collect();
    let bundle = Bundle::new();
    let mut plans = plans(&bundle, &cgroup_config(false)).unwrap();
    plans.group = Some(Group::open(&layout, Base::Here, &name).unwrap());
    let seen = planned(plans, None, || {
        for (name, controllers, group) in places.iter().filter(|_| !alone) {
            assert_eq!(identity(&std::path::Path::new(CGROUP).join(name)), *group, "{name}");
            for controller in controllers.iter().filter(|one| *one != name && name != "unified") {
                assert_eq!(
                    fs::read_link(format!("{CGROUP}/{controller}")).unwrap().to_str(),
                    Some(name.as_str())
                );
            }
        }
    });
    group.delete(std::time::Duration::from_secs(5)).unwrap();
    seen.unwrap();
}

fn version_2() {
    if !is_root() {
        return;
    }
    crate::ground::apart(|| {
        use stage2_namespaces::mount::{Incoming, PrivateMounts};
        PrivateMounts::unshare(Incoming::Refused).unwrap();
        let mount = std::process::Command::new("mount").args(["-t", "cgroup2", "none", CGROUP]).status();
        if !mount.unwrap().success() || Layout::read().unwrap().kind() != stage3_cgroups::layout::Kind::V2 {
            return observe::skip::skip("stage4", "no hierarchy of version 2 can be mounted here");
        }
        let bundle = Bundle::new();
        inside(&bundle, &cgroup_config(false), || {
            assert_eq!(
                (at(CGROUP).kind.as_str(), at(CGROUP).options.join(",").as_str()),
                ("cgroup2", "rw,nosuid,relatime")
            );
        })
        .unwrap();
        inside(&bundle, &cgroup_config(true), || assert_eq!(at(CGROUP).root, "/")).unwrap();
    });
}
