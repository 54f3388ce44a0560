//! What the path of an entry asks for.
//!
//! No kernel calls; layer.md, "Whiteouts". Book: "Images" (`images`).
//! Invariant: pure; what is accepted consists of plain names only: no `..`, nothing longer than the kernel takes, and no
//! name that would remove what its directory is in.

use crate::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// limits.h: NAME_MAX and PATH_MAX.
const LONGEST: (usize, usize) = (255, 4096);

/// What begins so stands for what is no more there.
const WHITEOUT: &[u8] = b".wh.";

/// Says so of all that a directory had.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What AUFS kept for itself; layers made on it hold some.
const META: &[u8] = b".wh..wh.";

/// A name in a directory; the directory's path is empty for the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory.
    pub directory: PathBuf,
    /// The name in it.
    pub name: OsString,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// The root itself.
    Root,
    /// Something to be there.
    Put(Place),
    /// Something not to be there.
    Whiteout(Place),
    /// A directory without what it had.
    Opaque(PathBuf),
    /// Nothing: of another program's own.
    Nothing,
}

/// Reads the path of an entry.
///
/// # Errors
/// What could lead out of the root, or nowhere.
pub fn read(path: &[u8]) -> Result<Name> {
    let mut parts = parts(path)?;
    let Some(last) = parts.pop() else { return Ok(Name::Root) };
    if parts.iter().chain([&last]).any(|part| part.starts_with(META) && *part != OPAQUE) {
        return Ok(Name::Nothing);
    }
    if let Some(part) = parts.iter().find(|part| part.starts_with(WHITEOUT)) {
        let part = String::from_utf8_lossy(part);
        return Err(Error::refused(format!("{part:?} is no directory: what begins so removes something")));
    }
    let directory: PathBuf = parts.iter().map(|part| OsStr::from_bytes(part)).collect();
    let place = |name: &[u8]| Place { directory: directory.clone(), name: OsStr::from_bytes(name).into() };
    match last.strip_prefix(WHITEOUT) {
        _ if last == OPAQUE => Ok(Name::Opaque(directory)),
        Some(b"" | b"." | b"..") => Err(Error::refused("it would remove a directory from inside").with_hint(
            "layer.md, Whiteouts: behind .wh. stands the name of what is removed in the same directory",
        )),
        Some(name) => Ok(Name::Whiteout(place(name))),
        None => Ok(Name::Put(place(last))),
    }
}

/// Reads where a hard link leads: a path from the root, as that of an entry.
///
/// # Errors
/// As [`read`], and a link to the root or to a whiteout.
pub fn target(link: &[u8]) -> Result<Place> {
    match read(link)? {
        Name::Put(place) => Ok(place),
        _ => Err(Error::refused(format!("a hard link to {:?}", String::from_utf8_lossy(link)))),
    }
}

/// From the root, even where a slash is the first character: tar(1) has it so.
fn parts(path: &[u8]) -> Result<Vec<&[u8]>> {
    let (name, whole) = LONGEST;
    if path.is_empty() || path.contains(&0) {
        return Err(Error::refused("it has no name, or one with NUL in it"));
    }
    if path.len() >= whole {
        return Err(Error::refused(format!("its path has {} bytes, more than Linux takes", path.len())));
    }
    let parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    match parts.iter().find(|part| **part == b".." || part.len() > name) {
        Some(&b"..") => Err(Error::refused("its path goes upwards (..)")
            .with_hint("no builder of images writes such a path: this archive was made to harm")),
        Some(part) => {
            Err(Error::refused(format!("a name in its path has {} bytes, more than Linux takes", part.len())))
        }
        None => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_names_are_put_or_removed() {
        let place = |directory: &str, name: &str| Place { directory: directory.into(), name: name.into() };
        for (path, name) in [
            ("./", Name::Root),
            ("/", Name::Root),
            ("a", Name::Put(place("", "a"))),
            ("./a/b/", Name::Put(place("a", "b"))),
            ("/etc//passwd", Name::Put(place("etc", "passwd"))),
            ("a/.wh.b", Name::Whiteout(place("a", "b"))),
            ("a/.wh..b", Name::Whiteout(place("a", ".b"))),
            ("a/.wh....", Name::Whiteout(place("a", "..."))),
            ("a/.wh..wh..opq", Name::Opaque("a".into())),
            (".wh..wh..opq", Name::Opaque("".into())),
            (".wh..wh.plnk/1.2", Name::Nothing),
            (".wh..wh.aufs", Name::Nothing),
        ] {
            assert_eq!(read(path.as_bytes()).unwrap(), name, "{path}");
        }
        let (long, deep) = ("n".repeat(256), "d/".repeat(2100));
        for path in
            ["", "..", "a/../b", "/../x", "a\0b", ".wh.", "a/.wh..", "a/.wh...", ".wh.a/b", &long, &deep]
        {
            assert!(read(path.as_bytes()).is_err(), "{path}");
        }
        assert!(target(b"/").is_err() && target(b".wh.x").is_err() && target(b"../x").is_err());
    }
}
