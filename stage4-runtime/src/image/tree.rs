//! The root that layers are applied to, and how something new gets its name there.
//!
//! openat2(2) RESOLVE_IN_ROOT, 2020; mkdirat(2), symlinkat(2), linkat(2), mknodat(2). Book: "Images" (`images`).
//! Invariant: everything is made by one name in a directory that is held open; links on the way to that directory lead to
//! places inside the root; what stood there before is removed, never written to.

use super::name::Place;
use super::removal;
use super::tape::{Entry, Kind};
use crate::beneath::{self, Node};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstatat, makedev, mkdirat, mknodat};
use nix::unistd::{linkat, symlinkat};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A directory that is held open.
#[derive(Debug)]
pub struct Directory {
    /// To read it.
    pub fd: OwnedFd,
    /// Its number; the root is one file system.
    pub inode: u64,
}

/// What was made.
#[derive(Debug)]
pub enum Made {
    /// To be filled.
    File(File),
    /// New, or there before.
    Directory(Directory),
    /// Known by its name only.
    Name,
    /// Another name of something that has all it needs.
    Link,
    /// Nothing: who is no root of the machine may not make devices.
    Nothing,
}

/// The root.
#[derive(Debug)]
pub struct Tree {
    root: Rc<Directory>,
    /// The last one, for most entries lie where the one before lay.
    last: Option<(PathBuf, Rc<Directory>)>,
}

impl Tree {
    /// An open directory.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(root: OwnedFd) -> Result<Self> {
        Ok(Tree { root: Rc::new(Directory::new(root)?), last: None })
    }

    /// The root itself.
    pub fn root(&self) -> Rc<Directory> {
        self.root.clone()
    }

    /// The directory at `path`, whatever links inside the root lead there. None: there is none.
    ///
    /// # Errors
    /// Links in a circle.
    pub fn directory(&mut self, path: &Path) -> Result<Option<Rc<Directory>>> {
        if path.as_os_str().is_empty() {
            return Ok(Some(self.root()));
        }
        if let Some((_, known)) = self.last.as_ref().filter(|(last, _)| last == path) {
            return Ok(Some(known.clone()));
        }
        match beneath::open(self.root.fd.as_fd(), path, OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Ok(fd) => {
                let found = Rc::new(Directory::new(fd)?);
                self.last = Some((path.to_owned(), found.clone()));
                Ok(Some(found))
            }
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(Error::call(format!("openat2([root], {path:?}, RESOLVE_IN_ROOT)"), errno)),
        }
    }

    /// The same, and what is missing of it is made: an archive need not name the directories of its files.
    ///
    /// # Errors
    /// As of [`Tree::directory`]; a file in the way.
    pub fn made_directory(&mut self, path: &Path) -> Result<Rc<Directory>> {
        if let Some(there) = self.directory(path)? {
            return Ok(there);
        }
        beneath::make(self.root.fd.as_fd(), path, Node::Directory)?;
        self.directory(path)?.ok_or_else(|| Error::refused(format!("directory {path:?} is gone")))
    }

    /// Removes a name; directories that were known may have gone with it.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn remove(&mut self, parent: &Directory, name: &OsStr, keep: removal::Keep<'_>) -> Result<()> {
        self.last = None;
        removal::remove(parent.fd.as_fd(), name, keep)
    }

    /// Removes what is in a directory.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn clear(&mut self, directory: &Directory, keep: removal::Keep<'_>) -> Result<()> {
        self.last = None;
        let again = open_directory(directory.fd.as_fd(), OsStr::new("."));
        let again = again.map_err(|errno| Error::call("openat(\".\")", errno))?;
        removal::clear(again, keep).map(drop)
    }

    // ANCHOR: put
    /// Gives what `entry` describes its name. Only a directory may have been there before, and remains.
    ///
    /// # Errors
    /// What the kernel refuses; a hard link to nothing.
    pub fn put(
        &mut self,
        parent: &Directory,
        name: &OsStr,
        entry: &Entry,
        target: Option<&Place>,
    ) -> Result<Made> {
        let linked = target.map(|place| self.linked(place, parent, name)).transpose()?;
        if let Some(None) = linked {
            return Ok(Made::Link); // to itself
        }
        let from = linked.flatten();
        loop {
            match make(parent.fd.as_fd(), name, entry, from.as_deref().zip(target)) {
                Err(Errno::EEXIST) if entry.kind == Kind::Directory => {
                    match open_directory(parent.fd.as_fd(), name) {
                        Ok(fd) => return Directory::new(fd).map(Made::Directory),
                        Err(Errno::ENOTDIR | Errno::ELOOP) => self.remove(parent, name, removal::ALL)?,
                        Err(errno) => return Err(Error::call(format!("openat({name:?})"), errno)),
                    }
                }
                Err(Errno::EEXIST) => self.remove(parent, name, removal::ALL)?,
                made => return made.map_err(|errno| refused(name, entry, errno)),
            }
        }
    }
    // ANCHOR_END: put

    /// The directory of a hard link's target. None: it is the very file that the link would become.
    fn linked(&mut self, target: &Place, parent: &Directory, name: &OsStr) -> Result<Option<Rc<Directory>>> {
        let nothing = || {
            Error::refused(format!(
                "a hard link to {:?}, which is not there",
                target.directory.join(&target.name)
            ))
            .with_hint("layer.md: the target is in the same layer or in one below it, and comes first")
        };
        let directory = self.directory(&target.directory)?.ok_or_else(nothing)?;
        let look = |directory: &Directory, name: &OsStr| {
            fstatat(&directory.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW).map(|status| status.st_ino)
        };
        let there = look(&directory, &target.name).map_err(|_| nothing())?;
        Ok((look(parent, name) != Ok(there)).then_some(directory))
    }
}

