//! A group's directory in one hierarchy, held by a descriptor.
//!
//! openat(2), mkdirat(2), unlinkat(2), 2006. Book: "The file system as interface" (`info`).
//! Invariant: after the mount point only single names are opened, and links never: nobody can lead us elsewhere.

use crate::{Error, Result};
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, read, unlinkat, write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A directory; the path is only for telling.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

impl Directory {
    /// A mount point.
    pub fn open(path: &Path) -> Result<Self> {
        let fd = open(path, DIRECTORY, Mode::empty())
            .map_err(|errno| Error::call(format!("open({path:?}, O_DIRECTORY)"), errno))?;
        Ok(Directory { fd, path: path.to_owned() })
    }

    /// The group `name` in it.
    pub fn child(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        let opened = openat(&self.fd, name, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty());
        match opened {
            Ok(fd) => Ok(Directory { fd, path }),
            Err(errno) => {
                let error = Error::call(format!("open({path:?}, O_DIRECTORY|O_NOFOLLOW)"), errno);
                // Links cannot be made in a hierarchy, but the kernel's own files may be so named.
                let taken = "that is a file of the kernel's, and no group: choose another name";
                Err(if errno == Errno::ENOTDIR { error.with_hint(taken) } else { error })
            }
        }
    }

    /// The group it is in.
    pub fn parent(&self) -> Result<Self> {
        let path = self.path.parent().unwrap_or(&self.path).to_owned();
        let fd = openat(&self.fd, "..", DIRECTORY, Mode::empty())
            .map_err(|errno| Error::call(format!("open({path:?}, O_DIRECTORY)"), errno))?;
        Ok(Directory { fd, path })
    }

    /// The same by a descriptor of its own.
    pub fn again(&self) -> Result<Self> {
        let fd = openat(&self.fd, ".", DIRECTORY, Mode::empty())
            .map_err(|errno| Error::call(format!("open({:?}, O_DIRECTORY)", self.path), errno))?;
        Ok(Directory { fd, path: self.path.clone() })
    }

    /// The group that `parts` lead to.
    pub fn descend(self, parts: &[String]) -> Result<Self> {
        parts.iter().try_fold(self, |directory, part| directory.child(part))
    }

    /// Makes the group `name` in it; whether it was not there before.
    pub fn make(&self, name: &str) -> Result<(Self, bool)> {
        let new = match mkdirat(&self.fd, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(errno) => return Err(Error::call(format!("mkdir({:?})", self.path.join(name)), errno)),
        };
        let child = self.child(name).inspect_err(|_| {
            // Who is told of an error has no group, and removes none.
            if new {
                self.remove(name).ok();
            }
        })?;
        Ok((child, new))
    }

    /// Removes the empty group `name` in it.
    pub fn remove(&self, name: &str) -> Result<()> {
        unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir)
            .map_err(|errno| Error::call(format!("rmdir({:?})", self.path.join(name)), errno))
    }

    /// The names of the groups in it, sorted.
    pub fn children(&self) -> Result<Vec<String>> {
        let failed = |errno| Error::call(format!("getdents({:?})", self.path), errno);
        let mut dir = Dir::openat(&self.fd, ".", DIRECTORY, Mode::empty()).map_err(failed)?;
        let mut names = Vec::new();
        for entry in dir.iter() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type() == Some(Type::Directory) && name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The text of one of its files.
    pub fn read(&self, file: &str) -> Result<String> {
        let failed = |call: &str, errno| Error::call(format!("{call}({:?})", self.path.join(file)), errno);
        let fd = self.file(file, OFlag::O_RDONLY).map_err(|errno| failed("open", errno))?;
        let (mut text, mut buffer) = (Vec::new(), vec![0; 65536]);
        loop {
            match read(&fd, &mut buffer) {
                Ok(0) => return Ok(String::from_utf8_lossy(&text).into_owned()),
                Ok(count) => text.extend_from_slice(&buffer[..count]),
                Err(Errno::EINTR) => (),
                Err(errno) => return Err(failed("read", errno)),
            }
        }
    }

    /// The text of a file that not every kernel and not every group has.
    pub fn read_if_there(&self, file: &str) -> Result<Option<String>> {
        match self.read(file) {
            Ok(text) => Ok(Some(text)),
            // EOPNOTSUPP: pressure is compiled in and switched off (psi=0); ENODEV: the group is gone.
            Err(error)
                if matches!(error.errno(), Some(Errno::ENOENT | Errno::EOPNOTSUPP | Errno::ENODEV)) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    // ANCHOR: files
    /// Writes `value` into one of its files, in one call: the kernel takes each write as a whole request.
    pub fn write(&self, file: &str, value: &str) -> Result<()> {
        self.write_each(file, &[value])
    }

    /// Writes values into one of its files, one call each, by one descriptor.
    pub fn write_each(&self, file: &str, values: &[impl AsRef<str>]) -> Result<()> {
        let failed =
            |value: &str, errno| Error::call(format!("write({:?}, {value:?})", self.path.join(file)), errno);
        let Some(first) = values.first() else { return Ok(()) };
        let fd = self.file(file, OFlag::O_WRONLY).map_err(|errno| failed(first.as_ref(), errno))?;
        values.iter().map(AsRef::as_ref).try_for_each(|value: &str| {
            write(&fd, value.as_bytes()).map(drop).map_err(|errno| failed(value, errno))
        })
    }

    /// Does the group still exist? One that was made anew by the same name is another.
    pub fn is_there(&self) -> bool {
        self.has("cgroup.procs")
    }

    /// Is there such a file?
    pub fn has(&self, file: &str) -> bool {
        nix::sys::stat::fstatat(&self.fd, file, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
    }

    /// One of its files.
    pub fn file(&self, file: &str, mode: OFlag) -> nix::Result<OwnedFd> {
        openat(&self.fd, file, mode | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
    }
    // ANCHOR_END: files

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
