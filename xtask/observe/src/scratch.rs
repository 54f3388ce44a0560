//! A test's own directory.
//!
//! mkdtemp(3), flock(2). Book: "How to use this book".
//! Invariant: it goes with its owner, and is locked until then; `clean` finds that of a test that was killed.

use crate::{Error, Result};
use nix::unistd::mkdtemp;
use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// Where those are made that have to be in memory, besides `$TMPDIR`.
pub const MEMORY: &str = "/dev/shm";

/// What stands between the stage and the random letters.
pub(crate) const MARK: &str = "-test-";

/// A directory that only we may enter, below `$TMPDIR`; see the module.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// For a test of `stage`, as in `stage4`.
    ///
    /// # Errors
    /// No directory can be made there.
    pub fn new(stage: &str) -> Result<Scratch> {
        Scratch::within(&env::temp_dir(), stage)
    }

    /// The same in [`MEMORY`].
    ///
    /// # Errors
    /// No directory can be made there.
    pub fn in_memory(stage: &str) -> Result<Scratch> {
        Scratch::within(Path::new(MEMORY), stage)
    }

    fn within(parent: &Path, stage: &str) -> Result<Scratch> {
        // What is typed later is typed in other directories: a relative TMPDIR would lead elsewhere.
        let parent = parent.canonicalize().map_err(Error::path("realpath", parent))?;
        let template = parent.join(format!("{stage}{MARK}XXXXXX"));
        let path = mkdtemp(&template).map_err(|e| Error::path("mkdtemp", &template)(e.into()))?;
        let lock = File::open(&path).map_err(Error::path("open", &path))?;
        // Whoever looks whether it is held, holds it for a moment.
        lock.lock().map_err(Error::path("flock", &path))?;
        Ok(Scratch { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is found by `clean`, which says so.
        fs::remove_dir_all(&self.path).ok();
    }
}
