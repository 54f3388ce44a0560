//! Who one is: ids, groups, capabilities, keys.
//!
//! setgroups(2), unshare(2), keyctl(2), capabilities(7). Book: "The matrix".
//! Invariant: keys are looked for and never read; nobody but this process changes.

use super::{Ground, Seen, any, errno, one};
use crate::{Result, say, sys};
use nix::{
    errno::Errno,
    sched::{CloneFlags, unshare},
    unistd::{Gid, Uid, getegid, geteuid, getgroups, setgroups, setresgid, setresuid},
};
use std::{
    fs::{self, File},
    process::{Command, ExitCode},
};

pub(super) fn root_outside(_: &Ground) -> Seen {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let own = geteuid().as_raw();
    for line in map.lines() {
        let mut numbers = line.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        let (Some(inside), Some(outside)) = (numbers.next(), numbers.next()) else { continue };
        if inside == 0 {
            let told = format!("uid 0 here is {outside} outside; this is {own}");
            return if outside == 0 { Seen::Leaks(told) } else { Seen::Contained(told) };
        }
    }
    Seen::Contained("nobody is uid 0 here".into())
}

pub(super) fn set_groups(_: &Ground) -> Seen {
    one("setgroups(0)", setgroups(&[]))
}

/// A line of proc_pid_status(5), as a set of bits.
fn set(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

pub(super) fn capabilities(_: &Ground) -> Seen {
    let Some(effective) = set("CapEff") else {
        return Seen::Absent("/proc/self/status tells nothing".into());
    };
    let told = format!("{} effective capabilities", effective.count_ones());
    if effective.count_ones() > 14 { Seen::Leaks(told) } else { Seen::Contained(told) }
}

/// `probe whoami`: the effective user.
pub(crate) fn print() -> Result<ExitCode> {
    say(geteuid())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn setuid(ground: &Ground) -> Seen {
    let (user, group) = (Uid::from_raw(65534), Gid::from_raw(65534));
    let became = setgroups(&[]).or(Ok(())).and_then(|()| setresgid(group, group, group));
    if let Err(errno) = became.and_then(|()| setresuid(user, user, user)) {
        return Seen::Contained(format!("setresuid(65534): {errno:?}"));
    }
    match Command::new(ground.at("/bin/setuid")).arg("whoami").output() {
        Ok(output) if String::from_utf8_lossy(&output.stdout).trim() == "0" => {
            Seen::Leaks("65534 executed a file of root's and was root".into())
        }
        Ok(output) => {
            Seen::Contained(format!("it stayed {}", String::from_utf8_lossy(&output.stdout).trim()))
        }
        Err(error) => Seen::Contained(format!("execve: {:?}", errno(&error))),
    }
}

pub(super) fn nested(_: &Ground) -> Seen {
    one("unshare(CLONE_NEWUSER)", unshare(CloneFlags::CLONE_NEWUSER))
}

/// A group that whoever started all this was in: is it still ours? A number that has no name here is 65534.
pub(super) fn inherited_group(ground: &Ground) -> Seen {
    let group = ground.number("group").and_then(|group| u32::try_from(group).ok()).unwrap_or_default();
    let list = getgroups().unwrap_or_default();
    if list.contains(&Gid::from_raw(group)) {
        return Seen::Leaks(format!("still in group {group}"));
    }
    if !list.contains(&Gid::from_raw(65534)) || getegid().as_raw() == 65534 {
        return Seen::Contained(format!("groups here: {list:?}"));
    }
    match File::open(ground.at("/group")) {
        Ok(_) => Seen::Leaks("a group without a name here still opens a file of its own".into()),
        Err(error) => Seen::Mode(format!("a group without a name is left; its file: {:?}", errno(&error))),
    }
}

pub(super) fn ambient(ground: &Ground) -> Seen {
    if ground.word("runtime") != "yes" {
        return Seen::Absent("these sets are a runtime's business".into());
    }
    let (inheritable, ambient) = (set("CapInh"), set("CapAmb"));
    match (inheritable, ambient) {
        (Some(0), Some(0)) => Seen::Contained("both sets are empty".into()),
        _ => Seen::Leaks(format!("inheritable {inheritable:x?}, ambient {ambient:x?}")),
    }
}

fn key(keyring: sys::Keyring, what: &str) -> Seen {
    let tried = sys::search_key(keyring, c"stage4-canary");
    match tried {
        Ok(number) => Seen::Leaks(format!("the canary's key {number:x} is in {what}")),
        Err(Errno::ENOSYS) => Seen::Absent("this kernel has no keyrings".into()),
        Err(errno) => any::<()>(vec![("keyctl(KEYCTL_SEARCH)", Err(errno))]),
    }
}

pub(super) fn user_keyring(_: &Ground) -> Seen {
    key(sys::Keyring::User, "the user's keyring")
}

pub(super) fn session_keyring(_: &Ground) -> Seen {
    key(sys::Keyring::Session, "the session's keyring")
}
