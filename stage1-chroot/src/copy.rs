//! Files of the host, copied into a root.
//!
//! ioctl(FICLONE) 2016, copy_file_range(2) 2016, else read(2) and write(2) 1971; renameat(2). Book: `build`.
//! Invariant: under its own name a file is whole or absent; set-id bits never pass.

use crate::{Error, Result, sys};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, fchmod, fstatat, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{BufReader, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// How a file came into the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Both files share their blocks until one is written (Btrfs, XFS, bcachefs).
    Reflink,
    /// The kernel copied, without a way through this process.
    CopyFileRange,
    /// This process read and wrote.
    ReadWrite,
}

/// What was done for one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A file was copied: how, and how many bytes it has.
    Copied(Method, u64),
    /// A link was made.
    Linked,
    /// A directory was made.
    Made,
    /// It was there already and the same; files were compared byte by byte.
    Kept,
}

/// Copies the file `source` into `directory` as `name`: permissions and time of change are kept.
pub fn file(source: &Path, directory: BorrowedFd<'_>, name: &OsStr) -> Result<Outcome> {
    let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(source);
    let from = opened.map_err(|error| Error::io(format!("open({source:?}, O_RDONLY|O_NOFOLLOW)"), &error))?;
    let meta = from.metadata().map_err(|error| Error::io(format!("fstat({source:?})"), &error))?;
    refuse_directory(directory, name)?;
    if is_same(&from, &meta, directory, name) {
        return Ok(Outcome::Kept);
    }
    replace(directory, name, |part| {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let to = openat(directory, part, flags, Mode::S_IRUSR | Mode::S_IWUSR).map(File::from);
        let to =
            to.map_err(|errno| Error::call(format!("openat([root], {part:?}, O_CREAT|O_EXCL)"), errno))?;
        let (method, bytes) = transfer(&from, &to)
            .map_err(|errno| Error::call(format!("copy_file_range({source:?}, {name:?})"), errno))?;
        if bytes != meta.len() {
            return Err(Error::refused(format!("{}: changed while it was copied", source.display())));
        }
        finish(&to, &meta).map_err(|errno| Error::call(format!("fchmod({name:?})"), errno))?;
        Ok(Outcome::Copied(method, bytes))
    })
}

/// Makes the symbolic link `name` to `target` in `directory`.
pub fn link(target: &Path, directory: BorrowedFd<'_>, name: &OsStr) -> Result<Outcome> {
    if readlinkat(directory, name).is_ok_and(|present| Path::new(&present) == target) {
        return Ok(Outcome::Kept);
    }
    refuse_directory(directory, name)?;
    replace(directory, name, |part| {
        let made = symlinkat(target, directory, part);
        made.map_err(|errno| Error::call(format!("symlinkat({target:?}, [root], {name:?})"), errno))?;
        Ok(Outcome::Linked)
    })
}

