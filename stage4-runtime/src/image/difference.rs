//! What one root has that another has not, as a layer.
//!
//! openat2(2), getdents64(2), fstatat(2); layer.md, "Creating". Book: "Images" (`images`).
//! Invariant: applied to the first root, the layer makes the second; files are compared by what is in them, not only by
//! their times; names come in their order, so that the same roots make the same layer.

use super::pack::Pack;
use super::removal;
use super::tape::{Entry, Kind};
use crate::sys::xattr;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{FileStat, SFlag, fstatat, major, minor};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The walk through both.
#[derive(Debug)]
pub struct Difference<'a, W: Write> {
    pack: &'a mut Pack<W>,
    /// Files of several names: the first of them, by inode.
    names: HashMap<u64, Vec<u8>>,
    /// Whose all of it is, where it is not as it was.
    owner: Option<(u32, u32)>,
}

/// What a directory holds.
type Names = BTreeMap<OsString, FileStat>;

impl<'a, W: Write> Difference<'a, W> {
    /// Into this archive.
    pub fn new(pack: &'a mut Pack<W>) -> Self {
        Difference { pack, names: HashMap::new(), owner: None }
    }

    /// All of it is to belong to this user and group.
    pub fn owned_by(self, owner: (u32, u32)) -> Self {
        Difference { owner: Some(owner), ..self }
    }

    /// One thing that is not a directory, under another path.
    ///
    /// # Errors
    /// As of [`Difference::walk`].
    pub fn named(&mut self, parent: BorrowedFd<'_>, name: &OsStr, path: &[u8]) -> Result<()> {
        let status = stat(parent, name)?;
        self.one(None, parent, name, &status, path)
    }

    /// Of two directories at `path`, which ends with a slash or is empty; without an old one all is new.
    ///
    /// # Errors
    /// A name that means a whiteout; what the kernel refuses.
    pub fn walk(&mut self, old: Option<BorrowedFd<'_>>, new: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
        let before = old.map_or_else(|| Ok(Names::new()), names)?;
        let now = names(new)?;
        for (name, status) in &now {
            let path = [path, name.as_bytes()].concat();
            let was = before.get(name).zip(old);
            self.one(was, new, name, status, &path).map_err(|error| {
                let told = Error::refused(format!("{:?}: {error}", String::from_utf8_lossy(&path)));
                error.hint().map_or(told, |hint| Error::refused(&error).with_hint(hint))
            })?;
        }
        for name in before.keys().filter(|name| !now.contains_key(*name)) {
            let entry = Entry { path: [path, b".wh.", name.as_bytes()].concat(), ..empty() };
            self.pack.add(&entry, io::empty())?;
        }
        Ok(())
    }

    fn one(
        &mut self,
        was: Option<(&FileStat, BorrowedFd<'_>)>,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        status: &FileStat,
        path: &[u8],
    ) -> Result<()> {
        if name.as_bytes().starts_with(b".wh.") {
            return Err(Error::refused("a name that begins so would remove something in an image"));
        }
        let Some(kind) = kind(status) else { return Ok(()) }; // a socket: nobody listens to it in an image
        let is_directory = kind == Kind::Directory;
        let path = if is_directory { [path, b"/"].concat() } else { path.to_vec() };
        let mut entry = entry(parent, name, status, kind, path)?;
        if let Some((uid, gid)) = self.owner {
            (entry.uid, entry.gid) = (uid.into(), gid.into());
        }
        let known = (kind == Kind::File && status.st_nlink > 1)
            .then(|| self.names.get(&status.st_ino).cloned())
            .flatten();
        let same = match was {
            Some((before, old)) => is_same(old, before, parent, name, status, &entry)?,
            None => false,
        };
        if let (false, Some(link)) = (same, known) {
            entry = Entry { kind: Kind::HardLink, link, size: 0, xattrs: Vec::new(), ..entry };
            return self.pack.add(&entry, io::empty());
        }
        self.names.entry(status.st_ino).or_insert_with(|| entry.path.clone());
        match (kind, same) {
            (Kind::File, false) => {
                self.pack.add(&entry, File::from(opened(parent, name, OFlag::empty())?))?
            }
            (_, false) => self.pack.add(&entry, io::empty())?,
            _ => (),
        }
        if is_directory {
            let below = opened(parent, name, OFlag::O_DIRECTORY)?;
            let old = was.filter(|(before, _)| self::kind(before) == Some(Kind::Directory));
            let old = old.map(|(_, old)| opened(old, name, OFlag::O_DIRECTORY)).transpose()?;
            self.walk(old.as_ref().map(AsFd::as_fd), below.as_fd(), &entry.path)?;
        }
        Ok(())
    }
}

/// The root itself, as an entry.
///
/// # Errors
/// What the kernel refuses.
pub fn root(root: BorrowedFd<'_>) -> Result<Entry> {
    let status = stat(root, OsStr::new("."))?;
    entry(root, OsStr::new("."), &status, Kind::Directory, b"./".to_vec())
}

fn is_same(
    old: BorrowedFd<'_>,
    before: &FileStat,
    new: BorrowedFd<'_>,
    name: &OsStr,
    now: &FileStat,
    entry: &Entry,
) -> Result<bool> {
    // Of times the layers keep the seconds.
    let facts = |it: &FileStat| (it.st_mode, it.st_uid, it.st_gid, it.st_rdev, it.st_mtime);
    if facts(before) != facts(now) || (entry.kind != Kind::Directory && before.st_size != now.st_size) {
        return Ok(false);
    }
    let other = self::entry(old, name, before, entry.kind, entry.path.clone())?;
    if (&other.link, &other.xattrs) != (&entry.link, &entry.xattrs) {
        return Ok(false);
    }
    match entry.kind {
        Kind::File => {
            let [one, two] =
                [opened(old, name, OFlag::empty())?, opened(new, name, OFlag::empty())?].map(File::from);
            same_content(one, two).map_err(|error| Error::io("read()", &error))
        }
        _ => Ok(true),
    }
}

fn same_content(mut one: File, mut two: File) -> io::Result<bool> {
    let (mut first, mut second) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let read = one.read(&mut first)?;
        if read == 0 {
            return Ok(two.read(&mut second)? == 0);
        }
        match two.read_exact(&mut second[..read]) {
            Ok(()) if first[..read] == second[..read] => (),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => return Ok(false),
        }
    }
}

