//! What comes from the host, opened before the container is born.
//!
//! open_tree(2), mount_setattr(2). Book: "Mounts" (`mounts`).
//! Invariant: opened and prepared by the runtime's own right, so that init needs no way to the paths; all of it is
//! descriptors that close on execve(2).
//!
//! ```text
//! parent                                     init
//!   open_tree(source)   a detached copy
//!   mount_setattr       ro, owners, peers
//!   ── birth ─────────────────────────────▶    (the descriptors are copied)
//!   close                                      move_mount(copy, target)
//! ```

use super::cgroup::{self, Hierarchy};
use super::owners::Owners;
use super::tree::{Tree, copy_of, prepare, reach};
use crate::plan::devices::{Devices, Node};
use crate::plan::masks::Masks;
use crate::plan::mounts::{Bind, Mount, What};
use crate::plan::root::{Root, Spread};
use crate::procfs::is_procfs;
use crate::sys::mount::{Change, Reach, mount_setattr};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, SFlag, fstat, makedev};
use stage2_namespaces::Rootfs;
use stage3_cgroups::{Group, Layout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Everything of the host that the container's mounts are made of.
#[derive(Debug)]
pub struct Sources {
    pub(super) root: Option<Tree>,
    pub(super) binds: Vec<Option<Tree>>,
    pub(super) hierarchies: Vec<Hierarchy>,
    pub(super) devices: Vec<Option<Tree>>,
    pub(super) null: Option<Tree>,
    owners: Owners,
    room: Room,
}

/// Descriptors that are left for everything else: pipes, namespaces, the state.
const SPARE: u64 = 64;

/// How many descriptors sources may take: each lasts from here to its place in the list.
#[derive(Debug)]
struct Room {
    limit: u64,
    full: bool,
}

impl Room {
    fn measure() -> Result<Self> {
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)
            .map_err(|errno| Error::call("getrlimit(RLIMIT_NOFILE)", errno))?;
        Ok(Room { limit: soft.saturating_sub(SPARE), full: false })
    }

    /// A descriptor is the lowest number that is free: so a high one says that there are few left.
    fn watch(&mut self, tree: &Tree) {
        if let Tree::Ready(fd) = tree {
            self.full |= fd.as_raw_fd() as u64 >= self.limit;
        }
    }
}

const NULL: &str = "/dev/null";

impl Sources {
    /// Opens what the plan asks for. `group` is the container's, if it has one; without, control groups are shown
    /// from where the runtime is in `layout`.
    ///
    /// # Errors
    /// A source that is not there or not what it should be; a map or an attribute that cannot be applied.
    pub fn open(
        root: &Root,
        mounts: &[Mount],
        devices: &Devices,
        masks: &Masks,
        cgroups: (&Layout, Option<&Group>),
    ) -> Result<Self> {
        let mut sources = Sources {
            root: Some(open_root(root)?),
            binds: Vec::with_capacity(mounts.len()),
            hierarchies: Vec::new(),
            devices: Vec::with_capacity(devices.nodes.len()),
            null: if masks.masked.is_empty() { None } else { Some(device(Path::new(NULL), &null())?) },
            owners: Owners::default(),
            room: Room::measure()?,
        };
        for mount in mounts {
            let tree = sources.bind(mount)?;
            sources.binds.push(tree);
        }
        if let Some(own) = mounts.iter().find_map(|mount| cgroup::is_own(&mount.what)) {
            sources.hierarchies = cgroup::open(cgroups.0, cgroups.1, own)?;
        }
        for node in &devices.nodes {
            let wanted = devices.bound && node.kind != SFlag::S_IFIFO;
            let tree = wanted.then(|| device(&Path::new("/").join(&node.path), node)).transpose()?;
            sources.devices.push(tree);
        }
        Ok(sources)
    }

    fn bind(&mut self, mount: &Mount) -> Result<Option<Tree>> {
        let What::Bind(bind) = &mount.what else { return Ok(None) };
        if self.room.full {
            // init opens the rest when it is their turn, and the ones before have been closed.
            return Ok(Some(Tree::Later(bind.source.clone())));
        }
        let tree = Tree::open(&bind.source, reach(bind.deep)).map_err(|error| in_mount(error, mount))?;
        self.room.watch(&tree);
        if let Tree::Ready(fd) = &tree {
            self.ready(fd.as_fd(), mount, bind)?;
        }
        Ok(Some(tree))
    }

    fn ready(&mut self, tree: BorrowedFd<'_>, mount: &Mount, bind: &Bind) -> Result<()> {
        if mount.target == Path::new("proc") && !is_procfs(tree)? {
            // CVE-2019-19921: a directory of the image in its place makes a fool of who writes labels there.
            return Err(Error::refused(format!(
                "mounts[{}]: {:?} is no proc file system",
                mount.index, bind.source
            ))
            .with_hint("only a proc file system is mounted on /proc"));
        }
        prepare(tree, mount, bind, &mut self.owners)
    }

