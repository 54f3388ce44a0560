//! Who the command is: a user and a group, by number.
//!
//! setuid(2) 1971; setgid(2) 1973; setgroups(2) 4.2BSD 1983. Book: `run`.
//! Invariant: [`User::assume`] returns only if the kernel, asked again, says that this is who we are.

use crate::{Error, Result};
use nix::unistd::{Gid, Uid, getgroups, setgid, setgroups, setuid};
use nix::{errno::Errno, unistd};
use std::str::FromStr;

/// A user and a group, written `UID[:GID]`; without a group, the group of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: Uid,
    /// The group id.
    pub gid: Gid,
}

impl FromStr for User {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        Ok(User { uid: Uid::from_raw(number(uid)?), gid: Gid::from_raw(number(gid)?) })
    }
}

/// An id is decimal digits and nothing else; -1 means "no change" to setresuid(2), so it is no id.
fn number(text: &str) -> Result<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(id) if digits && id != u32::MAX => Ok(id),
        _ if digits => Err(Error::refused(format!("no id is as large as {text}"))),
        _ => Err(Error::refused(format!(
            "{text:?} is not a number: names live in the root's own /etc/passwd and /etc/group, \
             which chroot(2) does not read"
        ))),
    }
}

impl User {
    /// Root, as far as the user namespace goes.
    pub const ROOT: User = User { uid: Uid::from_raw(0), gid: Gid::from_raw(0) };

    /// Becomes this user and group, for good. Supplementary groups first: see [`drop_groups`].
    pub fn assume(self) -> Result<()> {
        let User { uid, gid } = self;
        // The group first: after setuid(2) we may no longer change it.
        setgid(gid).map_err(|errno| Error::call(format!("setgid({gid})"), errno))?;
        setuid(uid).map_err(|errno| Error::call(format!("setuid({uid})"), errno))?;

        // Without CAP_SETUID, setuid(2) changes the effective id alone and still returns 0.
        let failed = |call: &'static str| move |errno: Errno| Error::call(call, errno);
        let users = unistd::getresuid().map_err(failed("getresuid()"))?;
        let groups = unistd::getresgid().map_err(failed("getresgid()"))?;
        let is_user = [users.real, users.effective, users.saved] == [uid; 3];
        let is_group = [groups.real, groups.effective, groups.saved] == [gid; 3];
        if is_user && is_group {
            return Ok(());
        }
        Err(Error::refused(format!("setuid({uid}), setgid({gid}): the kernel kept some of the old ids")))
    }
}

/// Leaves every supplementary group, which would otherwise open files inside by the host's numbers.
pub fn drop_groups() -> Result<()> {
    setgroups(&[]).map_err(|errno| {
        Error::call("setgroups(0, [])", errno)
            .with_hint("to become another user needs CAP_SETGID and CAP_SETUID (capabilities(7))")
    })?;
    match getgroups() {
        Ok(left) if left.is_empty() => Ok(()),
        Ok(_) => Err(Error::refused("setgroups(0, []): the kernel kept supplementary groups")),
        Err(errno) => Err(Error::call("getgroups()", errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_one_or_two_numbers() {
        let user = |uid, gid| User { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) };
        assert_eq!("1000".parse::<User>().unwrap(), user(1000, 1000));
        assert_eq!("0:65534".parse::<User>().unwrap(), user(0, 65534));
        assert_eq!("4294967294:007".parse::<User>().unwrap(), user(4_294_967_294, 7));
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        for name in ["root", "1000:users", "", ":", "1:", ":1", "+1", "-1", " 1", "1 ", "1:2:3", "0x10", "١"]
        {
            let error = name.parse::<User>().unwrap_err().to_string();
            assert!(error.contains("/etc/passwd"), "{name}: {error}");
        }
        for large in ["4294967295", "4294967296", "1:99999999999999999999"] {
            let error = large.parse::<User>().unwrap_err().to_string();
            assert!(error.contains("no id is as large"), "{large}: {error}");
        }
    }
}