fn names(directory: BorrowedFd<'_>) -> Result<Names> {
    let listed = removal::names(directory)?;
    listed.map(|name| stat(directory, &name).map(|status| (name, status))).collect()
}

fn stat(directory: BorrowedFd<'_>, name: &OsStr) -> Result<FileStat> {
    fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .map_err(|errno| Error::call(format!("fstatat({name:?})"), errno))
}

fn opened(directory: BorrowedFd<'_>, name: &OsStr, flags: OFlag) -> Result<OwnedFd> {
    let flags = flags | OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let resolve = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    openat2(directory, name, OpenHow::new().flags(flags).resolve(resolve)).map_err(|errno| {
        let error = Error::call(format!("openat2({name:?}, RESOLVE_NO_XDEV)"), errno);
        match errno {
            Errno::EXDEV => error.with_hint("something is mounted there: unmount it first"),
            _ => error,
        }
    })
}

fn kind(status: &FileStat) -> Option<Kind> {
    match super::source::kind(status) {
        SFlag::S_IFREG => Some(Kind::File),
        SFlag::S_IFDIR => Some(Kind::Directory),
        SFlag::S_IFLNK => Some(Kind::Symlink),
        SFlag::S_IFIFO => Some(Kind::Fifo),
        SFlag::S_IFCHR => Some(Kind::Character),
        SFlag::S_IFBLK => Some(Kind::Block),
        _ => None,
    }
}

fn empty() -> Entry {
    Entry {
        path: Vec::new(),
        kind: Kind::File,
        link: Vec::new(),
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: 0,
        mtime: (0, 0),
        device: (0, 0),
        xattrs: Vec::new(),
    }
}

fn entry(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    status: &FileStat,
    kind: Kind,
    path: Vec<u8>,
) -> Result<Entry> {
    let link = match kind {
        Kind::Symlink => readlinkat(parent, name)
            .map_err(|errno| Error::call(format!("readlinkat({name:?})"), errno))?
            .into_vec(),
        _ => Vec::new(),
    };
    let xattrs = match kind {
        Kind::File | Kind::Directory => attributes(parent, name)?,
        _ => Vec::new(),
    };
    let device = matches!(kind, Kind::Character | Kind::Block);
    Ok(Entry {
        path,
        kind,
        link,
        mode: status.st_mode & 0o7777,
        uid: status.st_uid.into(),
        gid: status.st_gid.into(),
        size: if kind == Kind::File { u64::try_from(status.st_size).unwrap_or_default() } else { 0 },
        mtime: (status.st_mtime, 0),
        device: if device { (major(status.st_rdev), minor(status.st_rdev)) } else { (0, 0) },
        xattrs,
    })
}

/// Those that an image may have, in their order.
fn attributes(parent: BorrowedFd<'_>, name: &OsStr) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let file = opened(parent, name, OFlag::empty())?;
    let failed = |call: &str, errno| Error::call(format!("{call}({name:?})"), errno);
    let listed = match xattr::list(file.as_fd()) {
        Err(Errno::EOPNOTSUPP) => return Ok(Vec::new()),
        listed => listed.map_err(|errno| failed("flistxattr", errno))?,
    };
    let mut found = Vec::new();
    for key in
        listed.split(|byte| *byte == 0).filter(|key| !key.is_empty() && !super::attributes::is_foreign(key))
    {
        let Ok(text) = CString::new(key) else { continue };
        match xattr::get(file.as_fd(), &text) {
            Ok(value) => found.push((key.to_vec(), value)),
            Err(Errno::ENODATA) => (),
            Err(errno) => return Err(failed("fgetxattr", errno)),
        }
    }
    found.sort();
    Ok(found)
}
