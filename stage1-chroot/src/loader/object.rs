//! One ELF file on the host: where it is, which file it is, what it says.
//!
//! open(2), fstat(2), pread of headers only; 1995. Book: `build`.
//! Invariant: only the headers and the dynamic section are read, however large the file; no pipe is waited for.

use crate::elf::{Elf, MAGIC, Target};
use crate::{Error, Result};
use object::read::ReadCache;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An ELF file as the loader sees it.
#[derive(Debug, Clone)]
pub struct Object {
    /// The path under which it was opened; links in it are not resolved.
    pub path: PathBuf,
    /// What it says about itself.
    pub elf: Elf,
    /// Device and inode: the loader maps a file once, under however many names.
    pub identity: (u64, u64),
}

impl Object {
    /// Reads the ELF file at `path`.
    pub fn open(path: &Path) -> Result<Object> {
        Self::read(path, open(path)?)
    }

    /// Reads `path` if it is a library for `target`. As in ld.so, one that is absent, unreadable or built for
    /// another machine is passed over, and one that is no ELF file at all is an error.
    pub fn fitting(path: &Path, target: Target) -> Result<Option<Object>> {
        let Ok(file) = open(path) else { return Ok(None) };
        let object = Self::read(path, file)?;
        Ok((object.elf.target == target).then_some(object))
    }

    fn read(path: &Path, file: File) -> Result<Object> {
        let malformed = |error| Error::refused(format!("{}: not a usable ELF file: {error}", path.display()));
        let meta = file.metadata().map_err(|error| Error::io(format!("fstat({path:?})"), &error))?;
        let elf = Elf::parse(&ReadCache::new(file)).map_err(malformed)?;
        Ok(Object { path: path.to_owned(), elf, identity: (meta.dev(), meta.ino()) })
    }

    /// The directory that `$ORIGIN` stands for in it.
    pub fn origin(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

/// The first bytes of a file: what the kernel looks at to tell a program from a script (`BINPRM_BUF_SIZE`).
pub fn head(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(256).read_to_end(&mut bytes);
    read.map_err(|error| Error::io(format!("read({path:?})"), &error))?;
    Ok(bytes)
}

/// All bytes of a file that has at most `limit`: its name comes out of another file, which may lie.
pub fn whole(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(limit + 1).read_to_end(&mut bytes);
    let length = read.map_err(|error| Error::io(format!("read({path:?})"), &error))?;
    if length as u64 > limit {
        return Err(Error::refused(format!("{}: larger than {} MiB", path.display(), limit >> 20)));
    }
    Ok(bytes)
}

/// Whether `head` begins an ELF file.
pub fn is_elf(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

fn open(path: &Path) -> Result<File> {
    // O_NONBLOCK: to open a pipe without it waits for a writer.
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| Error::io(format!("open({path:?}, O_RDONLY)"), &error))?;
    let meta = file.metadata().map_err(|error| Error::io(format!("fstat({path:?})"), &error))?;
    if meta.is_file() {
        Ok(file)
    } else {
        Err(Error::refused(format!("{}: not a regular file", path.display())))
    }
}
