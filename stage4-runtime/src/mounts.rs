//! Mounts of the container, in the order of its configuration.
//!
//! openat2(2), fsopen(2), move_mount(2), mount_setattr(2). Book: "Mounts" (`mounts`).
//! Invariant: a target is a descriptor found beneath the root before anything is attached to it, and a mount is what
//! it was asked to be before it is attached; no path of the container reaches mount(2).
//!
//! A target without links costs one openat2(2), and is where its name says. Only a target behind links is looked at
//! more closely: it may neither be the root or `/proc` in disguise, nor lie on a proc file system.

mod cgroup;
mod copy_up;
mod filesystem;
mod owners;
pub mod sources;
mod tree;

pub(crate) use filesystem::empty_directory;
pub use sources::Sources;
pub(crate) use tree::{Tree, copy_of};

use crate::beneath::{self, ExactModes, Found, Node};
use crate::plan::mounts::{Bind, FileSystem, Mount, What};
use crate::procfs::is_procfs;
use crate::root::{RootMount, require_readonly};
use crate::sys::mount::{Change, Reach, mount_setattr};
use crate::{Error, Result};
use filesystem::{attributes, create, mount_on, reconfigure};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, SFlag, fstat};
use sources::in_mount;
use stage2_namespaces::mount::PrivateMounts;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use tree::{attach, reach};

/// Mounts that will be read-only once there is everything in them: mount points, devices, the console.
#[derive(Debug, Default)]
#[must_use = "what was asked to be read-only is writable until it is sealed"]
pub struct Unsealed(Vec<(OwnedFd, String)>);

impl Unsealed {
    /// Makes them read-only, each by one call, and looks whether they are.
    ///
    /// # Errors
    /// What the kernel refuses; a mount that is writable all the same.
    pub fn seal(self) -> Result<()> {
        self.0.iter().try_for_each(|(mount, place)| {
            let change = Change { set: libc::MOUNT_ATTR_RDONLY, ..Change::default() };
            mount_setattr(mount.as_fd(), Reach::Top, change).map_err(|errno| {
                Error::call(format!("mount_setattr([root]/{place}, MOUNT_ATTR_RDONLY)"), errno)
            })?;
            require_readonly(mount.as_fd(), place)
        })
    }
}

/// Mounts all of `plan`. Call it in init, before the root is entered.
///
/// # Errors
/// The first mount that cannot be made as it was asked for, with its place in the configuration.
pub fn mount_all(
    _proof: &PrivateMounts,
    root: &RootMount,
    plan: &[Mount],
    sources: &mut Sources,
) -> Result<Unsealed> {
    let _exact = ExactModes::begin();
    let mut unsealed = Unsealed::default();
    for mount in plan {
        let writable = one(root, mount, sources).map_err(|error| in_mount(error, mount))?;
        unsealed.0.extend(writable.map(|fd| (fd, mount.target.display().to_string())));
    }
    sources.before_leaving()?;
    Ok(unsealed)
}

/// The mount, where it still has to be made read-only.
fn one(root: &RootMount, mount: &Mount, sources: &mut Sources) -> Result<Option<OwnedFd>> {
    match &mount.what {
        What::Bind(bind) => bound(root, mount, bind, sources),
        What::New(system) if system.needs_mount() => by_mount(root, mount, system).map(|()| None),
        What::New(system) => new(root, mount, system),
        What::Again(system) => again(root, mount, system).map(|()| None),
        What::Cgroup { .. } => {
            let target = target(root, mount, || Ok(Node::Directory))?;
            let directory = cgroup::mount(target.fd.as_fd(), mount, &mut sources.hierarchies)?;
            Ok(directory.filter(|_| is_readonly(mount)))
        }
    }
}

fn is_readonly(mount: &Mount) -> bool {
    attributes(mount.top, mount.all) & libc::MOUNT_ATTR_RDONLY != 0
}

fn bound(root: &RootMount, mount: &Mount, bind: &Bind, sources: &mut Sources) -> Result<Option<OwnedFd>> {
    let tree = sources.take(mount, bind)?;
    let target = target(root, mount, || kind_of(tree.as_fd()))?;
    attach(tree.as_fd(), target.fd.as_fd(), &bind.source.to_string_lossy(), &mount.target)?;
    Ok(None)
}

/// What a missing target has to be.
fn kind_of(tree: BorrowedFd<'_>) -> Result<Node> {
    let stat = fstat(tree).map_err(|errno| Error::call("fstat(source)", errno))?;
    Ok(if is_directory(&stat) { Node::Directory } else { Node::File })
}

fn is_directory(stat: &FileStat) -> bool {
    stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits()
}

fn new(root: &RootMount, mount: &Mount, system: &FileSystem) -> Result<Option<OwnedFd>> {
    let target = target(root, mount, || Ok(Node::Directory))?;
    // A tmpfs is filled first. Anything below /dev or another tmpfs may still be mounted in it.
    let late = is_readonly(mount) && system.kind == "tmpfs";
    let asked = attributes(mount.top, mount.all);
    let now = if late { asked & !libc::MOUNT_ATTR_RDONLY } else { asked };
    let mode = mode_of(&target, system)?;
    let tree = create(system, mode.as_deref().map(|mode| ("mode", mode)), now)?;
    if system.copy_up && !target.made {
        copy_up::copy_up(target.fd.as_fd(), tree.as_fd())?;
    }
    spread(tree.as_fd(), mount)?;
    attach(tree.as_fd(), target.fd.as_fd(), &system.kind, &mount.target)?;
    Ok(late.then_some(tree))
}

