//! An OCI layout that images are added to.
//!
//! flock(2), renameat(2); image-layout.md. Book: "Images" (`images`).
//! Invariant: a blob has its name only when it is whole, and an index names only what is there; so who reads at the same
//! time, or comes after a kill, finds every image of the index.

use super::digest::{Algorithm, Digest, Sum};
use super::document::{LONGEST, media};
use super::stream::Watch;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

const REF: &str = "org.opencontainers.image.ref.name";

/// How often it is looked whether others are ready.
const PAUSE: Duration = Duration::from_millis(50);

/// The directory; it is ours alone while this is held.
#[derive(Debug)]
pub struct Layout {
    path: PathBuf,
    /// What was not there before, in the order of its making.
    made: RefCell<Vec<PathBuf>>,
    _lock: Flock<File>,
}

/// A blob that is being written.
#[derive(Debug)]
pub struct Blob {
    file: File,
    part: PathBuf,
    sum: Sum,
    size: u64,
    whole: bool,
}

impl Layout {
    /// Opens a layout, or makes one where there is nothing or an empty directory; `watch` ends the waiting for others.
    ///
    /// # Errors
    /// Something else is there; what the kernel refuses.
    pub fn open(path: &Path, watch: Watch<'_>) -> Result<Self> {
        let failed = |call: &str, error: &io::Error| Error::io(format!("{call}({path:?})"), error);
        let mark = path.join("oci-layout");
        let there = mark.is_file();
        if !there && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::refused(format!("{path:?} is a directory, and no OCI layout"))
                .with_hint("name a layout, or something that is not there yet"));
        }
        let (lock, made) = loop {
            let blobs = path.join("blobs/sha256");
            let missing = blobs.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists());
            let mut made: Vec<_> = missing.map(Path::to_owned).collect();
            made.reverse();
            fs::create_dir_all(&blobs).map_err(|error| failed("mkdir", &error))?;
            let directory = File::open(path).map_err(|error| failed("open", &error))?;
            let lock = locked(directory, path, watch)?;
            let own = lock.metadata().map_err(|error| failed("fstat", &error))?;
            // Somebody whose work came to nothing may have taken it away while we waited.
            if fs::metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (own.dev(), own.ino())) {
                break (lock, made);
            }
        };
        let layout = Layout { path: path.to_owned(), made: RefCell::new(made), _lock: lock };
        // Somebody else may have made it while we waited.
        if !there && !mark.exists() {
            layout.made.borrow_mut().extend(["index.json", "oci-layout"].map(|name| path.join(name)));
            layout.replace("index.json", &json!({ "schemaVersion": 2, "manifests": [] }))?;
            layout.replace("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }))?;
        }
        Ok(layout)
    }

    /// The directory.
    #[cfg(feature = "registry")]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what is there since it was opened, and the layout where it was made for that; what was there before
    /// stays, and of the index all.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn undo(self) -> Result<()> {
        let others = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty)
        };
        for path in self.made.borrow().iter().rev() {
            let removed = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
            // What somebody else has put something into stays.
            if let Some(error) = removed.err().filter(|error| !others(error)) {
                return Err(Error::io(format!("unlink({path:?})"), &error));
            }
        }
        Ok(())
    }

    /// A blob to be written.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn blob(&self, algorithm: Algorithm) -> Result<Blob> {
        // Nobody else is here: what a killed predecessor left may be written over.
        let part = self.path.join("blobs/sha256/.part");
        let file = File::create(&part)
            .map_err(|error| Error::io(format!("open({part:?}, O_CREAT|O_TRUNC)"), &error))?;
        Ok(Blob { file, part, sum: Sum::new(algorithm), size: 0, whole: false })
    }

    /// All of a stream.
    ///
    /// # Errors
    /// Those of the stream; what the kernel refuses.
    pub fn copy(&self, mut stream: impl Read) -> Result<(Digest, u64)> {
        let mut blob = self.blob(Algorithm::Sha256)?;
        io::copy(&mut stream, &mut blob).map_err(super::tape::failed)?;
        self.keep(blob)
    }

    /// A document, and its descriptor.
    ///
    /// # Errors
    /// It is longer than a registry would take; what the kernel refuses.
    pub fn document(&self, media_type: &str, value: &Value) -> Result<Value> {
        let text = value.to_string();
        if text.len() as u64 > LONGEST {
            return Err(Error::refused(format!("the document is longer than {} MiB", LONGEST >> 20)));
        }
        let (digest, size) = self.copy(text.as_bytes())?;
        Ok(json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size }))
    }

    /// Gives a blob its name.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn keep(&self, mut blob: Blob) -> Result<(Digest, u64)> {
        let digest = blob.sum.digest();
        let path = self.path.join(digest.path());
        if let Some(above) = path.parent().filter(|above| !above.exists()) {
            self.made.borrow_mut().push(above.to_owned());
            fs::create_dir(above).map_err(|error| Error::io(format!("mkdir({above:?})"), &error))?;
        }
        if !path.exists() {
            self.made.borrow_mut().push(path.clone());
        }
        fs::rename(&blob.part, &path).map_err(|error| Error::io(format!("rename({path:?})"), &error))?;
        blob.whole = true;
        Ok((digest, blob.size))
    }

    /// Names an image; another of this name loses it.
    ///
    /// # Errors
    /// An index that cannot be read; what the kernel refuses.
    pub fn name(&self, name: &str, mut manifest: Value) -> Result<()> {
        let path = self.path.join("index.json");
        let text = fs::read(&path).map_err(|error| Error::io(format!("read({path:?})"), &error))?;
        let mut index: Value = super::document::read("index.json", &text)?;
        manifest["annotations"] = json!({ REF: name });
        let manifests =
            index["manifests"].as_array_mut().ok_or_else(|| Error::refused("index.json has no manifests"))?;
        manifests.retain(|one| one["annotations"][REF] != name);
        manifests.push(manifest);
        index["mediaType"] = json!(media::INDEXES[0]);
        self.replace("index.json", &index)
    }

    fn replace(&self, name: &str, value: &Value) -> Result<()> {
        let (part, path) = (self.path.join(format!(".{name}.part")), self.path.join(name));
        let written = fs::write(&part, value.to_string())
            .map_err(|error| Error::io(format!("write({part:?})"), &error))
            .and_then(|()| {
                fs::rename(&part, &path).map_err(|error| Error::io(format!("rename({path:?})"), &error))
            });
        written.inspect_err(|_| drop(fs::remove_file(&part)))
    }
}

/// Whoever fetches an image may hold it for long.
fn locked(mut directory: File, path: &Path, watch: Watch<'_>) -> Result<Flock<File>> {
    loop {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Err((again, Errno::EAGAIN)) => directory = again,
            lock => return lock.map_err(|(_, errno)| Error::call(format!("flock({path:?})"), errno)),
        }
        watch(0)?;
        thread::sleep(PAUSE);
    }
}

impl Write for Blob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if !self.whole {
            fs::remove_file(&self.part).ok();
        }
    }
}
