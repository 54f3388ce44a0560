//! A layer, applied to what the layers below it left.
//!
//! No kernel calls of its own; layer.md, "Applying Changesets". Book: "Images" (`images`).
//! Invariant: a whiteout removes what is of the layers below, never what its own layer brought, whichever comes first; a
//! directory's time is set when nothing more is put into it.

use super::attributes::{self, Losses};
use super::name::{self, Name, Place};
use super::tape::{self, Entry, Kind, Tape};
use super::tree::{Directory, Made, Tree};
use crate::{Error, Result};
use nix::sys::stat::{fstat, futimens};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// One after the other.
#[derive(Debug)]
pub struct Layers {
    tree: Tree,
    /// Names that this layer brought: of the directory's inode and the name, the sum. A set of the names themselves
    /// would be as large as the image wishes.
    brought: HashSet<u64>,
    hasher: RandomState,
    /// When directories were written: where they are, by inode.
    times: HashMap<u64, (PathBuf, (i64, u32))>,
    /// What this machine could not keep.
    pub losses: Losses,
    /// Entries applied.
    pub entries: u64,
}

impl Layers {
    /// To an empty root.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn begin(root: OwnedFd) -> Result<Self> {
        Ok(Layers {
            tree: Tree::new(root)?,
            brought: HashSet::new(),
            hasher: RandomState::new(),
            times: HashMap::new(),
            losses: Losses::default(),
            entries: 0,
        })
    }

    /// Lets go of the root, so that it can be unmounted.
    pub fn told(self) -> (u64, Losses) {
        (self.entries, self.losses)
    }

    // ANCHOR: image-layers
    /// Applies the next, wholly.
    ///
    /// # Errors
    /// A damaged or hostile archive; what the kernel refuses. Always with the entry's name.
    pub fn apply<R: Read>(&mut self, tape: &mut Tape<R>) -> Result<()> {
        while let Some(entry) = tape.entry()? {
            self.entry(&entry, tape).map_err(|error| of(&entry, &error))?;
            self.entries += 1;
        }
        self.brought.clear();
        self.settle()
    }

    fn entry<R: Read>(&mut self, entry: &Entry, content: &mut Tape<R>) -> Result<()> {
        match name::read(&entry.path)? {
            Name::Root => self.root(entry),
            Name::Put(place) => self.put(&place, entry, content),
            Name::Whiteout(place) => self.whiteout(&place),
            Name::Opaque(directory) => self.opaque(&directory),
            Name::Nothing => Ok(()),
        }
    }
    // ANCHOR_END: image-layers

    fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != Kind::Directory {
            return Err(Error::refused("the root is a directory"));
        }
        let root = self.tree.root();
        self.furnish(&root, Path::new(""), entry)
    }

    fn put<R: Read>(&mut self, place: &Place, entry: &Entry, content: &mut Tape<R>) -> Result<()> {
        let target = (entry.kind == Kind::HardLink).then(|| name::target(&entry.link)).transpose()?;
        let parent = self.tree.made_directory(&place.directory)?;
        self.remember(&parent, &place.directory)?;
        match self.tree.put(&parent, &place.name, entry, target.as_ref())? {
            Made::File(mut file) => {
                io::copy(content, &mut file).map_err(tape::failed)?;
                attributes::set_open(file.as_fd(), entry, &mut self.losses)?;
            }
            Made::Directory(directory) => {
                self.furnish(&directory, &place.directory.join(&place.name), entry)?;
            }
            Made::Name => {
                let is_link = entry.kind == Kind::Symlink;
                attributes::set_named(&parent, &place.name, is_link, entry, &mut self.losses)?;
            }
            Made::Link => (),
            Made::Nothing => {
                self.losses.devices.add(|| String::from_utf8_lossy(&entry.path).into_owned());
                return Ok(());
            }
        }
        let sum = self.sum(parent.inode, &place.name);
        self.brought.insert(sum);
        Ok(())
    }

    fn furnish(&mut self, directory: &Directory, path: &Path, entry: &Entry) -> Result<()> {
        self.times.insert(directory.inode, (path.to_owned(), entry.mtime));
        attributes::set_open(directory.fd.as_fd(), entry, &mut self.losses)
    }

    fn whiteout(&mut self, place: &Place) -> Result<()> {
        let Some(parent) = self.tree.directory(&place.directory)? else { return Ok(()) };
        self.remember(&parent, &place.directory)?;
        let (brought, hasher) = (&self.brought, &self.hasher);
        let keep = |inode: u64, name: &OsStr| brought.contains(&hasher.hash_one((inode, name)));
        self.tree.remove(&parent, &place.name, &keep)
    }

    fn opaque(&mut self, path: &Path) -> Result<()> {
        let Some(directory) = self.tree.directory(path)? else { return Ok(()) };
        self.remember(&directory, path)?;
        let (brought, hasher) = (&self.brought, &self.hasher);
        let keep = |inode: u64, name: &OsStr| brought.contains(&hasher.hash_one((inode, name)));
        self.tree.clear(&directory, &keep)
    }

    fn sum(&self, inode: u64, name: &OsStr) -> u64 {
        self.hasher.hash_one((inode, name))
    }

    /// What is put into a directory, or removed from it, changes its time; the image does not mean that.
    fn remember(&mut self, directory: &Directory, path: &Path) -> Result<()> {
        if self.times.contains_key(&directory.inode) {
            return Ok(());
        }
        let status = fstat(&directory.fd).map_err(|errno| Error::call("fstat()", errno))?;
        let time = (status.st_mtime, u32::try_from(status.st_mtime_nsec).unwrap_or_default());
        self.times.insert(directory.inode, (path.to_owned(), time));
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        for (inode, (path, time)) in std::mem::take(&mut self.times) {
            // It may have been removed again, and something else have its path.
            if let Ok(Some(directory)) = self.tree.directory(&path)
                && directory.inode == inode
            {
                let time = attributes::time(time);
                futimens(&directory.fd, &time, &time)
                    .map_err(|errno| Error::call(format!("futimens({path:?})"), errno))?;
            }
        }
        Ok(())
    }
}

/// The error, with the name of its entry before it.
fn of(entry: &Entry, error: &Error) -> Error {
    let told = Error::refused(format!("entry {:?}: {error}", String::from_utf8_lossy(&entry.path)));
    match error.hint() {
        Some(hint) => told.with_hint(hint),
        None => told,
    }
}
