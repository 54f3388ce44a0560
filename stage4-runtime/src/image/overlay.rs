//! An image as an overlay: each layer is unpacked once, and all bundles share it; what a container writes is its own.
//!
//! mount(2) "overlay", Linux 3.18, 2014; in user namespaces 5.11, 2021. Book: "Images" (`image-mount`).
//! Invariant: a bundle is there when all of its layers were proven, or not at all; what steers an overlay comes from the
//! kernel alone: each layer is applied through an overlay of those below it, so that the kernel makes its whiteouts.

use super::apply::Layers;
use super::attributes::{Losses, time};
use super::digest::{Algorithm, Digest};
use super::flow::{Flow, flow};
use super::part::Part;
use super::removal;
use super::store::{Held, Store};
use super::stream::Watch;
use super::tape::Tape;
use super::unpack::{self, Order, Unpacked};
use super::{Image, Layer};
use crate::beneath::ExactModes;
use crate::bundle::ROOT;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, fchmod, fstat, futimens, mkdirat};
use nix::unistd::{Gid, Uid, fchdir, fchown, symlinkat};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Links to the layers, from the lowest: `0`, `1`, …
pub(super) const LAYERS: &str = "layers";
/// What the container wrote.
const UPPER: &str = "upper";
/// The kernel's own, on the same file system.
const WORK: &str = "work";
/// What a layer holds, in its directory.
pub(super) const FILES: &str = "files";
/// Where a layer is made.
const MERGED: &str = "merged";

/// What a bundle of this kind has beside config.json and its root.
pub(super) const OWN: [&str; 3] = [LAYERS, UPPER, WORK];

/// By which attributes the kernel marks what is gone: user namespaces may write only `user.` ones (Linux 5.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// `trusted.overlay.*`: root of the machine.
    Trusted,
    /// `user.overlay.*`.
    User,
}

/// The chain ids: what each layer is together with those below it (config.md, "Layer ChainID").
pub fn chain(layers: &[Layer]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(layers.len());
    for layer in layers {
        let next = match chain.last() {
            Some(below) => Digest::of(Algorithm::Sha256, format!("{below} {}", layer.diff_id).as_bytes()),
            None => layer.diff_id.clone(),
        };
        chain.push(next);
    }
    chain
}

// ANCHOR: image-mount
/// Makes a bundle whose root is to be an overlay. To be called in a mount namespace of one's own, for the layers are made
/// through mounts; [`attach`] mounts the root then, where it is wanted.
///
/// # Errors
/// A damaged or hostile image; what the kernel refuses; what `watch` says. Then there is no bundle.
pub fn prepare(order: &Order<'_>, store: &Path, marks: Marks, watch: Watch<'_>) -> Result<Unpacked> {
    let _modes = ExactModes::begin();
    let chain = chain(&order.image.layers);
    if chain.is_empty() {
        return Err(Error::refused("an image without layers has nothing to be mounted")
            .with_hint("`stage4-runtime image unpack` makes an empty root"));
    }
    let store = Store::open(store)?.hold()?;
    let part = Part::begin(order.bundle)?;
    let made = fill(&part, order, &store, &chain, marks, watch)
        .and_then(|made| store.register(order.bundle).map(|()| made));
    match made {
        Ok(made) => part.finish().map(|()| made),
        Err(error) => part.discard().and_then(|()| store.sweep()).and(Err(error)),
    }
}

/// Mounts the root of a bundle.
///
/// # Errors
/// It is mounted already; what the kernel refuses.
pub fn attach(bundle: &Path, marks: Marks) -> Result<()> {
    let directory = directory(bundle)?;
    if is_mounted(directory.as_fd())? {
        return Err(Error::refused(format!("{:?} is mounted already", bundle.join(ROOT))));
    }
    let layers = removal::names(entered(directory.as_fd(), LAYERS)?.as_fd())?.len();
    overlay(directory.as_fd(), layers, (UPPER, WORK), ROOT, marks)
}

