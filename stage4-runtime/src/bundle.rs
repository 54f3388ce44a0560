//! A bundle: the directory that holds config.json and, as a rule, the root.
//!
//! open(2) O_PATH 2011; bundle.md. Book: "A bundle" (`bundle`).
//! Invariant: the directory is held by a descriptor, so that all that is read of it is of one and the same; what is
//! read is a regular file of a bounded length, and reading it waits for nobody.

use crate::config::check::{self, Verb};
use crate::config::{Config, Fault, parse};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What bundle.md calls the file.
pub const CONFIG: &str = "config.json";

/// What `spec` calls the root.
pub const ROOT: &str = "rootfs";

/// More than any config.json needs, and little enough to be read into memory.
pub const LONGEST: u64 = 32 << 20;

/// A directory; the path is only for telling.
#[derive(Debug)]
pub struct Bundle {
    directory: OwnedFd,
    path: PathBuf,
}

/// A config.json that obeys the rules, and what of it is ignored.
#[derive(Debug)]
pub struct Checked {
    /// What it says.
    pub config: Config,
    /// The file as it is.
    pub text: Vec<u8>,
    /// For the log.
    pub warnings: Vec<Fault>,
}

impl Bundle {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// No such directory.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |call: &str, error| Error::io(format!("{call}({path:?})"), &error);
        let whole = std::path::absolute(path).map_err(|error| failed("getcwd", error))?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(&whole, flags, Mode::empty()).map_err(|errno| {
            Error::call(format!("open({whole:?}, O_PATH|O_DIRECTORY)"), errno)
                .with_hint("a bundle is a directory that holds config.json")
        })?;
        Ok(Bundle { directory, path: whole })
    }

    /// Where it was, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    // ANCHOR: bundle
    /// Reads config.json and checks all of it.
    ///
    /// # Errors
    /// No config.json, one that cannot be read, and everything that is wrong with one that can.
    pub fn config(&self, verb: Verb) -> Result<Checked> {
        let text = self.read()?;
        let config: Config = parse(CONFIG, &text)?;
        let warnings = check::config(&config, verb).verdict(CONFIG)?;
        Ok(Checked { config, text, warnings })
    }
    // ANCHOR_END: bundle

    /// What is called `name` in it, if something is; `flags` say whether links are followed.
    ///
    /// # Errors
    /// What the kernel says, but that there is nothing.
    pub fn look(&self, name: &str, flags: AtFlags) -> Result<Option<FileStat>> {
        match fstatat(&self.directory, name, flags) {
            Ok(status) => Ok(Some(status)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(Error::call(format!("fstatat({:?})", self.path.join(name)), errno)),
        }
    }

    fn read(&self) -> Result<Vec<u8>> {
        let path = self.path.join(CONFIG);
        // A fifo would wait for a writer, a terminal would become ours.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = openat(&self.directory, CONFIG, flags, Mode::empty()).map_err(|errno| {
            let error = Error::call(format!("open({path:?}, O_RDONLY)"), errno);
            match errno {
                Errno::ENOENT => error.with_hint("`stage4-runtime spec` writes one"),
                _ => error,
            }
        })?;
        read_regular(file, &path)
    }
}

impl AsFd for Bundle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// Reads a regular file of at most [`LONGEST`] bytes.
///
/// # Errors
/// Another type of file, a longer one, or what the kernel says.
pub fn read_regular(file: OwnedFd, path: &Path) -> Result<Vec<u8>> {
    let status = fstat(&file).map_err(|errno| Error::call(format!("fstat({path:?})"), errno))?;
    if SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(Error::refused(format!("{path:?} is no regular file")));
    }
    read_bounded(File::from(file), path)
}

/// Reads what may come from a pipe, too: at most [`LONGEST`] bytes.
///
/// # Errors
/// More, or what the kernel says.
pub fn read_bounded(file: impl Read, path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    // One byte more than allowed tells a file that grows from one that just fits.
    let mut file = file.take(LONGEST + 1);
    file.read_to_end(&mut text).map_err(|error| Error::io(format!("read({path:?})"), &error))?;
    if text.len() as u64 > LONGEST {
        return Err(Error::refused(format!("{path:?} is longer than {} MiB", LONGEST >> 20))
            .with_hint("a container's configuration is a few KiB; this is something else"));
    }
    Ok(text)
}
