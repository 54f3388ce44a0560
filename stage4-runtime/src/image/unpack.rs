//! An image becomes a bundle: its layers a root, its configuration config.json.
//!
//! mkdirat(2), openat(2), umask(2). Book: "Images" (`images`).
//! Invariant: the bundle is there when every byte of the image was proven, or not at all.

use super::apply::Layers;
use super::attributes::Losses;
use super::convert::Owned;
use super::document::ImageConfig;
use super::flow::flow;
use super::part::Part;
pub use super::part::remove;
use super::stream::Watch;
use super::tape::Tape;
use super::{Image, convert, users};
use crate::beneath::{self, ExactModes};
use crate::bundle::{CONFIG, ROOT};
use crate::config::edit::{self, Edits};
use crate::config::linux::IdMapping;
use crate::config::{Config, Fault, spec};
use crate::rootless::is_root_of_the_machine;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, getegid, geteuid, unlinkat};
use stage2_namespaces::idmap::IdMap;
use stage2_namespaces::subid::{Side, granted};
use stage2_namespaces::users::Users;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What is to be made.
#[derive(Debug)]
pub struct Order<'a> {
    /// From this.
    pub image: &'a Image,
    /// There.
    pub bundle: &'a Path,
    /// No more than so many bytes.
    pub limit: u64,
    /// Before the image's own words.
    pub base: Config,
    /// After them.
    pub edits: Edits<'a>,
}

/// What was made.
#[derive(Debug)]
pub struct Unpacked {
    /// Entries of all layers.
    pub entries: u64,
    /// What this machine could not keep.
    pub losses: Losses,
    /// What of config.json is ignored.
    pub warnings: Vec<Fault>,
}

/// Who is who, for somebody who is not root of the machine: his subordinate ids where he has some. None: root needs no
/// namespace to give files to everybody.
///
/// # Errors
/// /etc/subuid or /etc/subgid cannot be read.
pub fn users() -> Result<Option<Users>> {
    if is_root_of_the_machine() || geteuid().is_root() {
        return Ok(None);
    }
    let uid = geteuid().as_raw();
    let has = |side: Side| Ok::<_, Error>(!granted(side, uid)?.is_empty() && is_installed(side.helper()));
    match has(Side::Uid)? && has(Side::Gid)? {
        true => Users::with_subordinates().map(Some),
        false => Ok(Some(Users::root_is_me())),
    }
}

fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|at| at.join(program).exists()))
}

/// What `spec` writes for whoever has these users, but for the limits: what its programs need, an image does not tell.
///
/// # Errors
/// /proc cannot be read.
pub fn base(users: Option<&Users>) -> Result<Config> {
    let mut config = match users {
        None if is_root_of_the_machine() => spec::default(),
        _ => spec::rootless(geteuid().as_raw(), getegid().as_raw()),
    };
    if let Some(Users::Mapped { uids, gids }) = users {
        let mapping = |map: &IdMap| {
            let one = |it: &stage2_namespaces::idmap::Extent| IdMapping {
                container_id: it.inside,
                host_id: it.outside,
                size: it.count,
            };
            map.extents().iter().map(one).collect()
        };
        (config.linux.uid_mappings, config.linux.gid_mappings) = (mapping(uids), mapping(gids));
    }
    spec::closed(config)
}

// ANCHOR: image-unpack
/// Unpacks; to be called by root of the machine, or of a user namespace of [`users`].
///
/// # Errors
/// A damaged or hostile image; what the kernel refuses; what `watch` says. Then there is no bundle.
pub fn unpack(order: &Order<'_>, watch: Watch<'_>) -> Result<Unpacked> {
    let _modes = ExactModes::begin();
    let part = Part::begin(order.bundle)?;
    match fill(part.directory(), order, watch) {
        // The last moment at which it can be taken back.
        Ok(unpacked) => match watch(order.image.size()) {
            Ok(()) => part.finish().map(|()| unpacked),
            Err(error) => part.discard().and(Err(error)),
        },
        Err(error) => part.discard().and(Err(error)),
    }
}

