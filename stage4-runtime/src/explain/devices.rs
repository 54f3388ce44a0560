//! Told: the files and links of /dev.
//!
//! No kernel calls; mknodat(2), symlinkat(2). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the order is that of `devices::make`.

use super::strace::{beneath, move_mount, open_tree, openat, path, perhaps, word};
use super::{ALWAYS, Story};
use crate::plan::devices::{LINKS, Node};
use nix::sys::stat::{SFlag, major, minor};
use std::path::Path;

pub(super) fn made(story: &mut Story<'_>) {
    let plan = &story.plan.devices;
    if plan.nodes.is_empty() && !plan.links {
        let why = "nothing is made: the host's own /dev is bound there";
        return story.tell_always(Vec::new(), None, why);
    }
    let calls = vec![beneath(Path::new("dev"), "|O_DIRECTORY", true)];
    story.tell_always(
        calls,
        None,
        "a directory and no link: a link here had the host's directory filled (CVE-2026-41579)",
    );
    for node in &plan.nodes {
        let asked = story.plan.linux.devices.iter().position(|one| is(&one.path, &node.path));
        let field = asked.map_or_else(|| ALWAYS.to_owned(), |index| format!("linux.devices[{index}]"));
        let why = match (asked, plan.bound && node.kind != SFlag::S_IFIFO) {
            (_, true) => "the host's own, on an empty file: nodes made in a user namespace cannot be opened",
            (None, _) => "every container has it (config-linux.md, Default Devices)",
            (Some(_), _) => "its mode is to the letter, for the umask is 0",
        };
        let (call, command) = match plan.bound && node.kind != SFlag::S_IFIFO {
            true => bound(story, node),
            false => (made_here(node), typed(node, &story.plan.root.path)),
        };
        story.tell(field, call, Some(command), why);
    }
    if plan.links {
        links(story);
    }
}

fn is(written: &str, planned: &Path) -> bool {
    written.split('/').filter(|part| !matches!(*part, "" | ".")).eq(planned.iter())
}

fn name(node: &Node) -> String {
    node.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn directory(node: &Node) -> String {
    format!("<rootfs/{}>", node.path.parent().unwrap_or(Path::new("")).display())
}

fn made_here(node: &Node) -> Vec<String> {
    let (directory, name) = (directory(node), name(node));
    let number = |number: u64| if number == 0 { "0".to_owned() } else { format!("{number:#x}") };
    let call = match node.kind {
        SFlag::S_IFIFO => format!("mknodat({directory}, {name:?}, S_IFIFO|0{:o})", node.mode),
        kind => {
            let kind = if kind == SFlag::S_IFBLK { "S_IFBLK" } else { "S_IFCHR" };
            let (major, minor) = (number(major(node.device)), number(minor(node.device)));
            format!("mknodat({directory}, {name:?}, {kind}|0{:o}, makedev({major}, {minor}))", node.mode)
        }
    };
    let owner = ((node.uid, node.gid) != (0, 0))
        .then(|| format!("fchownat({directory}, {name:?}, {}, {}, AT_SYMLINK_NOFOLLOW)", node.uid, node.gid));
    std::iter::once(call).chain(owner).collect()
}

fn typed(node: &Node, root: &Path) -> String {
    let kind = node.name();
    let kind = kind.replace(':', " ");
    let file = path(&root.join(&node.path));
    let owner =
        ((node.uid, node.gid) != (0, 0)).then(|| format!(" && chown {}:{} {file}", node.uid, node.gid));
    format!("mknod -m {:o} {file} {kind}{}", node.mode, owner.unwrap_or_default())
}

fn bound(story: &Story<'_>, node: &Node) -> (Vec<String>, String) {
    let host = Path::new("/").join(&node.path);
    let (text, target) = (host.display().to_string(), format!("<rootfs/{}>", node.path.display()));
    let mut calls =
        vec![openat(&directory(node), &name(node), "O_RDONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0644")];
    if !story.scene.privileged {
        calls.push(perhaps(open_tree(&format!("AT_FDCWD, {text:?}"), false)));
    }
    calls.push(perhaps(move_mount(&format!("<{text}>"), &target)));
    (calls, format!("mount --bind {} {}", path(&host), path(&story.plan.root.path.join(&node.path))))
}

fn links(story: &mut Story<'_>) {
    let link = |(name, target): (&str, &str)| format!("symlinkat({target:?}, <rootfs/dev>, {name:?})");
    let mut calls: Vec<String> = LINKS.into_iter().map(link).collect();
    calls.push(perhaps(link(("core", "/proc/kcore"))));
    calls.push(link(("ptmx", "pts/ptmx")));
    let dev = story.plan.root.path.join("dev");
    let command = format!("ln -s {} {}", word("/proc/self/fd"), path(&dev.join("fd")));
    story.tell_always(
        calls,
        Some(command),
        "as programs expect them; ptmx is the container's own devpts' (Dev symbolic links)",
    );
}