fn overlay(
    bundle: BorrowedFd<'_>,
    layers: usize,
    (upper, work): (&str, &str),
    target: &str,
    marks: Marks,
) -> Result<()> {
    // mount(2) takes one page of options: names relative to the bundle are short enough for any image's layers.
    fchdir(bundle).map_err(|errno| Error::call("fchdir([bundle])", errno))?;
    let lower: Vec<_> = (0..layers).rev().map(|number| format!("{LAYERS}/{number}")).collect();
    let marks = match marks {
        Marks::Trusted => "redirect_dir=nofollow,metacopy=off",
        Marks::User => "userxattr",
    };
    let options = format!("lowerdir={},upperdir={upper},workdir={work},index=off,{marks}", lower.join(":"));
    // What set-id programs and devices there are in it, is the container's mounts' business: they are bound anew.
    let done = mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(options.as_str()));
    done.map_err(|errno| refused(&options, target, errno))
}
// ANCHOR_END: image-mount

fn refused(options: &str, target: &str, errno: Errno) -> Error {
    let error = Error::call(format!("mount(\"overlay\", {target:?}, {options:?})"), errno);
    match errno {
        Errno::EINVAL => error.with_hint(
            "overlayfs cannot write on an overlay or on a network's file system: another place for the bundle and for \
             --store; dmesg says more",
        ),
        Errno::EPERM => error.with_hint("in a user namespace since Linux 5.11; `image unpack` needs no mount"),
        Errno::ENODEV => error.with_hint("this kernel has no overlayfs: modprobe overlay"),
        _ => error,
    }
}

fn fill(
    part: &Part,
    order: &Order<'_>,
    store: &Held,
    chain: &[Digest],
    marks: Marks,
    watch: Watch<'_>,
) -> Result<Unpacked> {
    let bundle = part.directory();
    let links = made(bundle, LAYERS)?;
    for (number, id) in chain.iter().enumerate() {
        let path = store.layer(id).join(FILES);
        symlinkat(&path, &links, number.to_string().as_str())
            .map_err(|errno| Error::call(format!("symlinkat({path:?})"), errno))?;
    }
    let missing = chain.iter().position(|id| !store.layer(id).exists()).unwrap_or(chain.len());
    let (mut entries, mut losses) = (0, Losses::default());
    flow(order.image, &order.image.layers[missing..], order.limit, watch, |flow| {
        for (number, id) in chain.iter().enumerate().skip(missing) {
            let applied = layer(bundle, number, &store.layer(id), marks, flow)?;
            entries += applied.0;
            losses.add(applied.1);
        }
        Ok(())
    })?;
    let top = directory(&store.layer(&chain[chain.len() - 1]).join(FILES))?;
    as_below(made(bundle, UPPER)?.as_fd(), top.as_fd())?;
    made(bundle, WORK)?;
    made(bundle, ROOT)?;
    overlay(bundle, chain.len(), (UPPER, WORK), ROOT, marks)?;
    // The root by its name again: the descriptor from before leads to what is below the mount.
    let configured = entered(bundle, ROOT)
        .and_then(|root| {
            unpack::configure(bundle, root.as_fd(), &order.base, &order.image.parameters, &order.edits)
        })
        .map(|warnings| Unpacked { entries, losses, warnings });
    detach(bundle, ROOT).and(configured)
}

/// Unpacks one layer over those below it.
fn layer(
    bundle: BorrowedFd<'_>,
    number: usize,
    path: &Path,
    marks: Marks,
    flow: &mut Flow,
) -> Result<(u64, Losses)> {
    let part = Part::begin(path)?;
    let applied = over(&part, bundle, number, path, marks, flow);
    match applied {
        Ok(layers) => part.finish().map(|()| layers),
        Err(error) => part.discard().and(Err(error)),
    }
}

fn over(
    part: &Part,
    bundle: BorrowedFd<'_>,
    number: usize,
    path: &Path,
    marks: Marks,
    flow: &mut Flow,
) -> Result<(u64, Losses)> {
    let files = made(part.directory(), FILES)?;
    let Some(below) = number.checked_sub(1) else { return apply(files, flow) };
    let links = entered(bundle, LAYERS)?;
    let below = openat(&links, below.to_string().as_str(), DIRECTORY, Mode::empty())
        .map_err(|errno| Error::call(format!("openat(\"{LAYERS}/{below}\")"), errno))?;
    as_below(files.as_fd(), below.as_fd())?;
    made(part.directory(), WORK)?;
    made(part.directory(), MERGED)?;
    let hidden = part.path(path);
    let within = |name: &str| hidden.join(name).to_string_lossy().into_owned();
    overlay(bundle, number, (&within(FILES), &within(WORK)), &within(MERGED), marks)?;
    let applied = entered(part.directory(), MERGED).and_then(|root| apply(root, flow));
    detach(part.directory(), MERGED)?;
    removal::remove(part.directory(), WORK.as_ref(), removal::ALL)?;
    removal::remove(part.directory(), MERGED.as_ref(), removal::ALL)?;
    applied
}

