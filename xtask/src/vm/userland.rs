//! What people and tests type inside: Debian's own programs, and the accounts that they are typed under.
//!
//! Runs ldconfig(8), Debian's own. Book: "How it is tested".
//! Invariant: nothing comes from the host's programs, so that a machine is the same wherever it is made.

use super::{Trouble, cpio::Archive, debian::run};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// What the demos and tests of the stages type, by package. Libraries are found by their dependencies.
pub(super) const PACKAGES: [&str; 20] = [
    "base-files",
    "bash",
    "coreutils",
    "dash",
    "findutils",
    "grep",
    "hostname",
    "iproute2",
    "libc-bin",
    "libgcc-s1", // Rust's programs unwind with it
    "login",
    "mawk",
    "mount",
    "passwd",
    "procps",
    "sed",
    "strace",
    "tar",
    "uidmap",
    "util-linux",
];

/// What clients of a runtime need besides, by package.
pub(super) const CLIENTS: [&str; 11] = [
    "bsdutils",
    "busybox-static",
    "catatonit",
    "conmon",
    "containernetworking-plugins",
    "golang-github-containers-common",
    "iptables",
    "perl-base",
    "podman",
    "runc",
    "slirp4netns",
];

/// What takes room and is not read: texts for people, tables of character sets.
const LEFT_OUT: [&str; 4] =
    ["usr/share", "usr/include", "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/x86_64-linux-gnu/perl-base"];

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
learner:x:1000:1000:an ordinary user:/home/learner:/bin/bash
";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\nlearner:x:1000:\n";
const SUBORDINATE: &str = "learner:100000:65536\n";

/// What the packages' scripts would do, were they installed.
pub(super) fn finish(tree: &Path) -> Result<(), Trouble> {
    for (link, target) in [("usr/bin/sh", "dash"), ("usr/bin/awk", "mawk")] {
        let link = tree.join(link);
        if link.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(target, link)?;
        }
    }
    // Debian links it statically: it runs wherever the machine's kernel could.
    run(Command::new(tree.join("usr/sbin/ldconfig")).arg("-r").arg(tree)).map(drop)
}

/// The same of the clients' packages. Their libraries lie where the loader looks without a list.
pub(super) fn finish_clients(tree: &Path) -> Result<(), Trouble> {
    for name in ["iptables", "ip6tables"] {
        let link = tree.join("usr/sbin").join(name);
        if link.symlink_metadata().is_err() {
            std::os::unix::fs::symlink("xtables-nft-multi", link)?;
        }
    }
    Ok(())
}

/// Puts the tree of the clients' packages into a machine.
pub(super) fn add_clients(archive: &mut Archive, tree: &Path) -> Result<(), Trouble> {
    const SETTINGS: &str = "usr/share/containers";
    add_below(archive, tree, tree)?;
    archive.directory("usr/share");
    archive.directory(SETTINGS);
    add_below(archive, tree, &tree.join(SETTINGS))?;
    const MODULES: &str = "usr/lib/x86_64-linux-gnu/perl-base";
    archive.directory(MODULES);
    add_below(archive, tree, &tree.join(MODULES))
}

/// Puts the tree of the packages into a machine, and the accounts.
pub(super) fn add(archive: &mut Archive, tree: &Path) -> Result<(), Trouble> {
    add_below(archive, tree, tree)?;
    for (path, contents) in [
        ("/etc/passwd", PASSWD),
        ("/etc/group", GROUP),
        ("/etc/subuid", SUBORDINATE),
        ("/etc/subgid", SUBORDINATE),
        ("/etc/hosts", "127.0.0.1 localhost vm\n::1 localhost\n"),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
        ("/etc/hostname", "vm\n"),
    ] {
        archive.file(path, contents.as_bytes());
    }
    Ok(())
}

fn add_below(archive: &mut Archive, tree: &Path, directory: &Path) -> Result<(), Trouble> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory)? {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        let place = path.strip_prefix(tree).unwrap_or(&path).to_string_lossy().into_owned();
        let kind = path.symlink_metadata()?.file_type();
        if kind.is_dir() && !LEFT_OUT.contains(&place.as_str()) {
            archive.directory(&place);
            add_below(archive, tree, &path)?;
        } else if kind.is_symlink() && directory != tree {
            // Those at the top are the archive's own.
            archive.symlink(&place, &fs::read_link(&path)?.to_string_lossy());
        } else if kind.is_file() {
            archive.with_mode(&place, path.metadata()?.permissions().mode(), &fs::read(&path)?);
        }
    }
    Ok(())
}
