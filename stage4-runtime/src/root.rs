//! The root of the container: a mount of its own, then `/`.
//!
//! move_mount(2), pivot_root(2), mount_setattr(2). Book: "Mounts" (`mounts`).
//! Invariant: from its first moment the root is a descriptor; no path of the host means anything afterwards.

use crate::mounts::Sources;
use crate::mounts::sources::cut_off;
use crate::plan::root::{Root, Seat, Way};
use crate::sys::mount::{Change, Reach, mount_setattr, open_tree};
use crate::{Error, Result};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::{chdir, chroot, fchdir};
use stage2_namespaces::Rootfs;
use stage2_namespaces::mount::{PrivateMounts, Propagation, move_mount};
use stage2_namespaces::pivot::pivot_into;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The root as a mount in init's mount namespace.
#[derive(Debug)]
pub struct RootMount {
    fd: OwnedFd,
    path: PathBuf,
}

impl RootMount {
    /// Attaches the tree of the root; the mounts that are made in it travel nowhere, for all around it is private.
    ///
    /// On top of `/` paths do not see it: they begin at the root below, until [`RootMount::enter`]. So it needs no
    /// directory that init could reach, and its old path may be closed to init's user.
    ///
    /// # Errors
    /// What the kernel refuses; a path that hooks need and that init cannot reach.
    pub fn attach(_proof: &PrivateMounts, plan: &Root, sources: &mut Sources) -> Result<Self> {
        let fd = match sources.take_root() {
            Some(fd) => fd,
            None => copied_here(plan)?,
        };
        let root = RootMount { fd, path: plan.path.clone() };
        match plan.seat {
            Seat::Above => root.move_above()?,
            Seat::Path => root.move_to(Rootfs::open(&plan.path)?.as_fd(), &plan.path)?,
        }
        Ok(root)
    }

    fn move_above(&self) -> Result<()> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let top =
            open("/", flags, Mode::empty()).map_err(|errno| Error::call("open(\"/\", O_PATH)", errno))?;
        self.move_to(top.as_fd(), Path::new("/"))
    }

    fn move_to(&self, target: BorrowedFd<'_>, name: &Path) -> Result<()> {
        move_mount(self.fd.as_fd(), target)
            .map_err(|errno| Error::call(format!("move_mount(<{}>, {name:?})", self.path.display()), errno))
    }

    // ANCHOR: escapes
    /// Makes it `/`, and leaves what was there before.
    ///
    /// # Errors
    /// What pivot_root(2) refuses; on an initramfs there is `--no-pivot`.
    pub fn enter(&self, proof: &PrivateMounts, plan: &Root) -> Result<()> {
        match plan.way {
            Way::Pivot => pivot_into(proof, self.fd.as_fd(), &self.path).map_err(|error| {
                error.with_hint("a root in memory (initramfs) cannot be pivoted away from: there is --no-pivot, which is weaker")
            }),
            Way::Chroot => {
                // Over `/`, as switch_root(8) does it, so that `..` leads back here and not below.
                if plan.seat == Seat::Path {
                    self.move_above()?;
                }
                fchdir(&self.fd).map_err(|errno| Error::call("fchdir(root)", errno))?;
                chroot(".").map_err(|errno| Error::call("chroot(\".\")", errno))?;
                chdir("/").map_err(|errno| Error::call("chdir(\"/\")", errno))
            }
        }
    }
    // ANCHOR_END: escapes

    /// What is asked of the root as a whole, once everything in it is made: which events travel, and read-only.
    ///
    /// # Errors
    /// What the kernel refuses; a root that was to be read-only and is not.
    pub fn finish(&self, plan: &Root) -> Result<()> {
        // Those that receive or are private are so since they were copied; with AT_RECURSIVE a mount that asked to be
        // shared would be told otherwise here.
        if let Some(spread) = plan.propagation
            && matches!(spread.kind, Propagation::Shared | Propagation::Unbindable)
        {
            let reach = if spread.recursive { Reach::All } else { Reach::Top };
            self.change(reach, Change { propagation: spread.flag(), ..Change::default() })?;
        }
        if plan.readonly {
            self.change(Reach::Top, Change { set: libc::MOUNT_ATTR_RDONLY, ..Change::default() })?;
            require_readonly(self.fd.as_fd(), "/")?;
        }
        Ok(())
    }

    fn change(&self, reach: Reach, change: Change<'_>) -> Result<()> {
        mount_setattr(self.fd.as_fd(), reach, change).map_err(|errno| {
            let (set, propagation) = (change.set, change.propagation);
            Error::call(
                format!("mount_setattr([root], {{attr_set={set:#x}, propagation={propagation:#x}}})"),
                errno,
            )
        })
    }
}

/// For an ordinary user, who may copy mounts only in a namespace of his own.
fn copied_here(plan: &Root) -> Result<OwnedFd> {
    let directory = Rootfs::open(&plan.path)?;
    let tree = open_tree(directory.as_fd(), c"", Reach::All).map_err(|errno| {
        Error::call(format!("open_tree({:?}, OPEN_TREE_CLONE|AT_RECURSIVE)", plan.path), errno)
    })?;
    cut_off(tree.as_fd(), plan)?;
    Ok(tree)
}

/// Read back: the kernel is asked, not believed to have done it (statvfs(3), ST_RDONLY).
pub(crate) fn require_readonly(mount: BorrowedFd<'_>, place: &str) -> Result<()> {
    let flags = fstatvfs(mount).map_err(|errno| Error::call(format!("fstatvfs({place:?})"), errno))?.flags();
    match flags.contains(FsFlags::ST_RDONLY) {
        true => Ok(()),
        false => Err(Error::refused(format!("{place:?} was made read-only, and is writable"))
            .with_hint("this kernel, or a filter in front of it, does not do what it says")),
    }
}

impl AsFd for RootMount {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
