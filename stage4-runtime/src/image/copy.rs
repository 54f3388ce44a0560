//! Files of this machine, put into a root.
//!
//! pipe2(2), Linux 2.6.27, 2008. Book: "Images" (`image-build`).
//! Invariant: they go into the root as a layer does, through the same lines: links in it lead to places in it.

use super::apply::Layers;
use super::difference::Difference;
use super::pack::Pack;
use super::tape::Tape;
use super::users;
use crate::beneath::{self, ExactModes};
use crate::bundle::ROOT;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::pipe2;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{io, thread};

/// What is to be copied.
#[derive(Debug)]
pub struct Order<'a> {
    /// Files, and directories whose content is meant.
    pub sources: &'a [PathBuf],
    /// In the root.
    pub destination: &'a str,
    /// Whose it will be, by the root's own list of users.
    pub owner: &'a str,
}

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

// ANCHOR: image-build
/// Copies into the root of the open bundle; how many entries.
///
/// # Errors
/// A source that is not there; a destination outside of the root; what the kernel refuses.
pub fn copy(bundle: &File, order: &Order<'_>) -> Result<u64> {
    let _modes = ExactModes::begin();
    let root = openat(bundle, ROOT, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())
        .map_err(|errno| Error::call(format!("openat({ROOT:?})"), errno))?;
    let owner = users::user(root.as_fd(), order.owner)?;
    let targets = targets(root.as_fd(), order)?;
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| Error::call("pipe2(O_CLOEXEC)", errno))?;
    let (packed, applied) = thread::scope(|scope| {
        let packer = scope.spawn(|| pack(order.sources, &targets, (owner.uid, owner.gid), writer));
        let applied = apply(root, reader);
        (packer.join(), applied)
    });
    match (packed, applied) {
        // Who applies no more lets the other one write to nobody.
        (Ok(Err(error)), applied) if applied.is_ok() || error.errno() != Some(Errno::EPIPE) => Err(error),
        (_, applied) => applied,
    }
}
// ANCHOR_END: image-build

fn apply(root: OwnedFd, reader: OwnedFd) -> Result<u64> {
    let mut layers = Layers::begin(root)?;
    layers.apply(&mut Tape::new(File::from(reader)))?;
    Ok(layers.entries)
}

fn pack(sources: &[PathBuf], targets: &[Vec<u8>], owner: (u32, u32), writer: OwnedFd) -> Result<()> {
    let mut pack = Pack::new(io::BufWriter::with_capacity(64 << 10, File::from(writer)));
    let mut difference = Difference::new(&mut pack).owned_by(owner);
    for (source, target) in sources.iter().zip(targets) {
        let opened = |path: &Path| {
            open(path, DIRECTORY, Mode::empty())
                .map_err(|errno| Error::call(format!("open({path:?}, O_DIRECTORY)"), errno))
        };
        // A link that is named means what it leads to.
        let whole =
            source.canonicalize().map_err(|error| Error::io(format!("realpath({source:?})"), &error))?;
        match (whole.is_dir(), whole.parent(), whole.file_name()) {
            (false, Some(parent), Some(name)) => difference.named(opened(parent)?.as_fd(), name, target)?,
            _ => difference.walk(None, opened(&whole)?.as_fd(), target)?,
        }
    }
    let stream = pack.end()?;
    stream.into_inner().map(drop).map_err(|error| Error::io("write([pipe])", error.error()))
}

/// What each source is called in the root; a directory's ends with a slash.
fn targets(root: BorrowedFd<'_>, order: &Order<'_>) -> Result<Vec<Vec<u8>>> {
    let place = order.destination.trim_matches('/');
    let parts = || place.split('/').filter(|part| !part.is_empty() && *part != ".");
    if parts().any(|part| part == ".." || part.starts_with(".wh.")) {
        return Err(Error::refused(format!("{:?} is no place in an image", order.destination))
            .with_hint("a path without `..`, and no name that begins with `.wh.`, which removes"));
    }
    let place = parts().collect::<Vec<_>>().join("/");
    let is_there = place.is_empty()
        || beneath::open(root, Path::new(&place), OFlag::O_PATH | OFlag::O_DIRECTORY).is_ok();
    let into = is_there || order.destination.ends_with('/') || order.sources.len() > 1;
    let within = if place.is_empty() { Vec::new() } else { [place.as_bytes(), b"/"].concat() };
    let one = |source: &PathBuf| match source.is_dir() {
        true => within.clone(),
        false if into => [&within, source.file_name().unwrap_or_default().as_bytes()].concat(),
        false => place.clone().into_bytes(),
    };
    Ok(order.sources.iter().map(one).collect())
}
