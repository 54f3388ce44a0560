//! Paths that are covered, and paths that are made read-only.
//!
//! openat2(2), open_tree(2), move_mount(2), mount_setattr(2); config-linux.md, "Masked Paths". Book: "Masks" (`masks`).
//! Invariant: a path that is not there needs no mask; every other error ends the birth (a mask that is passed over
//! is a hole). What covers is the host's 1:3 and an empty directory of ours, never a file of the image.

use crate::beneath;
use crate::mounts::{Sources, copy_of, empty_directory};
use crate::plan::masks::Masks;
use crate::root::{RootMount, require_readonly};
use crate::sys::mount::{Change, Reach, mount_setattr};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat};
use stage2_namespaces::mount::{PrivateMounts, move_mount};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Makes the paths read-only, with all that is mounted below them. Call it before [`cover`]: a mask is not copied.
///
/// # Errors
/// What the kernel refuses; a path that is writable all the same.
pub fn make_readonly(_proof: &PrivateMounts, root: &RootMount, plan: &Masks) -> Result<()> {
    plan.readonly.iter().try_for_each(|path| {
        let Some(target) = find(root, path)? else { return Ok(()) };
        let tree = copy_of(target.as_fd(), Reach::All).map_err(|errno| failed("open_tree", path, errno))?;
        let change = Change { set: libc::MOUNT_ATTR_RDONLY, ..Change::default() };
        mount_setattr(tree.as_fd(), Reach::All, change)
            .map_err(|errno| failed("mount_setattr(MOUNT_ATTR_RDONLY)", path, errno))?;
        attach(tree.as_fd(), target.as_fd(), path)?;
        require_readonly(tree.as_fd(), &path.to_string_lossy())
    })
}

// ANCHOR: masks
/// Covers the paths.
///
/// # Errors
/// What the kernel refuses.
pub fn cover(_proof: &PrivateMounts, root: &RootMount, plan: &Masks, sources: &mut Sources) -> Result<()> {
    let mut directory = Cover::new(|| empty_directory().map(Some));
    let mut file = Cover::new(|| sources.take_null());
    plan.masked.iter().try_for_each(|path| {
        let Some(target) = find(root, path)? else { return Ok(()) };
        let stat = fstat(&target).map_err(|errno| failed("fstat", path, errno))?;
        let is_directory = stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits();
        let cover = if is_directory { &mut directory as &mut dyn Lay } else { &mut file };
        cover.lay(target.as_fd(), path)
    })
}
// ANCHOR_END: masks

/// One mount that covers many places. The first is the original: the kernel copies only what is attached.
struct Cover<Make> {
    make: Option<Make>,
    laid: Option<OwnedFd>,
}

impl<Make: FnOnce() -> Result<Option<OwnedFd>>> Cover<Make> {
    fn new(make: Make) -> Self {
        Cover { make: Some(make), laid: None }
    }
}

trait Lay {
    fn lay(&mut self, target: BorrowedFd<'_>, path: &Path) -> Result<()>;
}

impl<Make: FnOnce() -> Result<Option<OwnedFd>>> Lay for Cover<Make> {
    fn lay(&mut self, target: BorrowedFd<'_>, path: &Path) -> Result<()> {
        if let Some(first) = &self.laid {
            let again =
                copy_of(first.as_fd(), Reach::Top).map_err(|errno| failed("open_tree", path, errno))?;
            return attach(again.as_fd(), target, path);
        }
        let made = self.make.take().map(|make| make()).transpose()?.flatten();
        let cover =
            made.ok_or_else(|| Error::refused("what masks files is gone: /dev/null was not opened"))?;
        attach(cover.as_fd(), target, path)?;
        self.laid = Some(cover);
        Ok(())
    }
}

// ANCHOR: masks-find
/// The file itself, by links of the image if it must be; `None` where there is none.
fn find(root: &RootMount, path: &Path) -> Result<Option<OwnedFd>> {
    match beneath::open(root.as_fd(), path, OFlag::O_PATH) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(failed("openat2(RESOLVE_IN_ROOT)", path, errno)),
    }
}
// ANCHOR_END: masks-find

fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>, path: &Path) -> Result<()> {
    move_mount(tree, target).map_err(|errno| failed("move_mount", path, errno))
}

fn failed(call: &str, path: &Path, errno: Errno) -> Error {
    Error::call(format!("{call} for [root]/{}", path.display()), errno)
        .with_hint("it is a path of linux.maskedPaths or linux.readonlyPaths, and must not be left as it is")
}