/// Makes something under a temporary name and gives it its own when it is complete: rename(2) replaces a link
/// instead of following it, and a build that is killed leaves nothing half-made under a name that counts.
fn replace<F>(directory: BorrowedFd<'_>, name: &OsStr, make: F) -> Result<Outcome>
where
    F: FnOnce(&OsStr) -> Result<Outcome>,
{
    let part = part_name(name);
    // What an interrupted build left; the lock on the root says that nobody is writing it now.
    let cleared = unlinkat(directory, part.as_os_str(), UnlinkatFlags::NoRemoveDir);
    if let Err(errno) = cleared.or_else(|errno| if errno == Errno::ENOENT { Ok(()) } else { Err(errno) }) {
        let error = Error::call(format!("unlinkat([root], {part:?})"), errno);
        return Err(error.with_hint(format!("{part:?} in the root is in the way: remove it")));
    }
    let made = make(&part).and_then(|outcome| {
        let renamed = renameat(directory, part.as_os_str(), directory, name);
        renamed.map_err(|errno| Error::call(format!("renameat([root], {part:?}, {name:?})"), errno))?;
        Ok(outcome)
    });
    if let Err(error) = made {
        return Err(match unlinkat(directory, part.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => error,
            Err(errno) => {
                error.with_hint(format!("{part:?} is half-made and could not be removed ({errno})"))
            }
        });
    }
    made
}

fn part_name(name: &OsStr) -> OsString {
    // 255 bytes is the most that a name may have; a long one is cut, and stays recognisable.
    let kept = &name.as_bytes()[..name.len().min(200)];
    let mut part = OsString::from(".stage1-part-");
    part.push(OsStr::from_bytes(kept));
    part
}

fn refuse_directory(directory: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
    let Some(stat) = present(directory, name) else { return Ok(()) };
    if stat.st_mode & libc::S_IFMT != libc::S_IFDIR {
        return Ok(());
    }
    let error = Error::call(format!("renameat([root], {:?}, {name:?})", part_name(name)), Errno::EISDIR);
    Err(error.with_hint(format!("the root has a directory where this host has a file or a link: {name:?}")))
}

fn present(directory: BorrowedFd<'_>, name: &OsStr) -> Option<FileStat> {
    fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()
}

fn is_same(from: &File, meta: &Metadata, directory: BorrowedFd<'_>, name: &OsStr) -> bool {
    // The cheap questions first; a crash can leave the right size and time over wrong bytes, so the bytes last.
    let same_facts = present(directory, name).is_some_and(|stat| {
        stat.st_mode == (libc::S_IFREG | permissions(meta))
            && stat.st_size.cast_unsigned() == meta.size()
            && (stat.st_mtime, stat.st_mtime_nsec) == (meta.mtime(), meta.mtime_nsec())
    });
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    same_facts
        && openat(directory, name, flags, Mode::empty())
            .is_ok_and(|there| same_bytes(from, &File::from(there)))
}

fn same_bytes(one: &File, other: &File) -> bool {
    let (mut one, mut other) =
        (BufReader::with_capacity(1 << 17, one), BufReader::with_capacity(1 << 17, other));
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let Ok(length) = one.read(&mut left) else { return false };
        if length == 0 {
            return matches!(other.read(&mut right), Ok(0));
        }
        if other.read_exact(&mut right[..length]).is_err() || left[..length] != right[..length] {
            return false;
        }
    }
}

/// Copies all bytes, by the cheapest means that these two file systems allow.
fn transfer(mut from: &File, mut to: &File) -> nix::Result<(Method, u64)> {
    if sys::reflink(to.as_fd(), from.as_fd()).is_ok() {
        return Ok((Method::Reflink, from.metadata().map_or(0, |meta| meta.len())));
    }
    // The comparison before may have read some of it.
    from.rewind().map_err(|error| errno_of(&error))?;
    let mut copied = 0;
    loop {
        match sys::copy_file_range(from.as_fd(), to.as_fd(), 1 << 30) {
            Ok(0) if copied > 0 => return Ok((Method::CopyFileRange, copied)),
            Ok(count) if count > 0 => copied += count as u64,
            // Not between these two file systems, or not from this one (procfs answers 0).
            Ok(_) | Err(Errno::EXDEV | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOSYS) if copied == 0 => {
                break;
            }
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    let bytes = std::io::copy(&mut from, &mut to).map_err(|error| errno_of(&error))?;
    Ok((Method::ReadWrite, copied + bytes))
}

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Permissions and time last, when nothing more is written: a write would drop the one and change the other.
fn finish(to: &File, meta: &Metadata) -> nix::Result<()> {
    fchmod(to, Mode::from_bits_truncate(permissions(meta)))?;
    futimens(
        to,
        &TimeSpec::new(meta.atime(), meta.atime_nsec()),
        &TimeSpec::new(meta.mtime(), meta.mtime_nsec()),
    )
}

/// Read, write and execute for the three kinds of people; a set-id program of the host gains nothing in a root.
fn permissions(meta: &Metadata) -> u32 {
    meta.mode() & 0o777
}
