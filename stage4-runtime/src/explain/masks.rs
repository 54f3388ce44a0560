//! Told: paths that are made read-only, and paths that are covered.
//!
//! No kernel calls; openat2(2), move_mount(2). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; a path that is not there needs no mask, so all but the look is in brackets.

use super::Story;
use super::strace::{beneath, mount_setattr, move_mount, open_tree, path, perhaps};
use std::path::Path;

pub(super) fn covered(story: &mut Story<'_>) {
    let plan = &story.plan.masks;
    for (index, one) in plan.readonly.iter().enumerate() {
        let (name, target) = ("<copy>", format!("<rootfs/{}>", one.display()));
        let mut calls = vec![beneath(one, "", false)];
        calls.extend(
            [
                open_tree(&format!("{target}, \"\""), true),
                mount_setattr(name, true, libc::MOUNT_ATTR_RDONLY, 0, 0),
                move_mount(name, &target),
            ]
            .map(perhaps),
        );
        let inside = path(&Path::new("/").join(one));
        let command = format!("mount --rbind {inside} {inside} && mount -o remount,bind,ro {inside}");
        let why = "where it is there: a copy of itself on top of it, read-only all the way down";
        story.tell(format!("linux.readonlyPaths[{index}]"), calls, Some(command), why);
    }
    if !plan.masked.is_empty() {
        directory(story);
    }
    for (index, one) in plan.masked.iter().enumerate() {
        let target = format!("<rootfs/{}>", one.display());
        let mut calls = vec![beneath(one, "", false)];
        calls.extend([open_tree("<cover>, \"\"", false), move_mount("<cover>", &target)].map(perhaps));
        let inside = path(&Path::new("/").join(one));
        let command = format!("mount --bind /dev/null {inside} || mount -t tmpfs -o ro tmpfs {inside}");
        let why =
            "where it is there: a file under /dev/null, a directory under an empty one that is read-only";
        story.tell(format!("linux.maskedPaths[{index}]"), calls, Some(command), why);
    }
}

/// Made once, when the first directory is to be covered.
fn directory(story: &mut Story<'_>) {
    let attributes = "MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV|MOUNT_ATTR_NOEXEC";
    let calls = [
        "fsopen(\"tmpfs\", FSOPEN_CLOEXEC)".to_owned(),
        "fsconfig(<tmpfs>, FSCONFIG_SET_FLAG, \"ro\", NULL, 0)".to_owned(),
        "fsconfig(<tmpfs>, FSCONFIG_SET_STRING, \"mode\", \"755\", 0)".to_owned(),
        "fsconfig(<tmpfs>, FSCONFIG_CMD_CREATE, NULL, NULL, 0)".to_owned(),
        format!("fsmount(<tmpfs>, FSMOUNT_CLOEXEC, {attributes})"),
    ];
    let why = "the empty directory, made when the first directory is to be covered";
    story.tell("linux.maskedPaths", calls.map(perhaps).into(), None, why);
}