    /// The tree of a bind mount, as it is to be attached.
    pub(super) fn take(&mut self, mount: &Mount, bind: &Bind) -> Result<OwnedFd> {
        match self.binds.get_mut(mount.index).and_then(Option::take) {
            Some(Tree::Ready(fd)) => Ok(fd),
            Some(later) => {
                let fd = later.take(reach(bind.deep))?;
                self.ready(fd.as_fd(), mount, bind)?;
                Ok(fd)
            }
            None => Err(Error::refused(format!("mounts[{}]: its source was not opened", mount.index))),
        }
    }

    /// Copies what only the host's root leads to: afterwards it can be left.
    pub(super) fn before_leaving(&mut self) -> Result<()> {
        if let Some(Tree::Later(_)) = self.null {
            self.null = Some(device(Path::new(NULL), &null())?);
        }
        Ok(())
    }
}

/// The root is copied with its submounts, and receives or does not receive what the host mounts there later; never
/// the other way round.
fn open_root(root: &Root) -> Result<Tree> {
    // Refuses the host's own root under whatever name, and what is no directory.
    let directory = Rootfs::open(&root.path)?;
    match copy_of(directory.as_fd(), Reach::All) {
        Ok(fd) => {
            cut_off(fd.as_fd(), root)?;
            Ok(Tree::Ready(fd))
        }
        Err(Errno::EPERM) => Ok(Tree::Later(root.path.clone())),
        Err(errno) => {
            Err(Error::call(format!("open_tree({:?}, OPEN_TREE_CLONE|AT_RECURSIVE)", root.path), errno))
        }
    }
}

/// Takes the copy of the root out of the peer groups of its original.
pub(crate) fn cut_off(tree: BorrowedFd<'_>, root: &Root) -> Result<()> {
    let propagation = root.base().unwrap_or(Spread::DEFAULT).flag();
    mount_setattr(tree, Reach::All, Change { propagation, ..Change::default() }).map_err(|errno| {
        Error::call(format!("mount_setattr(<{}>, MS_SLAVE or MS_PRIVATE)", root.path.display()), errno)
    })
}

/// `mem` 1:3
fn null() -> Node {
    let path = PathBuf::from("dev/null");
    Node { path, kind: SFlag::S_IFCHR, device: makedev(1, 3), mode: 0o666, uid: 0, gid: 0 }
}

/// The host's node for `node`; an image has no say in it (CVE-2025-31133). Opened once: what is looked at is what is
/// copied.
pub(crate) fn device(path: &Path, node: &Node) -> Result<Tree> {
    let file =
        open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()).map_err(|errno| {
            Error::call(format!("open({path:?}, O_PATH|O_NOFOLLOW)"), errno).with_hint(
                "in a user namespace a device is the host's, bound: it must be there under the same path",
            )
        })?;
    let stat = fstat(&file).map_err(|errno| Error::call(format!("fstat({path:?})"), errno))?;
    let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    if (kind, stat.st_rdev) != (node.kind, node.device) {
        return Err(Error::refused(format!("{path:?} on the host is not {}", node.name()))
            .with_hint("a device that is bound must be the one that is asked for"));
    }
    match copy_of(file.as_fd(), Reach::Top) {
        Ok(fd) => {
            // What is mounted on it inside must not appear on the host's.
            let private = Change { propagation: libc::MS_PRIVATE, ..Change::default() };
            mount_setattr(fd.as_fd(), Reach::Top, private).map_err(|errno| {
                Error::call(format!("mount_setattr(<{}>, MS_PRIVATE)", path.display()), errno)
            })?;
            Ok(Tree::Ready(fd))
        }
        Err(Errno::EPERM | Errno::EMFILE) => Ok(Tree::Later(path.to_owned())),
        Err(errno) => Err(Error::call(format!("open_tree({path:?}, OPEN_TREE_CLONE)"), errno)),
    }
}

/// Which entry of the configuration it was.
pub(super) fn in_mount(error: Error, mount: &Mount) -> Error {
    let place = format!("config.json: mounts[{}] on /{}", mount.index, mount.target.display());
    let hint = match error.hint() {
        Some(hint) => format!("{place}: {hint}"),
        None => place,
    };
    error.with_hint(hint)
}

impl Sources {
    /// The tree of the root, if the parent was allowed to copy it.
    pub(crate) fn take_root(&mut self) -> Option<OwnedFd> {
        match self.root.take() {
            Some(Tree::Ready(fd)) => Some(fd),
            _ => None,
        }
    }

    /// The host's node for the device at that place of the plan, where it is bound.
    pub(crate) fn take_device(&mut self, place: usize) -> Option<Tree> {
        self.devices.get_mut(place).and_then(Option::take)
    }

    /// What covers files.
    pub(crate) fn take_null(&mut self) -> Result<Option<OwnedFd>> {
        self.null.take().map(|tree| tree.take(Reach::Top)).transpose()
    }
}
