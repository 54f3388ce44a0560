//! Entries of `mounts`, and what is made of them.
//!
//! No kernel calls. Book: "Mounts" (`mounts`).
//! Invariant: what is asserted here is what the leaves are handed.

use super::*;
use crate::plan::root::Way;

fn planned(mounts: &str, linux: &str) -> Result<Vec<Mount>> {
    let text = format!(
        r#"{{"ociVersion": "1.3.0", "root": {{"path": "rootfs"}}, "mounts": [{mounts}], "linux": {linux}}}"#
    );
    let config: Config = serde_json::from_str(&text).unwrap();
    let bundle = Path::new("/bundle");
    of(&config, &Root::of(&config, bundle, Way::Pivot)?, bundle)
}

fn one(mount: &str) -> Mount {
    planned(mount, "{}").unwrap().remove(0)
}

fn refusal(mount: &str) -> String {
    planned(mount, "{}").unwrap_err().to_string()
}

#[test]
fn mounts_are_relative_to_root_and_bundle() {
    let mount =
        one(r#"{"destination": "data//./x/", "source": "vol", "options": ["rbind", "ro", "rprivate"]}"#);
    assert_eq!(mount.target, Path::new("data/x"));
    let What::Bind(bind) = mount.what else { panic!("{mount:?}") };
    assert_eq!((bind.source.as_path(), bind.deep), (Path::new("/bundle/vol"), true));
    assert_eq!(mount.top.set, libc::MOUNT_ATTR_RDONLY);
    assert_eq!(mount.all, Attributes::default());
    assert_eq!(mount.propagation.len(), 1, "{:?}", mount.propagation);
    for bad in ["/", ".", "/a/../b", ""] {
        let text = refusal(&format!(r#"{{"destination": "{bad}", "type": "tmpfs"}}"#));
        assert!(text.starts_with("config.json: mounts[0]: destination: "), "{text}");
    }
}

#[test]
fn mounts_of_the_host_do_not_share_unless_asked() {
    let spread = |linux: &str, options: &str| {
        let mount = format!(r#"{{"destination": "/x", "source": "/x", "options": {options}}}"#);
        let flags = planned(&mount, linux).unwrap().remove(0).propagation;
        flags.iter().map(|one| (one.flag(), one.recursive)).collect::<Vec<_>>()
    };
    let shared = r#"{"rootfsPropagation": "rshared"}"#;
    assert_eq!(spread("{}", r#"["rbind"]"#), [(libc::MS_SLAVE, true)]);
    assert_eq!(spread("{}", r#"["rbind", "shared"]"#), [(libc::MS_SLAVE, true), (libc::MS_SHARED, false)]);
    assert_eq!(spread("{}", r#"["rbind", "private"]"#), [(libc::MS_SLAVE, true), (libc::MS_PRIVATE, false)]);
    assert_eq!(spread("{}", r#"["rbind", "rslave"]"#), [(libc::MS_SLAVE, true)]);
    assert_eq!(spread(shared, r#"["rbind", "rshared"]"#), [(libc::MS_SHARED, true)]);
    assert_eq!(spread(shared, r#"["rbind"]"#), []);
    assert_eq!(spread(r#"{"rootfsPropagation": "private"}"#, r#"["bind"]"#), [(libc::MS_PRIVATE, true)]);
}

#[test]
fn mounts_by_bind_refuse_what_they_cannot_apply() {
    for option in ["sync", "dirsync", "mand", "lazytime", "iversion", "size=1m", "nonsense"] {
        let text =
            refusal(&format!(r#"{{"destination": "/x", "source": "/x", "options": ["bind", "{option}"]}}"#));
        assert!(text.contains("a bind mount cannot apply"), "{text}");
    }
    one(
        r#"{"destination": "/x", "source": "/x", "options": ["bind", "async", "defaults", "nomand", "silent", "ro"]}"#,
    );
    let asked = one(r#"{"destination": "/x", "source": "/x", "options": ["bind", "rw", "dev"]}"#);
    assert_eq!(asked.top.clear, libc::MOUNT_ATTR_NODEV, "rw does not undo the host's ro");
}

#[test]
fn mounts_on_proc_are_refused_but_for_the_list() {
    for (target, kind) in
        [("/proc", "tmpfs"), ("proc/", "sysfs"), ("/proc/self/attr", "tmpfs"), ("/proc/sys", "proc")]
    {
        let text = refusal(&format!(r#"{{"destination": "{target}", "type": "{kind}"}}"#));
        assert!(text.contains("mounted on"), "{text}");
    }
    one(r#"{"destination": "/proc/cpuinfo", "source": "/f", "options": ["bind"]}"#);
    one(r#"{"destination": "/proc", "type": "proc"}"#);
    one(r#"{"destination": "/processes", "type": "tmpfs"}"#);
}

#[test]
fn mounts_of_a_read_only_sys_are_read_only_below() {
    let mount = one(r#"{"destination": "/sys", "source": "/sys", "options": ["rbind", "ro"]}"#);
    assert_eq!(mount.all.set, libc::MOUNT_ATTR_RDONLY);
}

#[test]
fn mounts_say_by_mount_what_fsconfig_cannot() {
    let of = |kind: &str, option: &str| {
        let mount = one(&format!(r#"{{"destination": "/x", "type": "{kind}", "options": ["{option}"]}}"#));
        let What::New(system) = mount.what else { panic!("{mount:?}") };
        system
    };
    assert!(!of("overlay", &format!("lowerdir={}", "a".repeat(255))).needs_mount());
    assert!(of("overlay", &format!("lowerdir={}", "a".repeat(256))).needs_mount());
    assert!(of("ext4", "iversion").needs_mount() && of("fuse.sshfs", "ro").needs_mount());
    assert_eq!(of("ext4", "ro").superblock, ["ro"]);
    assert_eq!(of("tmpfs", "ro").superblock, [""; 0], "the mount's attribute is enough");
}

#[test]
fn mounts_are_mapped_by_their_own_maps_or_the_containers() {
    let maps = r#"[{"containerID": 0, "hostID": 1000, "size": 5}]"#;
    let linux =
        format!(r#"{{"namespaces": [{{"type": "user"}}], "uidMappings": {maps}, "gidMappings": {maps}}}"#);
    let by = |mount: &str, linux: &str| match planned(mount, linux).unwrap().remove(0).what {
        What::Bind(Bind { users: Some(mapped), .. }) => mapped,
        other => panic!("{other:?}"),
    };
    let plain = r#"{"destination": "/x", "source": "/x", "options": ["rbind", "ridmap"]}"#;
    let own = format!(
        r#"{{"destination": "/x", "source": "/x", "options": ["bind"], "uidMappings": {maps}, "gidMappings": {maps}}}"#
    );
    let mapped = by(plain, &linux);
    assert!(mapped.deep);
    assert_eq!(mapped.by, by(&own, "{}").by);
    let joined = r#"{"namespaces": [{"type": "user", "path": "/ns"}]}"#;
    assert_eq!(by(plain, joined).by, MappedBy::Namespace("/ns".into()));
    assert!(planned(plain, "{}").is_err());
    let tmpfs = r#"{"destination": "/x", "type": "tmpfs", "options": ["idmap"]}"#;
    assert!(planned(tmpfs, &linux).is_err());
}

#[test]
fn mounts_again_leave_the_superblock_of_the_host_writable() {
    for options in [r#"["remount", "ro"]"#, r#"["bind", "remount", "ro", "rnosuid"]"#] {
        let mount = one(&format!(r#"{{"destination": "/x", "source": "/x", "options": {options}}}"#));
        let What::Again(system) = mount.what else { panic!("{mount:?}") };
        assert_eq!((system.superblock.len(), system.data.len()), (0, 0));
        assert_eq!(mount.top.set, libc::MOUNT_ATTR_RDONLY);
    }
    let text = refusal(r#"{"destination": "/x", "options": ["bind", "remount", "sync"]}"#);
    assert!(text.contains("cannot apply \"sync\""), "{text}");
}

#[test]
fn mounts_begin_with_a_copy_only_where_they_can() {
    let of = |kind: &str, option: &str| {
        let options = format!(r#"["tmpcopyup", "{option}"]"#);
        planned(&format!(r#"{{"destination": "/x", "type": "{kind}", "options": {options}}}"#), "{}")
            .map(drop)
    };
    of("tmpfs", "silent").unwrap();
    for (kind, option) in [("proc", "ro"), ("tmpfs", "iversion"), ("ramfs", "ro")] {
        assert!(of(kind, option).unwrap_err().to_string().contains("tmpcopyup"));
    }
}
