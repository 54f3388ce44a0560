//! Told: what is taken from the host before the birth.
//!
//! No kernel calls; open_tree(2), mount_setattr(2). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the order is that of `mounts::Sources::open`.

use super::Story;
use super::birth::clone3;
use super::mounts::{field, shown};
use super::strace::{mount_setattr, open_tree, openat, path, perhaps, write};
use crate::plan::mounts::{Bind, Mapped, MappedBy, Mount, What};
use crate::plan::root::Spread;
use nix::sys::stat::SFlag;
use stage2_namespaces::users::Users;
use stage2_namespaces::{Kind, Kinds};
use std::path::Path;

/// What the parent opens of the host. Without the right to copy mounts init does it later.
pub(super) fn opened(story: &mut Story<'_>) {
    let rootfs = story.plan.root.path.display().to_string();
    let mut calls = vec![openat("AT_FDCWD", &rootfs, "O_RDONLY|O_CLOEXEC|O_PATH|O_DIRECTORY")];
    if story.scene.privileged {
        calls.extend(copied_root(story));
    }
    let why = "the directory as a mount that is attached nowhere yet; what is mounted in it never travels to the host";
    story.tell("root.path", calls, Some(format!("mount --rbind {0} {0}", path(&story.plan.root.path))), why);
    if !story.plan.masks.masked.is_empty() {
        let mut calls = vec![openat("AT_FDCWD", "/dev/null", "O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_PATH")];
        if story.scene.privileged {
            calls.extend(copied_null());
        }
        story.tell(
            "linux.maskedPaths",
            calls,
            None,
            "what covers files: the host's, verified to be the device 1:3 (CVE-2025-31133)",
        );
    }
    if !story.scene.privileged {
        return;
    }
    binds(story);
    if let Some(mount) = story.plan.mounts.iter().find(|one| matches!(one.what, What::Cgroup { .. })) {
        let calls = shown(story, mount).iter().map(|place| tree_of(Path::new(place), false)).collect();
        let why = "the container's own group in each hierarchy, to be shown inside";
        story.tell(field(mount), calls, None, why);
    }
    devices(story);
}

fn binds(story: &mut Story<'_>) {
    let mut known: Vec<&MappedBy> = Vec::new();
    for mount in &story.plan.mounts {
        if let What::Bind(bind) = &mount.what {
            let mut calls = vec![tree_of(&bind.source, bind.deep)];
            // Mounts with the same maps share one namespace.
            if let Some(Mapped { by, .. }) = bind.users.as_ref().filter(|mapped| !known.contains(&&mapped.by))
            {
                calls.extend(owners(by));
                known.push(by);
            }
            calls.extend(prepared(mount, bind));
            story.tell(
                field(mount),
                calls,
                None,
                "copied and changed before the birth: init needs no way to the path",
            );
        }
    }
}

fn devices(story: &mut Story<'_>) {
    if !story.plan.devices.bound {
        return;
    }
    let nodes = story.plan.devices.nodes.iter().filter(|node| node.kind != SFlag::S_IFIFO);
    let calls = nodes
        .flat_map(|node| {
            let host = Path::new("/").join(&node.path).display().to_string();
            let opened = openat("AT_FDCWD", &host, "O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_PATH");
            let mount = format!("<{host}>");
            [
                opened,
                open_tree(&format!("{mount}, \"\""), false),
                mount_setattr(&mount, false, 0, 0, libc::MS_PRIVATE),
            ]
        })
        .collect();
    story.tell(
        "linux.devices",
        calls,
        None,
        "in a user namespace mknod(2) makes no devices: the host's are bound",
    );
}

pub(super) fn tree_of(path: &Path, deep: bool) -> String {
    open_tree(&format!("AT_FDCWD, {:?}", path.display().to_string()), deep)
}

pub(super) fn copied_root(story: &Story<'_>) -> [String; 2] {
    let spread = story.plan.root.base().unwrap_or(Spread::DEFAULT).flag();
    [open_tree("<rootfs>, \"\"", true), mount_setattr("<rootfs>", true, 0, 0, spread)]
}

/// For the masks of files.
pub(super) fn copied_null() -> [String; 2] {
    [open_tree("</dev/null>, \"\"", false), mount_setattr("</dev/null>", false, 0, 0, libc::MS_PRIVATE)]
}

/// The changes of a bind mount's copy.
pub(super) fn prepared(mount: &Mount, bind: &Bind) -> Vec<String> {
    let name = format!("<{}>", bind.source.display());
    let mut calls = Vec::new();
    if let Some(mapped) = &bind.users {
        let flags = if bind.deep && mapped.deep { "AT_EMPTY_PATH|AT_RECURSIVE" } else { "AT_EMPTY_PATH" };
        calls.push(format!(
            "mount_setattr({name}, \"\", {flags}, {{attr_set=MOUNT_ATTR_IDMAP, attr_clr=0, propagation=…, userns_fd=<user namespace>}}, 32)"
        ));
    }
    let change = |one: &crate::plan::mounts::changes::Change| {
        mount_setattr(&name, one.deep, one.attributes.set, one.attributes.clear, one.propagation)
    };
    calls.extend(mount.changes().iter().map(change));
    calls
}

/// A user namespace for its maps: it lasts as long as its descriptor, and the process in it until that is open.
fn owners(by: &MappedBy) -> Vec<String> {
    match by {
        MappedBy::Namespace(path) => vec![format!("openat(AT_FDCWD, {:?}, …)", path.display().to_string())],
        MappedBy::Maps(Users::Unmapped) => Vec::new(),
        MappedBy::Maps(Users::Mapped { uids, gids }) => vec![
            clone3(Kinds::NONE.with(Kind::User, true), None, false),
            perhaps("prctl(PR_SET_PDEATHSIG, SIGKILL)".to_owned()),
            write("/proc/PID/uid_map", &uids.to_string()),
            write("/proc/PID/gid_map", &gids.to_string()),
            "pidfd_send_signal(<owner of the maps>, SIGKILL, NULL, 0)".to_owned(),
        ],
    }
}
