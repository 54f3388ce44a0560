//! Files of the container, reached from its root and never from outside of it.
//!
//! openat2(RESOLVE_IN_ROOT), Linux 5.6, 2020; mkdirat(2), openat(2). Book: "Mounts" (`mounts`).
//! Invariant: a link inside the root, absolute or full of `..`, leads to a place inside the root; what is made is made
//! by one name in a directory that is held open, and nothing that exists is written to.
//!
//! CVE-2021-30465 and its family looked a path up, and used it by name again; here what was found is a descriptor.

use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{Mode, mkdirat, umask};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// What stands at the end of a path that has to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// A directory, 0755.
    Directory,
    /// An empty file, 0644.
    File,
}

/// As long as it lives, what is made has the mode it is said to have. Afterwards the umask is the caller's again:
/// hooks of the engine's still run in this process.
#[derive(Debug)]
#[must_use = "it lasts as long as it is held"]
pub struct ExactModes(Mode);

impl ExactModes {
    /// Puts the umask away.
    pub fn begin() -> Self {
        ExactModes(umask(Mode::empty()))
    }
}

impl Drop for ExactModes {
    fn drop(&mut self) {
        umask(self.0);
    }
}

/// What [`make`] opened.
#[derive(Debug)]
pub struct Found {
    /// The file or directory itself.
    pub fd: OwnedFd,
    /// Was it not there before?
    pub made: bool,
}

/// path_resolution(7): so many links in one path, and no more.
const LINKS: usize = 40;

/// How often a path is walked before it is given up: as long as anything is renamed or mounted on this machine, the
/// kernel cannot be sure of a `..`, and says EAGAIN (openat2(2)).
const ATTEMPTS: usize = 1000;

/// Opens `path`, whatever links inside the root lead there.
pub fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    walk(root, path, flags, ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS)
}

/// Opens `path` if no part of it is a link: ELOOP otherwise. Then its name is where it is.
pub fn straight(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    walk(root, path, flags, ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS)
}

fn walk(root: BorrowedFd<'_>, path: &Path, flags: OFlag, resolve: ResolveFlag) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    for _ in 0..ATTEMPTS {
        match openat2(root, path, how) {
            Err(Errno::EAGAIN) => (),
            answer => return answer,
        }
    }
    Err(Errno::EAGAIN)
}

/// Makes the last name of `path` where the rest of it is there and has no link in it. None: it is not so simple.
///
/// What is new is where its name says, as with [`straight`].
pub fn make_straight(root: BorrowedFd<'_>, path: &Path, node: Node) -> Result<Option<OwnedFd>> {
    let Some(name) = path.file_name() else { return Ok(None) };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = match straight(root, parent, OFlag::O_PATH | OFlag::O_DIRECTORY) {
        Err(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR) => return Ok(None),
        found => found.map_err(|errno| failed(parent, errno))?,
    };
    match make_in(directory, &[name.into()], node) {
        // A link that leads nowhere, or somebody was quicker.
        Err(Errno::EEXIST) => Ok(None),
        made => made.map(Some).map_err(|errno| not_made(path, errno)),
    }
}

/// Opens `path`, and makes what is missing of it.
///
/// A link that leads to nothing is followed to where it leads inside the root: images have `/etc/resolv.conf` so.
///
/// # Errors
/// ELOOP, ENOTDIR, EROFS, …; a missing directory behind which a path goes upwards again.
pub fn make(root: BorrowedFd<'_>, path: &Path, node: Node) -> Result<Found> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match open(root, &path, OFlag::O_PATH) {
            Ok(fd) => return Ok(Found { fd, made: false }),
            Err(Errno::ENOENT) => (),
            Err(errno) => return Err(failed(&path, errno)),
        }
        let (directory, prefix, missing) = deepest(root, &path)?;
        let Some(first) = missing.first() else { continue };
        match readlinkat(&directory, first.as_os_str()) {
            Ok(target) => path = prefix.join(target).join(missing[1..].iter().collect::<PathBuf>()),
            Err(Errno::ENOENT) => match make_in(directory, &missing, node) {
                // Somebody was quicker: look again at what is there now.
                Err(Errno::EEXIST) => (),
                made => {
                    return made.map(|fd| Found { fd, made: true }).map_err(|errno| not_made(&path, errno));
                }
            },
            // No link (any more): look again.
            Err(Errno::EINVAL) => (),
            Err(errno) => return Err(failed(&path, errno)),
        }
    }
    Err(failed(&path, Errno::ELOOP))
}