impl Directory {
    fn new(fd: OwnedFd) -> Result<Self> {
        Ok(Directory { inode: removal::inode(fd.as_fd())?, fd })
    }
}

fn open_directory(parent: BorrowedFd<'_>, name: &OsStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn make(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    entry: &Entry,
    linked: Option<(&Directory, &Place)>,
) -> nix::Result<Made> {
    // Nobody else may look into it before it has its owner.
    let private = Mode::S_IRUSR | Mode::S_IWUSR;
    match entry.kind {
        Kind::File => {
            let flags =
                OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(parent, name, flags, private).map(|fd| Made::File(fd.into()))
        }
        Kind::Directory => {
            mkdirat(parent, name, Mode::S_IRWXU)?;
            let fd = open_directory(parent, name)?;
            Directory::new(fd).map(Made::Directory).map_err(|error| error.errno().unwrap_or(Errno::EIO))
        }
        Kind::Symlink => symlinkat(OsStr::from_bytes(&entry.link), parent, name).map(|()| Made::Name),
        Kind::HardLink => {
            let (directory, place) = linked.ok_or(Errno::ENOENT)?;
            linkat(&directory.fd, place.name.as_os_str(), parent, name, AtFlags::empty()).map(|()| Made::Link)
        }
        Kind::Fifo => mknodat(parent, name, SFlag::S_IFIFO, private, 0).map(|()| Made::Name),
        Kind::Character | Kind::Block => {
            let kind = if entry.kind == Kind::Block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
            let (major, minor) = entry.device;
            match mknodat(parent, name, kind, private, makedev(major, minor)) {
                Err(Errno::EPERM) => Ok(Made::Nothing),
                made => made.map(|()| Made::Name),
            }
        }
    }
}

fn refused(name: &OsStr, entry: &Entry, errno: Errno) -> Error {
    let call = match entry.kind {
        Kind::File => format!("openat({name:?}, O_CREAT|O_EXCL)"),
        Kind::Directory => format!("mkdirat({name:?})"),
        Kind::Symlink => format!("symlinkat({:?}, {name:?})", String::from_utf8_lossy(&entry.link)),
        Kind::HardLink => format!("linkat({:?}, {name:?})", String::from_utf8_lossy(&entry.link)),
        Kind::Fifo | Kind::Character | Kind::Block => format!("mknodat({name:?})"),
    };
    let error = Error::call(call, errno);
    match errno {
        Errno::ENOSPC | Errno::EDQUOT => {
            error.with_hint("the file system of the bundle is full: df, df --inodes")
        }
        _ => error,
    }
}