fn apply(root: OwnedFd, flow: &mut Flow) -> Result<(u64, Losses)> {
    let mut layers = Layers::begin(root)?;
    layers.apply(&mut Tape::new(flow.layer()))?;
    Ok(layers.told())
}

/// The uppermost root is the one that is seen: it begins as the one below it.
fn as_below(upper: BorrowedFd<'_>, below: BorrowedFd<'_>) -> Result<()> {
    let status = fstat(below).map_err(|errno| Error::call("fstat()", errno))?;
    fchown(upper, Some(Uid::from_raw(status.st_uid)), Some(Gid::from_raw(status.st_gid)))
        .map_err(|errno| Error::call("fchown()", errno))?;
    fchmod(upper, Mode::from_bits_truncate(status.st_mode))
        .map_err(|errno| Error::call("fchmod()", errno))?;
    let time = time((status.st_mtime, u32::try_from(status.st_mtime_nsec).unwrap_or_default()));
    futimens(upper, &time, &time).map_err(|errno| Error::call("futimens()", errno))
}

/// Unmounts the root of a bundle, where it is mounted.
///
/// # Errors
/// Somebody uses it.
pub(super) fn detach_root(bundle: &Path) -> Result<()> {
    let directory = directory(bundle)?;
    if is_mounted(directory.as_fd())? { detach(directory.as_fd(), ROOT) } else { Ok(()) }
}

fn detach(directory: BorrowedFd<'_>, name: &str) -> Result<()> {
    fchdir(directory).map_err(|errno| Error::call("fchdir()", errno))?;
    umount2(name, MntFlags::UMOUNT_NOFOLLOW).map_err(|errno| {
        let error = Error::call(format!("umount2({name:?}, UMOUNT_NOFOLLOW)"), errno);
        match errno {
            Errno::EBUSY => error.with_hint("somebody works in it: fuser --mount, `stage4-runtime list`"),
            _ => error,
        }
    })
}

fn is_mounted(bundle: BorrowedFd<'_>) -> Result<bool> {
    let device = |fd: BorrowedFd<'_>| fstat(fd).map(|it| it.st_dev);
    let failed = |errno| Error::call("fstat()", errno);
    match openat(bundle, ROOT, DIRECTORY, Mode::empty()) {
        Ok(root) => Ok(device(root.as_fd()).map_err(failed)? != device(bundle).map_err(failed)?),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(Error::call(format!("openat({ROOT:?})"), errno)),
    }
}

/// Whether the bundle is there, and of these layers.
///
/// # Errors
/// It is there, and of others.
pub fn is_of(bundle: &Path, image: &Image) -> Result<bool> {
    if fs::symlink_metadata(bundle).is_err() {
        return Ok(false);
    }
    let mut wanted: Vec<_> = chain(&image.layers).iter().map(|id| id.hex().to_owned()).collect();
    let mut found: Vec<_> = layers_of(bundle)
        .iter()
        .filter_map(|path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned()))
        .collect();
    wanted.sort();
    found.sort();
    if wanted == found {
        return Ok(true);
    }
    Err(Error::refused(format!("{bundle:?} is there already, and not of this image's layers"))
        .with_hint("choose a new name, or remove it first: stage4-runtime image remove"))
}

/// Where the links of a bundle lead.
pub(super) fn layers_of(bundle: &Path) -> Vec<PathBuf> {
    let links = fs::read_dir(bundle.join(LAYERS)).into_iter().flatten().flatten();
    links.filter_map(|link| fs::read_link(link.path()).ok()).collect()
}

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

fn directory(path: &Path) -> Result<OwnedFd> {
    open(path, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())
        .map_err(|errno| Error::call(format!("open({path:?}, O_DIRECTORY|O_NOFOLLOW)"), errno))
}

fn entered(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    openat(parent, name, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())
        .map_err(|errno| Error::call(format!("openat({name:?}, O_DIRECTORY|O_NOFOLLOW)"), errno))
}

fn made(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    mkdirat(parent, name, Mode::from_bits_truncate(0o755))
        .map_err(|errno| Error::call(format!("mkdirat({name:?})"), errno))?;
    entered(parent, name)
}