fn fill(bundle: BorrowedFd<'_>, order: &Order<'_>, watch: Watch<'_>) -> Result<Unpacked> {
    let Order { image, limit, .. } = order;
    let root = new_root(bundle)?;
    let copy = root.try_clone().map_err(|error| Error::io("fcntl(F_DUPFD_CLOEXEC)", &error))?;
    let layers = flow(image, &image.layers, *limit, watch, |flow| {
        let mut layers = Layers::begin(copy)?;
        image.layers.iter().try_for_each(|_| layers.apply(&mut Tape::new(flow.layer())))?;
        Ok(layers)
    })?;
    let warnings = configure(bundle, root.as_fd(), &order.base, &image.parameters, &order.edits)?;
    Ok(Unpacked { entries: layers.entries, losses: layers.losses, warnings })
}
// ANCHOR_END: image-unpack

/// Writes config.json, for what the root has.
///
/// # Errors
/// A user or a directory that the root does not know; what the kernel refuses.
pub fn configure(
    bundle: BorrowedFd<'_>,
    root: BorrowedFd<'_>,
    base: &Config,
    parameters: &ImageConfig,
    edits: &Edits<'_>,
) -> Result<Vec<Fault>> {
    let user = users::user(root, &parameters.config.user)?;
    let config = convert::config(base.clone(), parameters, user, &|path| owned(root, path))?;
    let (config, warnings) = edit::apply(&config, edits)?;
    write(bundle, &config).map(|()| warnings)
}

/// The same, of a bundle that has one already.
///
/// # Errors
/// As of [`configure`].
pub fn configure_again(bundle: BorrowedFd<'_>, base: &Config, parameters: &ImageConfig) -> Result<()> {
    let root = openat(bundle, ROOT, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())
        .map_err(|errno| Error::call(format!("openat({ROOT:?})"), errno))?;
    match unlinkat(bundle, CONFIG, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => (),
        Err(errno) => return Err(Error::call(format!("unlinkat({CONFIG:?})"), errno)),
    }
    configure(bundle, root.as_fd(), base, parameters, &Edits::default()).map(drop)
}

/// A bundle with an empty root.
///
/// # Errors
/// As of [`unpack`].
pub fn empty(bundle: &Path, base: &Config, parameters: &ImageConfig) -> Result<()> {
    let _modes = ExactModes::begin();
    let part = Part::begin(bundle)?;
    let made = new_root(part.directory())
        .and_then(|root| configure(part.directory(), root.as_fd(), base, parameters, &Edits::default()));
    match made {
        Ok(_) => part.finish(),
        Err(error) => part.discard().and(Err(error)),
    }
}

fn owned(root: BorrowedFd<'_>, path: &str) -> Option<Owned> {
    let directory = beneath::open(root, Path::new(path), OFlag::O_PATH | OFlag::O_DIRECTORY).ok()?;
    let status = fstat(directory).ok()?;
    Some(Owned { uid: status.st_uid, gid: status.st_gid, mode: status.st_mode & 0o1777 })
}

pub(super) fn new_root(bundle: BorrowedFd<'_>) -> Result<OwnedFd> {
    mkdirat(bundle, ROOT, Mode::from_bits_truncate(0o755))
        .map_err(|errno| Error::call(format!("mkdirat({ROOT:?})"), errno))?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(bundle, ROOT, flags, Mode::empty())
        .map_err(|errno| Error::call(format!("openat({ROOT:?})"), errno))
}

fn write(bundle: BorrowedFd<'_>, config: &Config) -> Result<()> {
    let mut text =
        serde_json::to_vec_pretty(config).map_err(|error| Error::refused(format!("{CONFIG}: {error}")))?;
    text.push(b'\n');
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(bundle, CONFIG, flags, Mode::from_bits_truncate(0o644))
        .map_err(|errno| Error::call(format!("openat({CONFIG:?}, O_CREAT|O_EXCL)"), errno))?;
    File::from(file).write_all(&text).map_err(|error| Error::io(format!("write({CONFIG:?})"), &error))
}
