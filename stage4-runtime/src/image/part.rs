//! A bundle that is being made: beside its place, under a hidden name, until it is whole.
//!
//! renameat2(2) RENAME_NOREPLACE, Linux 3.15, 2014; flock(2). Book: "Images" (`images`).
//! Invariant: under the bundle's own name there is all of it or nothing. Nobody but its owner can look into it: an image
//! may hold set-id programs and devices, which are nothing for other users of the machine. What a killed predecessor
//! left is removed by the next who makes the same bundle, and by nobody while that one lives.

use super::{build, overlay, removal, store};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, RenameFlags, open, openat, renameat2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// How often others may be quicker.
const ATTEMPTS: usize = 10;

/// The directory, and where it will be.
#[derive(Debug)]
pub struct Part {
    parent: OwnedFd,
    name: OsString,
    hidden: OsString,
    directory: Flock<File>,
}

impl Part {
    /// Makes the hidden directory of a bundle that is not there yet.
    ///
    /// # Errors
    /// The bundle is there; somebody else makes it right now; what the kernel refuses.
    pub fn begin(bundle: &Path) -> Result<Self> {
        let whole = std::path::absolute(bundle).map_err(|error| Error::io("getcwd()", &error))?;
        let (Some(above), Some(name)) = (whole.parent(), whole.file_name()) else {
            return Err(Error::refused(format!("{bundle:?} is no name for a new directory")));
        };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let parent = open(above, flags, Mode::empty())
            .map_err(|errno| Error::call(format!("open({above:?}, O_DIRECTORY)"), errno))?;
        if std::fs::symlink_metadata(&whole).is_ok() {
            return Err(there(bundle));
        }
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".part");
        let directory = make(parent.as_fd(), &hidden)?;
        Ok(Part { parent, name: name.to_owned(), hidden, directory })
    }

    /// To put things into.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Where it is until it has its name, which is `bundle`.
    pub fn path(&self, bundle: &Path) -> PathBuf {
        bundle.with_file_name(&self.hidden)
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// Something has that name by now.
    pub fn finish(self) -> Result<()> {
        let (parent, hidden, name) = (&self.parent, self.hidden.as_os_str(), self.name.as_os_str());
        match renameat2(parent, hidden, parent, name, RenameFlags::RENAME_NOREPLACE) {
            Ok(()) => Ok(()),
            Err(errno) => {
                let error = match errno {
                    Errno::EEXIST => there(Path::new(name)),
                    errno => Error::call(format!("renameat2({hidden:?}, {name:?}, RENAME_NOREPLACE)"), errno),
                };
                self.discard().and(Err(error))
            }
        }
    }

    /// Removes it.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn discard(self) -> Result<()> {
        removal::remove(self.parent.as_fd(), &self.hidden, removal::ALL)
    }
}

fn make(parent: BorrowedFd<'_>, hidden: &OsStr) -> Result<Flock<File>> {
    let failed = |call: &str, errno| Error::call(format!("{call}({hidden:?})"), errno);
    for _ in 0..ATTEMPTS {
        match mkdirat(parent, hidden, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => (),
            Err(errno) => return Err(failed("mkdirat", errno)),
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = match openat(parent, hidden, flags, Mode::empty()) {
            Err(Errno::ENOENT) => continue,
            directory => File::from(directory.map_err(|errno| failed("openat", errno))?),
        };
        let locked = match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Err((_, Errno::EAGAIN)) => {
                return Err(Error::refused(format!(
                    "somebody else is unpacking to the same place: {hidden:?}"
                ))
                .with_hint("wait for it, or choose another name"));
            }
            locked => locked.map_err(|(_, errno)| failed("flock", errno))?,
        };
        // Whoever held it before may have finished or removed it.
        let again = openat(parent, hidden, flags, Mode::empty());
        let same = again.is_ok_and(|again| {
            let numbers = [again.as_fd(), locked.as_fd()].map(|fd| removal::inode(fd).ok());
            numbers[0] == numbers[1]
        });
        if same {
            let whole =
                openat(&*locked, ".", flags, Mode::empty()).map_err(|errno| failed("openat", errno))?;
            removal::clear(whole, removal::ALL)?;
            return Ok(locked);
        }
    }
    Err(Error::refused(format!("others make and remove {hidden:?} all the time")))
}

/// Removes a bundle: config.json, its root, and nothing that is not a bundle's.
///
/// # Errors
/// No bundle; what the kernel refuses.
pub fn remove(bundle: &Path) -> Result<()> {
    let bundle = &std::path::absolute(bundle).map_err(|error| Error::io("getcwd()", &error))?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = open(bundle, flags, Mode::empty())
        .map_err(|errno| Error::call(format!("open({bundle:?}, O_DIRECTORY|O_NOFOLLOW)"), errno))?;
    let others =
        std::fs::read_dir(bundle).map_err(|error| Error::io(format!("getdents64({bundle:?})"), &error))?;
    for entry in others.flatten() {
        if !contents().any(|known| entry.file_name() == *known) {
            return Err(Error::refused(format!(
                "{bundle:?} holds more than a bundle: {:?}",
                entry.file_name()
            ))
            .with_hint("look at it, and remove it yourself"));
        }
    }
    let layers = overlay::layers_of(bundle);
    overlay::detach_root(bundle)?;
    contents().try_for_each(|name| removal::remove(fd.as_fd(), OsStr::new(name), removal::ALL))?;
    let at = nix::fcntl::AT_FDCWD;
    unlinkat(at, bundle, UnlinkatFlags::RemoveDir)
        .map_err(|errno| Error::call(format!("rmdir({bundle:?})"), errno))?;
    store::left(&layers, bundle)
}

/// What `unpack`, `mount` and `from` put into a bundle.
fn contents() -> impl Iterator<Item = &'static str> {
    [crate::bundle::CONFIG, crate::bundle::ROOT].into_iter().chain(overlay::OWN).chain(build::OWN)
}

fn there(bundle: &Path) -> Error {
    Error::refused(format!("{bundle:?} is there already"))
        .with_hint("choose a new name, or remove it first: stage4-runtime image remove")
}
