//! pivot_root: the root of the whole mount namespace is exchanged, and the old one let go.
//!
//! pivot_root(2), Linux 2.3.41, 2000; `pivot_root(".", ".")` documented 2019. Book: "pivot_root" (`pivot`).
//! Invariant: afterwards no mount of the host can be reached by any path; and never the host's own namespace.

use crate::mount::PrivateMounts;
use crate::sys::mount::{move_mount, open_tree};
use crate::{Error, Result, Rootfs};
use nix::mount::{MntFlags, umount2};
use nix::unistd::{chdir, fchdir, pivot_root};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

// ANCHOR: pivot
/// Makes `rootfs` the root, and detaches everything that was there before.
///
/// `rootfs` must have been opened in this mount namespace. Without a [`PrivateMounts`] this does not compile: in the
/// host's namespace it would take the root away from every process of the machine.
pub fn pivot(proof: &PrivateMounts, rootfs: &Rootfs) -> Result<()> {
    let path = rootfs.path();
    let call = |name: &str, errno| Error::call(format!("{name} for {path:?}"), errno);
    // The new root must be a mount; a copy of the directory, attached over itself, is one.
    let tree = open_tree(rootfs.as_fd()).map_err(|e| call("open_tree(OPEN_TREE_CLONE|AT_RECURSIVE)", e))?;
    move_mount(tree.as_fd(), rootfs.as_fd()).map_err(|e| call("move_mount(tree, rootfs)", e))?;
    pivot_into(proof, tree.as_fd(), path)
}

/// The same for a `tree` that is a mount of this namespace already; `path` is what it is called in errors.
pub fn pivot_into(_proof: &PrivateMounts, tree: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let call = |name: &str, errno| Error::call(format!("{name} for {path:?}"), errno);
    fchdir(tree).map_err(|e| call("fchdir(tree)", e))?;
    // Both names are the new root: the old one comes to lie on top of it, with no directory made for it.
    pivot_root(".", ".").map_err(|e| call("pivot_root(\".\", \".\")", e).with_hint(
        "the present root must be a mount that is not shared; on an initramfs it is none, and cannot be moved",
    ))?;
    // "." is still the old root here, so that is what goes.
    umount2(".", MntFlags::MNT_DETACH).map_err(|e| call("umount2(\".\", MNT_DETACH)", e))?;
    chdir("/").map_err(|e| call("chdir(\"/\")", e))
}
// ANCHOR_END: pivot
