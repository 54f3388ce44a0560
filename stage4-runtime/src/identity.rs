//! Who the process is: groups, group, user, and what it takes away from the files it makes.
//!
//! setgroups(2) 4.2BSD 1983, setresuid(2) Linux 2.1.44 1997; user_namespaces(7). Book: "Users" (`identity`).
//! Invariant: no group of the runtime's stays, and what was set is asked for again.

use crate::plan::process::UserPlan;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, fstat, umask};
use nix::unistd::{
    Gid, Uid, fchown, getegid, geteuid, getgid, getgroups, getuid, setgroups, setresgid, setresuid,
};
use stage1_chroot::identity::User;
use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};

/// May setgroups(2) be called in this user namespace?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetGroups {
    /// Yes.
    Allowed,
    /// No, and never again: an ordinary user has made it, who could leave a group that is denied something
    /// (CVE-2014-8989).
    Denied,
}

/// The supplementary groups, and no others.
///
/// # Errors
/// A group that the user namespace does not map; any group where setgroups(2) is denied.
pub fn join_groups(user: &UserPlan, allowed: SetGroups) -> Result<()> {
    let failed =
        |what: &str| Error::refused(format!("process.user.additionalGids: {:?}: {what}", user.groups));
    if allowed == SetGroups::Denied {
        return match user.groups.as_slice() {
            // Those of the runtime's user stay, as nobody's: the kernel lets nobody leave them here.
            [] => Ok(()),
            _ => Err(failed("setgroups(2) is denied in this user namespace").with_hint(
                "an ordinary user's map of one group allows none beside it: map groups by newgidmap(1), or leave \
                 additionalGids out",
            )),
        };
    }
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(|errno| match first_unmapped(&groups).filter(|_| errno == Errno::EINVAL) {
        Some(index) => unmapped(&format!("additionalGids[{index}]"), user.groups[index], "gid"),
        None => Error::call(format!("setgroups({:?})", user.groups), errno)
            .with_hint("needs CAP_SETGID in the container's user namespace"),
    })?;
    let sorted = |mut groups: Vec<Gid>| {
        groups.sort_unstable_by_key(|group| group.as_raw());
        groups
    };
    let now = getgroups().map_err(|errno| Error::call("getgroups()", errno))?;
    match sorted(now) == sorted(groups) {
        true => Ok(()),
        false => Err(failed("the kernel kept other groups")),
    }
}

/// The kernel does not say which; but each alone can be tried.
fn first_unmapped(groups: &[Gid]) -> Option<usize> {
    groups.iter().position(|group| setgroups(&[*group]) == Err(Errno::EINVAL))
}

/// The user and the group, real, effective and saved; and the umask.
///
/// # Errors
/// An id that the user namespace does not map; what setresuid(2) lists.
pub fn become_user(user: &UserPlan) -> Result<()> {
    let UserPlan { uid, gid, .. } = *user;
    umask(Mode::from_bits_truncate(user.umask));
    User { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) }.assume().map_err(|error| match error.errno() {
        Some(Errno::EINVAL) if error.to_string().starts_with("setgid") => unmapped("gid", gid, "gid"),
        Some(Errno::EINVAL) => unmapped("uid", uid, "uid"),
        Some(Errno::EAGAIN) => error.with_hint("process.rlimits: RLIMIT_NPROC of this user is reached"),
        Some(Errno::EPERM) => {
            error.with_hint("needs CAP_SETUID and CAP_SETGID in the container's user namespace")
        }
        _ => error,
    })
}

fn unmapped(field: &str, id: u32, kind: &str) -> Error {
    Error::refused(format!("process.user.{field}: {id} is no {kind} of the container's user namespace"))
        .with_hint(format!("linux.{kind}Mappings must hold it"))
}

/// Standard input, output and error become the user's, so that /dev/stdout can be opened again.
///
/// The group stays: a terminal's decides who may write to it. What is everybody's, as /dev/null, stays as it is, and
/// what does not let itself be given is readable by its descriptor all the same.
pub fn own_streams(user: &UserPlan) -> Result<()> {
    let (input, output, error) = (stdin(), stdout(), stderr());
    for stream in [input.as_fd(), output.as_fd(), error.as_fd()] {
        own(stream, user.uid)?;
    }
    Ok(())
}

fn own(stream: BorrowedFd<'_>, uid: u32) -> Result<()> {
    /// 1:3, everybody's.
    const NULL: libc::dev_t = nix::sys::stat::makedev(1, 3);
    let stat = match fstat(stream) {
        // A caller may hold none of them.
        Err(Errno::EBADF) => return Ok(()),
        other => other.map_err(|errno| Error::call("fstat(standard stream)", errno))?,
    };
    let is_device = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFCHR;
    if stat.st_uid == uid || is_device && stat.st_rdev == NULL {
        return Ok(());
    }
    match fchown(stream, Some(Uid::from_raw(uid)), None) {
        // Not ours, of a file system that does not map the user, or that cannot be written.
        Ok(()) | Err(Errno::EPERM | Errno::EINVAL | Errno::EROFS | Errno::EACCES) => Ok(()),
        Err(errno) => Err(Error::call(format!("fchown(standard stream, {uid})"), errno)),
    }
}

/// Refuses to be set-user-ID or set-group-ID: a hook, a bundle's path, a mount would be at the caller's command and by
/// the right of the file's owner. bubblewrap, which may be so, kept that right where it should not (CVE-2020-5291).
///
/// # Errors
/// The ids are not the caller's.
pub fn require_own_rights() -> Result<()> {
    let (user, group) = ((getuid(), geteuid()), (getgid(), getegid()));
    if user.0 == user.1 && group.0 == group.1 {
        return Ok(());
    }
    Err(Error::refused(format!("called by user {} and group {}, it has the rights of {} and {}", user.0, group.0, user.1, group.1))
        .with_hint("its file is set-user-ID or set-group-ID: chmod u-s,g-s; an ordinary user needs no more rights than his own"))
}

/// Becomes root of the user namespace that was joined; where nobody is mapped to root we stay who we are.
pub fn become_root_if_there_is_one() -> Result<()> {
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    let mapped = |result: nix::Result<()>, call: &str| match result {
        // EINVAL: the id is not mapped; EPERM of setgroups(2): it was given up for good.
        Ok(()) | Err(Errno::EINVAL) => Ok(()),
        Err(errno) => Err(Error::call(call, errno)),
    };
    match setgroups(&[]) {
        Ok(()) | Err(Errno::EPERM) => (),
        Err(errno) => return Err(Error::call("setgroups(0, [])", errno)),
    }
    mapped(setresgid(group, group, group), "setresgid(0, 0, 0)")?;
    mapped(setresuid(user, user, user), "setresuid(0, 0, 0)")
}
