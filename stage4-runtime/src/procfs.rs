//! The host's /proc, held before the container's root is entered.
//!
//! openat2(RESOLVE_NO_XDEV), fstatfs(2). Book: "Mounts" (`mounts`).
//! Invariant: what is read and written through it is the kernel's: a proc file system by its number, its topmost
//! directory, and nothing that is mounted over a part of it.
//!
//! CVE-2019-16884, CVE-2019-19921 and CVE-2025-52881 had runtimes write labels and parameters to files that the image
//! had put in the place of procfs. This one is not the container's; and it costs one open, where a new detached proc
//! would cost its making and an RCU grace period when it is closed.

use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A proc file system that no container has touched; `self` in it is whoever asks.
#[derive(Debug)]
pub struct Procfs(OwnedFd);

/// fs/proc/root.c, PROC_ROOT_INO
const ROOT_INODE: u64 = 1;

impl Procfs {
    /// Opens /proc; call it while the root is still the host's.
    ///
    /// # Errors
    /// Anything but the topmost directory of a proc file system.
    pub fn open() -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let call = |errno| Error::call("open(\"/proc\", O_PATH|O_DIRECTORY|O_NOFOLLOW)", errno);
        let fd = open("/proc", flags, Mode::empty()).map_err(call)?;
        if is_procfs(fd.as_fd())? && fstat(&fd).map_err(call)?.st_ino == ROOT_INODE {
            return Ok(Procfs(fd));
        }
        Err(Error::refused("what is mounted on /proc is no proc file system")
            .with_hint("mount -t proc proc /proc: the runtime reads and writes about its processes there"))
    }

    // ANCHOR: redirected
    /// Opens a file of it. Neither links nor mounts lead out; `self` is followed.
    ///
    /// # Errors
    /// EXDEV where something is mounted over the file or over a directory on the way.
    pub fn file(&self, path: &Path, flags: OFlag) -> Result<File> {
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(
            ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
        openat2(&self.0, path, how).map(File::from).map_err(|errno| {
            let error =
                Error::call(format!("openat2(</proc>, {path:?}, RESOLVE_BENEATH|RESOLVE_NO_XDEV)"), errno);
            match errno {
                Errno::EXDEV => error
                    .with_hint("something is mounted over it here, so it is not the kernel's: unmount that"),
                Errno::ENOENT => {
                    error.with_hint("this kernel does not have it: it may need a module or a configuration")
                }
                Errno::EROFS | Errno::EACCES => {
                    error.with_hint("it cannot be written by root of this user namespace")
                }
                _ => error,
            }
        })
    }
    // ANCHOR_END: redirected

    /// Writes `text` to a file of it, in one write(2) as the kernel wants it.
    ///
    /// # Errors
    /// What the kernel says to the value.
    pub fn write(&self, path: &Path, text: &str) -> Result<()> {
        let mut file = self.file(path, OFlag::O_WRONLY)?;
        let call = || format!("write(\"/proc/{}\", {text:?})", path.display());
        match file.write(text.as_bytes()) {
            Ok(length) if length == text.len() => Ok(()),
            Ok(length) => Err(Error::refused(format!("{}: only {length} bytes were taken", call()))),
            Err(error) => Err(Error::io(call(), &error)),
        }
    }
}

/// Is `file` on a proc file system?
pub(crate) fn is_procfs(file: BorrowedFd<'_>) -> Result<bool> {
    let filesystem = fstatfs(file).map_err(|errno| Error::call("fstatfs(/proc)", errno))?;
    Ok(filesystem.filesystem_type() == PROC_SUPER_MAGIC)
}

impl AsFd for Procfs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn procfs_shows_who_asks_and_leads_nowhere_else() {
        let proc = Procfs::open().unwrap();
        let mut text = String::new();
        proc.file(Path::new("self/stat"), OFlag::O_RDONLY).unwrap().read_to_string(&mut text).unwrap();
        assert!(text.starts_with(&format!("{} ", std::process::id())), "{text}");
        for out in ["self/cwd", "self/root/etc", "../etc", "/etc/passwd", "self/exe"] {
            assert!(proc.file(Path::new(out), OFlag::O_RDONLY).is_err(), "{out}");
        }
    }
}
