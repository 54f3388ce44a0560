//! Who `User` of an image is: names and numbers from the image's own lists.
//!
//! openat2(2) RESOLVE_IN_ROOT, 2020; passwd(5), group(5); config.md, `User`. Book: "Images" (`images`).
//! Invariant: the lists are regular files inside the root, of a bounded length; a name that they do not have is an error,
//! never root.

use crate::beneath;
use crate::config::process::User;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat};
use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// No list of users is longer.
const LONGEST: u64 = 4 << 20;

/// `user`, `uid`, `user:group`, `uid:gid` and the other two, or nothing at all: root.
///
/// # Errors
/// A name that nobody has there.
pub fn user(root: BorrowedFd<'_>, text: &str) -> Result<User> {
    find(text, &list(root, "etc/passwd")?, &list(root, "etc/group")?)
}

/// No such file: nobody is known.
fn list(root: BorrowedFd<'_>, path: &str) -> Result<String> {
    let failed = |errno| Error::call(format!("openat2([root], {path:?}, RESOLVE_IN_ROOT)"), errno);
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    // Looked at before it is opened: to open a device is to do something with it.
    let found = match beneath::open(root, Path::new(path), OFlag::O_PATH) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(String::new()),
        found => found.map_err(failed)?,
    };
    let status = fstat(&found).map_err(|errno| Error::call(format!("fstat({path:?})"), errno))?;
    if SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(Error::refused(format!("the image's /{path} is no regular file")));
    }
    let file = File::from(beneath::open(root, Path::new(path), flags).map_err(failed)?);
    let mut bytes = Vec::new();
    file.take(LONGEST)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io(format!("read({path:?})"), &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same, in lists that were read: passwd(5), group(5).
///
/// # Errors
/// A name that they do not have.
pub fn find(text: &str, passwd: &str, group: &str) -> Result<User> {
    let (user, chosen) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let known = passwd.lines().map(fields).find(|line| match id(user) {
        // A name may consist of digits; a number is meant all the same.
        Some(uid) => number(line.get(2)) == Some(uid),
        None => line.first() == Some(&user),
    });
    let uid = match (id(user), &known) {
        (Some(uid), _) => Some(uid),
        (None, Some(line)) => number(line.get(2)),
        (None, None) => None,
    };
    let uid = uid.ok_or_else(|| unknown("user", user, "passwd"))?;
    let gid = match chosen {
        Some(name) => gid(name, group)?,
        None => known.as_ref().and_then(|line| number(line.get(3))).unwrap_or(0),
    };
    let additional_gids = match (chosen, known.as_ref().and_then(|line| line.first())) {
        (None, Some(name)) => member_of(name, group, gid),
        _ => Vec::new(),
    };
    Ok(User { uid, gid, additional_gids, ..User::default() })
}

fn gid(name: &str, group: &str) -> Result<u32> {
    if let Some(gid) = id(name) {
        return Ok(gid);
    }
    let line = group.lines().map(fields).find(|line| line.first() == Some(&name));
    line.and_then(|line| number(line.get(2))).ok_or_else(|| unknown("group", name, "group"))
}

fn member_of(name: &str, group: &str, own: u32) -> Vec<u32> {
    let lines = group.lines().map(fields);
    let lists =
        lines.filter(|line| line.get(3).is_some_and(|members| members.split(',').any(|one| one == name)));
    let mut gids: Vec<u32> = lists.filter_map(|line| number(line.get(2))).filter(|gid| *gid != own).collect();
    gids.sort_unstable();
    gids.dedup();
    gids
}

fn fields(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

/// Digits and nothing else; to Rust, `+0` would be a number.
fn id(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|id| *id != u32::MAX)
}

fn number(field: Option<&&str>) -> Option<u32> {
    field.and_then(|field| id(field))
}

fn unknown(what: &str, name: &str, file: &str) -> Error {
    Error::refused(format!("the image's {what} is {name:?}, whom its /etc/{file} does not have"))
        .with_hint("the image was made wrongly: whoever made it must add the name, or use a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_users_are_those_of_the_images_lists() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1001::/home/ada:/bin/sh\n7:x:9:9:::\nodd\n";
        let group = "root:x:0:\nada:x:1001:\nwheel:x:10:root,ada\ndocker:x:99:ada\n";
        let known = |text: &str| {
            find(text, passwd, group).map(|user| (user.uid, user.gid, user.additional_gids)).ok()
        };
        assert_eq!(known(""), Some((0, 0, vec![10])));
        assert_eq!(known("ada"), Some((1000, 1001, vec![10, 99])));
        assert_eq!(known("1000"), Some((1000, 1001, vec![10, 99])));
        assert_eq!(known("ada:wheel"), Some((1000, 10, vec![])));
        assert_eq!(known("ada:77"), Some((1000, 77, vec![])));
        assert_eq!(known("4242"), Some((4242, 0, vec![])));
        assert_eq!(known("7"), Some((7, 0, vec![])), "a number, although somebody is named so");
        for nobody in ["eve", "ada:eve", "-1", "4294967295", "4294967296", "+0", "ada:-1"] {
            assert_eq!(known(nobody), None, "{nobody}");
        }
    }
}
