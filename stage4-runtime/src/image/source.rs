//! Where the contents of an image are: a directory, or a tar file.
//!
//! openat2(2) RESOLVE_IN_ROOT, 2020; image-layout.md. Book: "Images" (`images`).
//! Invariant: a content is a regular file inside the directory or a member of the file; no link leads out of either, and
//! nothing is opened that could wait or act on being opened.

use super::archive::{Archive, Window};
use super::digest::Digest;
use super::document::{Descriptor, LONGEST};
use crate::{Error, Result, beneath};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What there is under one name.
pub struct Content {
    /// All of it, and no more.
    pub reader: Window,
    /// In bytes.
    pub size: u64,
}

/// Names to contents.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Directory(OwnedFd),
    Archive(Archive),
}

impl Source {
    /// Opens a directory, or a tar file and finds its members.
    ///
    /// # Errors
    /// Neither of them, or one that cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let called = |flags: &str| format!("open({path:?}, {flags})");
        let fd = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| Error::call(called("O_PATH"), errno))?;
        let place = match kind(&status(fd.as_fd(), path)?) {
            SFlag::S_IFDIR => Place::Directory(fd),
            SFlag::S_IFREG => {
                let file = File::open(path).map_err(|error| Error::io(called("O_RDONLY"), &error))?;
                Place::Archive(Archive::read(file).map_err(|error| {
                    Error::refused(format!("{path:?}: {error}")).with_hint(
                        "an image is a directory or a tar file; what is compressed as a whole must be decompressed first (gunzip, unzstd)",
                    )
                })?)
            }
            _ => return Err(Error::refused(format!("{path:?} is neither a directory nor a regular file"))),
        };
        Ok(Source { path: path.to_owned(), place })
    }

    /// Is there something under this name?
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_ok_and(|found| found.is_some())
    }

    /// What is there under this name.
    ///
    /// # Errors
    /// Nothing, or what cannot be read.
    pub fn content(&self, name: &str) -> Result<Content> {
        self.find(name)?.ok_or_else(|| Error::refused(format!("{:?} has no {name:?}", self.path)))
    }

    /// The same of a document.
    ///
    /// # Errors
    /// As of [`Source::content`], and one that is too long.
    pub fn document(&self, name: &str) -> Result<Vec<u8>> {
        let content = self.content(name)?;
        if content.size > LONGEST {
            return Err(Error::refused(format!("{name:?} is longer than {} MiB", LONGEST >> 20))
                .with_hint("the documents of an image are a few KiB; this is something else"));
        }
        let mut text = Vec::new();
        let mut reader = content.reader;
        reader.read_to_end(&mut text).map_err(|error| Error::io(format!("read({name:?})"), &error))?;
        Ok(text)
    }

    /// What a descriptor points at; it has the size that it is said to have.
    ///
    /// # Errors
    /// As of [`Source::content`], and another size.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<Content> {
        let name = descriptor.digest.path();
        let found = self.find(&name)?.ok_or_else(|| {
            let missing = Error::refused(format!("{:?} has no blob {}", self.path, descriptor.digest));
            match descriptor.urls.first() {
                Some(url) => {
                    missing.with_hint(format!("it is not distributed with the image, but from {url}"))
                }
                None => missing,
            }
        })?;
        match found.size == descriptor.size {
            true => Ok(found),
            false => Err(Error::refused(format!(
                "blob {} has {} bytes, and is said to have {}",
                descriptor.digest, found.size, descriptor.size
            ))),
        }
    }

    /// A document that a descriptor points at, held against its digest.
    ///
    /// # Errors
    /// As of [`Source::blob`] and [`Source::document`], and another digest.
    pub fn verified(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.blob(descriptor)?;
        let text = self.document(&descriptor.digest.path())?;
        match Digest::of(descriptor.digest.algorithm(), &text) {
            digest if digest == descriptor.digest => Ok(text),
            digest => Err(differs(&descriptor.digest, &digest)),
        }
    }

    fn find(&self, name: &str) -> Result<Option<Content>> {
        match &self.place {
            Place::Archive(archive) => {
                Ok(archive.member(name)?.map(|reader| Content { size: reader.left(), reader }))
            }
            Place::Directory(directory) => self.file(directory.as_fd(), name),
        }
    }

    fn file(&self, directory: BorrowedFd<'_>, name: &str) -> Result<Option<Content>> {
        let path = self.path.join(name);
        let failed = |errno| Error::call(format!("openat2({path:?}, RESOLVE_IN_ROOT)"), errno);
        // Looked at before it is opened: to open a device is to do something with it.
        let found = match beneath::open(directory, Path::new(name), OFlag::O_PATH) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            found => found.map_err(failed)?,
        };
        if kind(&status(found.as_fd(), &path)?) != SFlag::S_IFREG {
            return Err(Error::refused(format!("{path:?} is no regular file")));
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = beneath::open(directory, Path::new(name), flags).map_err(failed)?;
        let status = status(file.as_fd(), &path)?;
        let size = u64::try_from(status.st_size).unwrap_or_default();
        Ok(Some(Content { reader: Window::new(Arc::new(File::from(file)), 0, size), size }))
    }
}

/// A content is not what it is called.
pub fn differs(wanted: &Digest, found: &Digest) -> Error {
    Error::refused(format!("blob {wanted} is not what it is called: its digest is {found}"))
        .with_hint("it was damaged or exchanged on its way: fetch the image again")
}

/// A stream of a content that ended early.
pub fn cut() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

fn status(fd: BorrowedFd<'_>, path: &Path) -> Result<FileStat> {
    fstat(fd).map_err(|errno| Error::call(format!("fstat({path:?})"), errno))
}

/// Of what type it is.
pub fn kind(status: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT
}