/// A tmpfs on a directory of the image has that directory's mode, where none is given.
fn mode_of(target: &Found, system: &FileSystem) -> Result<Option<String>> {
    if system.kind != "tmpfs" || target.made || system.data.iter().any(|one| one.key == "mode") {
        return Ok(None);
    }
    let stat = fstat(&target.fd).map_err(|errno| Error::call("fstat(target)", errno))?;
    Ok(Some(format!("{:o}", stat.st_mode & 0o7777)))
}

fn spread(tree: BorrowedFd<'_>, mount: &Mount) -> Result<()> {
    mount.propagation.iter().try_for_each(|spread| {
        let change = Change { propagation: spread.flag(), ..Change::default() };
        mount_setattr(tree, reach(spread.recursive), change).map_err(|errno| {
            Error::call(format!("mount_setattr([root]/{}, {spread:?})", mount.target.display()), errno)
        })
    })
}

fn by_mount(root: &RootMount, mount: &Mount, system: &FileSystem) -> Result<()> {
    let point = target(root, mount, || Ok(Node::Directory))?;
    mount_on(system, point.fd.as_fd(), attributes(mount.top, mount.all))?;
    match mount.propagation.is_empty() {
        true => Ok(()),
        // The descriptor is of what has just been covered.
        false => spread(target(root, mount, || Ok(Node::Directory))?.fd.as_fd(), mount),
    }
}

/// `remount`: only what is asked about is changed.
fn again(root: &RootMount, mount: &Mount, system: &FileSystem) -> Result<()> {
    let target =
        target(root, mount, || Err(Error::refused("nothing is mounted there that could be remounted")))?;
    reconfigure(system, target.fd.as_fd())?;
    for (reach, asked) in [(Reach::All, mount.all), (Reach::Top, mount.top)] {
        if !asked.is_empty() {
            let change = Change { set: asked.set, clear: asked.clear, ..Change::default() };
            mount_setattr(target.fd.as_fd(), reach, change).map_err(|errno| {
                Error::call(
                    format!("mount_setattr([root]/{}, {:#x})", mount.target.display(), asked.set),
                    errno,
                )
                .with_hint("remount is for a mount point: EINVAL says that this is none")
            })?;
        }
    }
    spread(target.fd.as_fd(), mount)
}

/// The target, which is made where it is missing.
fn target(root: &RootMount, mount: &Mount, node: impl FnOnce() -> Result<Node>) -> Result<Found> {
    let path = mount.target.as_path();
    let missing = match beneath::straight(root.as_fd(), path, OFlag::O_PATH) {
        Ok(fd) => return Ok(Found { fd, made: false }),
        Err(errno @ (Errno::ENOENT | Errno::ELOOP)) => errno,
        Err(errno) => {
            return Err(Error::call(format!("openat2([root], {path:?}, RESOLVE_NO_SYMLINKS)"), errno));
        }
    };
    let plain = path == Path::new("proc") || path == Path::new("sys");
    if plain && missing == Errno::ELOOP {
        // CVE-2023-27561, CVE-2023-28642: a volume in the place of /proc hides the real one from who comes later.
        return Err(Error::refused(format!("/{} in the image is a symbolic link", path.display()))
            .with_hint("/proc and /sys have to be directories"));
    }
    let node = node()?;
    if missing == Errno::ENOENT
        && let Some(fd) = beneath::make_straight(root.as_fd(), path, node)?
    {
        return Ok(Found { fd, made: true });
    }
    let found = beneath::make(root.as_fd(), path, node)?;
    if plain {
        let fd = beneath::straight(root.as_fd(), path, OFlag::O_PATH)
            .map_err(|errno| Error::call(format!("openat2([root], {path:?}, RESOLVE_NO_SYMLINKS)"), errno))?;
        return Ok(Found { fd, made: found.made });
    }
    refuse_disguise(root, path, found.fd.as_fd())?;
    Ok(found)
}

/// Behind a link may be what no destination could name: the root, /proc, or a file of procfs (CVE-2019-16884).
fn refuse_disguise(root: &RootMount, path: &Path, target: BorrowedFd<'_>) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::refused(format!("/{} leads to {what} by a symbolic link of the image", path.display()))
            .with_hint("nothing is mounted there"))
    };
    // The destination was on the list of what may be replaced in /proc (`net/dev` is behind a link of the kernel's).
    if is_procfs(target)? && !path.starts_with("proc") {
        return refuse("a proc file system");
    }
    let identity = |fd| {
        fstat(fd).map(|stat| (stat.st_dev, stat.st_ino)).map_err(|errno| Error::call("fstat(target)", errno))
    };
    let found = identity(target)?;
    if found == identity(root.as_fd())? {
        return refuse("the root");
    }
    match beneath::open(root.as_fd(), Path::new("proc"), OFlag::O_PATH) {
        Ok(proc) if identity(proc.as_fd())? == found => refuse("/proc"),
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(Error::call("openat2([root], \"proc\")", errno)),
    }
}
