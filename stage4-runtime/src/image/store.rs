//! Where layers lie that bundles share.
//!
//! flock(2). Book: "Images" (`image-mount`).
//! Invariant: a layer is there wholly or not at all, and as long as a bundle needs it; with the last bundle the store goes as
//! well. Whoever makes or removes something holds the lock. No other user may look into it.

use super::digest::{Algorithm, Digest};
use super::overlay::{FILES, layers_of};
use super::removal;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::{Mode, fstat, stat};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where a layer is `CHAIN/files`.
const LAYERS: &str = "layers";
/// Links to the bundles, each called by the digest of where it is.
const BUNDLES: &str = "bundles";

/// A directory.
#[derive(Debug)]
pub struct Store(PathBuf);

/// It, while nobody else changes it.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Store {
    /// Where it is when nobody says where: root's in /var/lib, an ordinary user's among his data (XDG Base Directory).
    ///
    /// # Errors
    /// A user without a home.
    pub fn usual(is_root: bool) -> Result<PathBuf> {
        const NAME: &str = "stage4-runtime";
        if is_root {
            return Ok(Path::new("/var/lib").join(NAME));
        }
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
        data.map(|data| data.join(NAME))
            .ok_or_else(|| Error::refused("neither XDG_DATA_HOME nor HOME is set").with_hint("--store DIR"))
    }

    /// At `path`, made where there is none.
    ///
    /// # Errors
    /// It is somebody else's; what the kernel refuses.
    pub fn open(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|error| Error::io("getcwd()", &error))?;
        let make = |path: &Path| {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|error| Error::io(format!("mkdir({path:?})"), &error))
        };
        make(&path)?;
        let status = fs::symlink_metadata(&path).map_err(|e| Error::io(format!("lstat({path:?})"), &e))?;
        let mine = status.uid() == nix::unistd::geteuid().as_raw();
        if !status.is_dir() || !mine || status.mode() & 0o022 != 0 {
            return Err(Error::refused(format!("{path:?} is no directory of yours that only you write to"))
                .with_hint("whoever can write to the layers can write to all containers: --store DIR"));
        }
        [LAYERS, BUNDLES].iter().try_for_each(|name| make(&path.join(name)))?;
        Ok(Store(path))
    }

    /// Waits until nobody else changes it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn hold(self) -> Result<Held> {
        loop {
            let path = &self.0;
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let directory = open(path, flags, Mode::empty())
                .map_err(|errno| Error::call(format!("open({path:?}, O_DIRECTORY)"), errno))?;
            let lock = Flock::lock(File::from(directory), FlockArg::LockExclusive)
                .map_err(|(_, errno)| Error::call(format!("flock({path:?}, LOCK_EX)"), errno))?;
            // Whoever held it before may have removed it with its last bundle.
            let held = fstat(&*lock).map_err(|errno| Error::call("fstat()", errno))?.st_ino;
            match stat(path) {
                Ok(there) if there.st_ino == held => {
                    Store::open(path)?;
                    return Ok(Held { path: self.0, _lock: lock });
                }
                Ok(_) | Err(Errno::ENOENT) => drop(Store::open(path)?),
                Err(errno) => return Err(Error::call(format!("stat({path:?})"), errno)),
            }
        }
    }
}

impl Held {
    /// Where a layer is, or would be.
    pub fn layer(&self, id: &Digest) -> PathBuf {
        self.path.join(LAYERS).join(id.hex())
    }

    /// Writes down that a bundle needs layers.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn register(&self, bundle: &Path) -> Result<()> {
        let bundle = std::path::absolute(bundle).map_err(|error| Error::io("getcwd()", &error))?;
        let link = link(&self.path, &bundle);
        match std::os::unix::fs::symlink(&bundle, &link) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()), // by a bundle that is gone
            done => done.map_err(|error| Error::io(format!("symlink({link:?})"), &error)),
        }
    }

    /// Removes the layers that no bundle needs, and, when there are no others, itself.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn sweep(&self) -> Result<()> {
        let failed = |call: &str, path: &Path, error| Error::io(format!("{call}({path:?})"), &error);
        let mut needed = HashSet::new();
        for link in entries(&self.path.join(BUNDLES))? {
            let bundle = fs::read_link(&link).map_err(|error| failed("readlink", &link, error))?;
            let layers = layers_of(&bundle);
            if layers.is_empty() {
                fs::remove_file(&link).map_err(|error| failed("unlink", &link, error))?;
            }
            needed.extend(layers);
        }
        let layers = self.path.join(LAYERS);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = open(&layers, flags, Mode::empty())
            .map_err(|errno| Error::call(format!("open({layers:?})"), errno))?;
        for layer in entries(&layers)?.into_iter().filter(|layer| !needed.contains(&layer.join(FILES))) {
            removal::remove(directory.as_fd(), layer.file_name().unwrap_or_default(), removal::ALL)?;
        }
        if needed.is_empty() {
            for path in [&layers, &self.path.join(BUNDLES), &self.path] {
                fs::remove_dir(path).map_err(|error| failed("rmdir", path, error))?;
            }
        }
        Ok(())
    }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io(format!("getdents64({directory:?})"), &error);
    let entries = fs::read_dir(directory).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

/// A bundle that had these layers is gone.
///
/// # Errors
/// What the kernel refuses.
pub(super) fn left(layers: &[PathBuf], bundle: &Path) -> Result<()> {
    let Some(store) = layers.first().and_then(|path| path.ancestors().nth(3)) else { return Ok(()) };
    let bundle = std::path::absolute(bundle).map_err(|error| Error::io("getcwd()", &error))?;
    // A directory is a store where it knows the bundle; the bundle could say anything.
    if fs::read_link(link(store, &bundle)).ok().as_deref() != Some(&bundle) {
        return Ok(());
    }
    Store::open(store)?.hold()?.sweep()
}

fn link(store: &Path, bundle: &Path) -> PathBuf {
    let name = Digest::of(Algorithm::Sha256, bundle.as_os_str().as_encoded_bytes());
    store.join(BUNDLES).join(name.hex())
}
