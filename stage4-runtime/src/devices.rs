//! Device files and links in the container's /dev.
//!
//! mknodat(2), symlinkat(2), move_mount(2); config-linux.md, "Devices". Book: "Devices" (`container-devices`).
//! Invariant: /dev is opened beneath the root and is no link (CVE-2026-41579: a link there had the host's directory
//! filled); what is there already is left alone, and is an error where it is another device.

use crate::beneath::{self, ExactModes, Node as Kind};
use crate::mounts::sources::device;
use crate::mounts::{Sources, Tree};
use crate::plan::devices::{Devices, LINKS, Node};
use crate::root::RootMount;
use crate::sys::mount::Reach;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mknodat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, symlinkat, unlinkat};
use stage2_namespaces::mount::{PrivateMounts, move_mount};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Makes all of `plan`. Call it in init, after the mounts and before the root is entered: then the host's nodes can
/// still be reached, should mknod(2) be refused.
///
/// # Errors
/// A /dev that is no directory; another file in the place of a device; what the kernel refuses.
pub fn make(_proof: &PrivateMounts, root: &RootMount, plan: &Devices, sources: &mut Sources) -> Result<()> {
    if plan.nodes.is_empty() && !plan.links {
        return Ok(());
    }
    let _exact = ExactModes::begin();
    let dev = open_dev(root)?;
    for (place, node) in plan.nodes.iter().enumerate() {
        let tree = sources.take_device(place);
        let Some((parent, name)) = node.path.parent().zip(node.path.file_name()) else { continue };
        if parent == Path::new("dev") {
            one(dev.as_fd(), name, node, tree)?;
        } else {
            let directory = beneath::make(root.as_fd(), parent, Kind::Directory)?;
            one(directory.fd.as_fd(), name, node, tree)?;
        }
    }
    if plan.links { links(dev.as_fd()) } else { Ok(()) }
}

fn open_dev(root: &RootMount) -> Result<OwnedFd> {
    let path = Path::new("dev");
    let open = || beneath::straight(root.as_fd(), path, OFlag::O_PATH | OFlag::O_DIRECTORY);
    let opened = match open() {
        Err(Errno::ENOENT) => {
            beneath::make(root.as_fd(), path, Kind::Directory)?;
            open()
        }
        opened => opened,
    };
    opened.map_err(|errno| {
        let error = Error::call("openat2([root], \"dev\", RESOLVE_NO_SYMLINKS)", errno);
        match errno {
            Errno::ELOOP => error.with_hint("/dev of the image is a symbolic link; it has to be a directory"),
            _ => error,
        }
    })
}

fn one(directory: BorrowedFd<'_>, name: &OsStr, node: &Node, tree: Option<Tree>) -> Result<()> {
    if let Some(tree) = tree {
        return bind(directory, name, node, tree);
    }
    let mode = Mode::from_bits_truncate(node.mode);
    match mknodat(directory, name, node.kind, mode, node.device) {
        Ok(()) => own(directory, name, node),
        Err(Errno::EEXIST) => same(directory, name, node),
        // In a user namespace, or where the device controller says no: then the host's, if it has one.
        Err(Errno::EPERM) => bind(directory, name, node, device(&Path::new("/").join(&node.path), node)?),
        Err(errno) => Err(failed("mknodat", node, errno)),
    }
}

fn own(directory: BorrowedFd<'_>, name: &OsStr, node: &Node) -> Result<()> {
    if (node.uid, node.gid) == (0, 0) {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
    fchownat(directory, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
        .map_err(|errno| failed("fchownat", node, errno))
}

/// "If a file already exists at path that does not match the requested device, the runtime MUST generate an error."
fn same(directory: BorrowedFd<'_>, name: &OsStr, node: &Node) -> Result<()> {
    let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .map_err(|errno| failed("fstatat", node, errno))?;
    match is(&stat, node) {
        true => Ok(()),
        false => Err(differs(node)),
    }
}

fn is(stat: &FileStat, node: &Node) -> bool {
    let device = if node.kind == SFlag::S_IFIFO { node.device } else { stat.st_rdev };
    kind(stat) == node.kind && device == node.device
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

/// The host's node, on an empty file; one that an earlier container of this root has left will do.
fn bind(directory: BorrowedFd<'_>, name: &OsStr, node: &Node, tree: Tree) -> Result<()> {
    let target = match beneath::new_file(directory, Path::new(name)) {
        Ok(target) => target,
        Err(Errno::EEXIST) => {
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let found = openat(directory, name, flags, Mode::empty())
                .map_err(|errno| failed("openat", node, errno))?;
            let stat = fstat(&found).map_err(|errno| failed("fstat", node, errno))?;
            match kind(&stat) {
                _ if is(&stat, node) => return Ok(()),
                SFlag::S_IFREG if stat.st_size == 0 => found,
                _ => return Err(differs(node)),
            }
        }
        Err(errno) => return Err(failed("openat", node, errno)),
    };
    let tree = tree.take(Reach::Top)?;
    move_mount(tree.as_fd(), target.as_fd()).map_err(|errno| failed("move_mount", node, errno))
}

fn links(dev: BorrowedFd<'_>) -> Result<()> {
    // Of an optional driver: the link is made where it leads to something.
    let core = Path::new("/proc/kcore").exists().then_some(("core", "/proc/kcore"));
    for (name, target) in LINKS.into_iter().chain(core) {
        match symlinkat(target, dev, name) {
            // An image that brings its own /dev has its own.
            Ok(()) | Err(Errno::EEXIST) => (),
            Err(errno) => {
                return Err(Error::call(format!("symlinkat({target:?}, [root]/dev, {name:?})"), errno));
            }
        }
    }
    ptmx(dev)
}

/// The multiplexer of the container's own devpts: one that the image brings would be of the host's.
fn ptmx(dev: BorrowedFd<'_>) -> Result<()> {
    const TARGET: &str = "pts/ptmx";
    let call = |call: &str, errno| Error::call(format!("{call}([root]/dev, \"ptmx\")"), errno);
    match symlinkat(TARGET, dev, "ptmx") {
        Err(Errno::EEXIST) if readlinkat(dev, "ptmx").is_ok_and(|target| target == TARGET) => Ok(()),
        Err(Errno::EEXIST) => {
            unlinkat(dev, "ptmx", UnlinkatFlags::NoRemoveDir).map_err(|errno| call("unlinkat", errno))?;
            symlinkat(TARGET, dev, "ptmx").map_err(|errno| call("symlinkat", errno))
        }
        answer => answer.map_err(|errno| call("symlinkat", errno)),
    }
}

fn differs(node: &Node) -> Error {
    Error::refused(format!("/{} exists, and is not {}", node.path.display(), node.name()))
        .with_hint("remove it from the image, or mount a tmpfs on /dev")
}

fn failed(call: &str, node: &Node, errno: Errno) -> Error {
    let error = Error::call(format!("{call}([root]/{}, {})", node.path.display(), node.name()), errno);
    match errno {
        Errno::EROFS => error.with_hint("the directory is read-only: mount a tmpfs on /dev"),
        Errno::EINVAL => error.with_hint("its owner has no id in the container's user namespace"),
        _ => error,
    }
}
