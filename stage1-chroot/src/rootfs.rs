//! A directory meant to become `/`, and how it is filled.
//!
//! open(2), mkdir(2), flock(2); chroot(2) has wanted such a directory since 1979. Book: `build`.
//! Invariant: after it is opened, the root is its descriptor; nothing is written outside of it.

pub mod beneath;

use crate::closure::Closure;
use crate::closure::trail::Step;
use crate::copy::{self, Outcome};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, OFlag, open, openat};
use nix::sys::stat::{Mode, fstat, stat};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A directory that is, or is to be, somebody's `/`.
#[derive(Debug)]
pub struct Rootfs {
    dir: OwnedFd,
    path: PathBuf,
}

/// What a build did.
#[derive(Debug)]
pub struct Report {
    /// What was needed and why.
    pub closure: Closure,
    /// What became of each path, in the order of first need.
    pub placed: Vec<Placed>,
}

/// One path in the new root.
#[derive(Debug)]
pub struct Placed {
    /// The node of the closure that needed it first.
    pub node: usize,
    /// What it is, and where in the root.
    pub step: Step,
    /// What was done.
    pub outcome: Outcome,
}

impl Rootfs {
    /// Opens an existing root.
    ///
    /// # Errors
    /// What is not a directory, and the `/` of the caller under whatever name.
    pub fn open(path: &Path) -> Result<Rootfs> {
        // O_PATH: a root need not be readable, only searchable, as for chroot(2).
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = open(path, flags, Mode::empty()).map_err(|errno| unusable(path, errno))?;
        let root = Rootfs { dir, path: path.to_owned() };
        root.refuse_own_root()?;
        Ok(root)
    }

    /// Opens a root and makes its directory when it is missing; its parent must exist.
    pub fn create(path: &Path) -> Result<Rootfs> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                let failed = Error::io(format!("mkdir({path:?}, 0777)"), &error);
                let parent = path.parent().unwrap_or(path).display();
                Err(match error.kind() {
                    ErrorKind::NotFound => {
                        failed.with_hint(format!("its parent must exist: mkdir -p {parent}"))
                    }
                    ErrorKind::PermissionDenied => failed.with_hint("choose a directory of your own"),
                    _ => failed,
                })
            }
            Err(_) => Self::open(path),
            Ok(()) => {
                beneath::admit(AT_FDCWD, path)
                    .map_err(|errno| Error::call(format!("fchmod({path:?}, 0755)"), errno))?;
                Self::open(path)
            }
        }
    }

    /// The path it was opened by, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts `programs` and all they need into the root.
    pub fn build<P: AsRef<Path>>(&self, programs: &[P]) -> Result<Report> {
        self.fill(Closure::of(programs)?)
    }

    /// Puts a closure into the root. What is there already and the same is kept, so that it can be repeated.
    pub fn fill(&self, closure: Closure) -> Result<Report> {
        let _alone = self.lock()?;
        let steps = closure.steps();
        let mut placed = Vec::with_capacity(steps.len());
        for (node, step) in &steps {
            let outcome =
                self.place(step).map_err(|error| self.interrupted(error, placed.len(), steps.len()))?;
            placed.push(Placed { node: *node, step: (*step).clone(), outcome });
        }
        drop(steps);
        Ok(Report { closure, placed })
    }

    fn place(&self, step: &Step) -> Result<Outcome> {
        let path = step.path();
        let (false, Some((parent, name))) = (matches!(step, Step::Directory(_)), beneath::split(path)) else {
            let (_, made) = beneath::make(self.as_fd(), path)?;
            return Ok(if made { Outcome::Made } else { Outcome::Kept });
        };
        let (directory, _) = beneath::make(self.as_fd(), parent)?;
        match step {
            Step::Link(_, target) => copy::link(target, directory.as_fd(), name),
            Step::Moved(_, from) => copy::file(from, directory.as_fd(), name),
            _ => copy::file(path, directory.as_fd(), name),
        }
    }

    /// Two builds at once would take each other's temporary files for the rest of an interrupted one.
    fn lock(&self) -> Result<Flock<OwnedFd>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let again = openat(&self.dir, ".", flags, Mode::empty());
        let again = again.map_err(|errno| Error::call(format!("openat([{:?}], \".\")", self.path), errno))?;
        // Not waited for: whoever may read the root could hold its lock for ever.
        Flock::lock(again, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            Error::call(format!("flock([{:?}], LOCK_EX|LOCK_NB)", self.path), errno).with_hint(
                "another build is filling this root: repeat this one after it (lslocks(8) shows who)",
            )
        })
    }

    /// Filling or entering our own `/` is a mistake, and a bind mount of it is the same directory.
    fn refuse_own_root(&self) -> Result<()> {
        let own = stat("/").map_err(|errno| Error::call("stat(\"/\")", errno))?;
        let this = fstat(&self.dir).map_err(|errno| Error::call(format!("fstat({:?})", self.path), errno))?;
        if (own.st_dev, own.st_ino) != (this.st_dev, this.st_ino) {
            return Ok(());
        }
        let error = Error::refused(format!("{}: this is / itself, not a new root", self.path.display()));
        Err(error.with_hint("name another directory, for example new-root"))
    }

    fn interrupted(&self, error: Error, done: usize, all: usize) -> Error {
        let reason = match error.errno() {
            Some(Errno::ENOSPC | Errno::EDQUOT) => "make room",
            Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) => "choose a directory that you may write",
            _ => "mend this",
        };
        let reason = error.hint().unwrap_or(reason).to_owned();
        let path = self.path.display();
        error.with_hint(format!(
            "{reason}; {done} of {all} files and links are in {path}, each of them whole; repeat the build safely"
        ))
    }
}

impl AsFd for Rootfs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Report {
    /// How many bytes were copied.
    pub fn bytes(&self) -> u64 {
        let sizes = self.placed.iter().map(|placed| match placed.outcome {
            Outcome::Copied(_, bytes) => bytes,
            _ => 0,
        });
        sizes.sum()
    }

    /// How many paths came to the outcome that `is` tells.
    pub fn count(&self, is: impl Fn(Outcome) -> bool) -> usize {
        self.placed.iter().filter(|placed| is(placed.outcome)).count()
    }
}

fn unusable(path: &Path, errno: Errno) -> Error {
    let error = Error::call(format!("open({path:?}, O_DIRECTORY)"), errno);
    match errno {
        Errno::ENOTDIR => error.with_hint("a root is a directory, and this is none"),
        Errno::ENOENT => {
            error.with_hint(format!("make it with: stage1-chroot build {} /bin/bash", path.display()))
        }
        Errno::EACCES => error.with_hint("choose a directory of your own"),
        Errno::ELOOP => error.with_hint("its links turn in a circle"),
        _ => error,
    }
}