/// The last directory of `path` that is there, its own path, and the names that are missing in it.
fn deepest(root: BorrowedFd<'_>, path: &Path) -> Result<(OwnedFd, PathBuf, Vec<PathBuf>)> {
    let parts: Vec<&OsStr> = path.components().filter_map(name).collect();
    for depth in (0..parts.len()).rev() {
        let prefix: PathBuf = if depth == 0 { ".".into() } else { parts[..depth].iter().collect() };
        match open(root, &prefix, OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(directory) => {
                let missing: Vec<PathBuf> = parts[depth..].iter().map(PathBuf::from).collect();
                if missing.iter().any(|part| part.as_os_str() == "..") {
                    return Err(failed(path, Errno::ENOENT).with_hint(
                        "behind a directory that is missing the path goes upwards: nobody can make that",
                    ));
                }
                return Ok((directory, prefix, missing));
            }
            Err(Errno::ENOENT) => (),
            Err(errno) => return Err(failed(&prefix, errno)),
        }
    }
    Err(failed(path, Errno::ENOENT))
}

/// `..` is kept: behind a link it means what the kernel says it means.
fn name(component: Component<'_>) -> Option<&OsStr> {
    match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        _ => None,
    }
}

fn make_in(mut directory: OwnedFd, names: &[PathBuf], node: Node) -> nix::Result<OwnedFd> {
    let last = names.len() - 1;
    for (place, name) in names.iter().enumerate() {
        directory = match node {
            Node::File if place == last => new_file(directory.as_fd(), name)?,
            _ => new_directory(directory.as_fd(), name)?,
        };
    }
    Ok(directory)
}

fn new_directory(parent: BorrowedFd<'_>, name: &Path) -> nix::Result<OwnedFd> {
    mkdirat(parent, name, Mode::from_bits_truncate(0o755))?;
    openat(
        parent,
        name,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

/// Makes the empty file `name` in `parent`; EEXIST where anything is there, a link that leads nowhere included.
pub fn new_file(parent: BorrowedFd<'_>, name: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::from_bits_truncate(0o644))
}

fn failed(path: &Path, errno: Errno) -> Error {
    let error = Error::call(format!("openat2([root], {path:?}, RESOLVE_IN_ROOT)"), errno);
    match errno {
        Errno::ENOTDIR => error.with_hint("a file stands in the root where a directory is needed"),
        Errno::ELOOP => error.with_hint("links in the root turn in a circle, or are more than 40"),
        Errno::EAGAIN => {
            error.with_hint("too much is renamed or mounted on this machine right now: try again")
        }
        _ => error,
    }
}

fn not_made(path: &Path, errno: Errno) -> Error {
    let error = Error::call(format!("mkdirat([root], {path:?}, 0755)"), errno);
    match errno {
        Errno::ENOENT => {
            error.with_hint("nobody makes files there: /proc and /sys have those that the kernel has")
        }
        Errno::EROFS => {
            error.with_hint("the file system there is read-only: make the mount point beforehand")
        }
        Errno::EACCES | Errno::EPERM => error
            .with_hint("root of the container's user namespace must own the directory: look at its owner"),
        Errno::EOVERFLOW => {
            error.with_hint("the container's user namespace has no id for the owner of that directory")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn root() -> (tempfile::TempDir, fs::File) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("root/etc")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        let root = fs::File::open(dir.path().join("root")).unwrap();
        (dir, root)
    }

    #[test]
    fn mounts_targets_are_made_beneath_the_root() {
        let (dir, root) = root();
        let inside = dir.path().join("root");
        let outside = dir.path().join("outside");
        symlink("../run/resolve/stub", inside.join("etc/resolv.conf")).unwrap();
        symlink(&outside, inside.join("away")).unwrap();
        symlink("../../../../../outside", inside.join("etc/up")).unwrap();
        let made = |path: &str, node| make(root.as_fd(), Path::new(path), node).map(|found| found.made);
        assert!(made("etc/resolv.conf", Node::File).unwrap());
        assert!(!made("etc/resolv.conf", Node::File).unwrap());
        assert!(inside.join("run/resolve/stub").is_file());
        assert!(made("away/x", Node::Directory).unwrap());
        assert!(made("etc/up/y", Node::File).unwrap());
        assert!(inside.join("outside/y").is_file(), "`..` stops at the root");
        assert!(inside.join(outside.strip_prefix("/").unwrap()).join("x").is_dir());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "nothing is made outside");
    }

    #[test]
    fn mounts_targets_that_cannot_be_are_errors() {
        let (dir, root) = root();
        let inside = dir.path().join("root");
        symlink("b", inside.join("a")).unwrap();
        symlink("a", inside.join("b")).unwrap();
        symlink("missing/../x", inside.join("odd")).unwrap();
        fs::write(inside.join("file"), "").unwrap();
        let errno = |path: &str| make(root.as_fd(), Path::new(path), Node::File).unwrap_err().errno();
        assert_eq!(errno("a"), Some(Errno::ELOOP));
        assert_eq!(errno("file/x"), Some(Errno::ENOTDIR));
        assert_eq!(errno("odd"), Some(Errno::ENOENT));
        assert_eq!(straight(root.as_fd(), Path::new("a"), OFlag::O_PATH).unwrap_err(), Errno::ELOOP);
        assert!(!inside.join("missing").exists());
    }
}
