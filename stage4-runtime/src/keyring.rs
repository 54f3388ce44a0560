//! A session keyring of the container's own: the caller's keys stay the caller's.
//!
//! keyctl(2), KEYCTL_JOIN_SESSION_KEYRING, Linux 2.6.10, 2004; session-keyring(7). Book: "The session keyring" (`keyring`).
//! Invariant: the keyring is the container's, made by its own user, and nobody else's of the same name.

use crate::sys::keyctl::{describe, join_session, set_permissions};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::unistd::geteuid;
use std::ffi::CString;

/// Others may search it: needed in a user namespace, where the process may become one whose keys they are not.
const OTHERS_SEARCH: u32 = 0x0000_0008;
/// Its user may search it, also after the process has become somebody else's.
const USER_SEARCHES: u32 = 0x0008_0000;

/// Joins the keyring of the container `id`; in its own user namespace it is searched by the ids of that.
///
/// # Errors
/// EDQUOT, where the user has too many keys; a keyring of that name that is somebody else's.
pub fn join(id: &str, own_users: bool) -> Result<()> {
    let name = format!("_ses.{id}");
    let call = format!("keyctl(KEYCTL_JOIN_SESSION_KEYRING, {name:?})");
    let c_name = CString::new(name).map_err(|_| Error::refused(format!("{call}: a zero byte in the id")))?;
    let key = match join_session(&c_name) {
        Ok(key) => key,
        // Without keyrings there is nothing to keep apart: whoever answers so, kernel or filter, answers the
        // container the same.
        Err(Errno::ENOSYS) => return Ok(()),
        Err(errno) => {
            let hint = "--no-new-keyring leaves the caller's keyring to the container";
            return Err(Error::call(call, errno).with_hint(hint));
        }
    };
    let described =
        describe(key).map_err(|errno| Error::call(format!("keyctl(KEYCTL_DESCRIBE, {key})"), errno))?;
    let (owner, permissions) = read(&described).ok_or_else(|| {
        Error::refused(format!("keyctl(KEYCTL_DESCRIBE, {key}): {:?}", String::from_utf8_lossy(&described)))
    })?;
    if owner != geteuid().as_raw() {
        return Err(Error::refused(format!("{call}: the user {owner} has made a keyring of that name"))
            .with_hint("somebody wants to share the container's keys: use another id"));
    }
    let wanted = permissions | if own_users { OTHERS_SEARCH } else { USER_SEARCHES };
    set_permissions(key, wanted)
        .map_err(|errno| Error::call(format!("keyctl(KEYCTL_SETPERM, {key}, {wanted:#x})"), errno))
}

/// The owner and the permissions of `keyring;0;0;3f130000;_ses.x`.
fn read(described: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(described).ok()?;
    let mut fields = text.split(';').skip(1);
    let owner = fields.next()?.parse().ok()?;
    let permissions = u32::from_str_radix(fields.nth(1)?, 16).ok()?;
    Some((owner, permissions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyring_owner_and_permissions_are_read_from_its_description() {
        assert_eq!(read(b"keyring;1000;0;3f130000;_ses.x;y"), Some((1000, 0x3f13_0000)));
        for bad in [&b""[..], b"keyring", b"keyring;0;0", b"keyring;x;0;3f130000;a", b"keyring;0;0;zz;a"] {
            assert_eq!(read(bad), None);
        }
    }
}
