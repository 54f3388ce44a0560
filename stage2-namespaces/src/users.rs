//! The user namespace: who its root is, and who writes its maps.
//!
//! /proc/PID/{uid_map,gid_map,setgroups}; Linux 3.8, 2013; setgroups 3.19, 2015; newuidmap(1).
//! Book: "user" (`user`), "Id maps" (`idmap`).
//! Invariant: each map is written once, from outside, before the child does anything in its namespaces.

use crate::birth::Child;
use crate::idmap::IdMap;
use crate::refusal::require_proc;
use crate::subid::{self, Side};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, getegid, geteuid, setgroups, setresgid, setresuid};
use std::fs;
use std::process::{Command, Stdio};

/// Which ids exist inside the new user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// None: everybody appears as the overflow id, 65534.
    Unmapped,
    /// Those of these two maps.
    Mapped {
        /// User ids.
        uids: IdMap,
        /// Group ids.
        gids: IdMap,
    },
}

impl Users {
    /// Root inside is who we are outside: the map that everybody may write.
    pub fn root_is_me() -> Self {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        Users::Mapped { uids: IdMap::single(0, uid), gids: IdMap::single(0, gid) }
    }

    /// Root inside is who we are outside, and from 1 on come our subordinate ids.
    pub fn with_subordinates() -> Result<Self> {
        let map = |side, own| subid::everything(side, own, &subid::granted(side, geteuid().as_raw())?);
        Ok(Users::Mapped {
            uids: map(Side::Uid, geteuid().as_raw())?,
            gids: map(Side::Gid, getegid().as_raw())?,
        })
    }

    /// What newuidmap or the kernel would refuse, found before anything is made.
    pub fn check(&self) -> Result<()> {
        let Users::Mapped { uids, gids } = self else { return Ok(()) };
        // The maps are files below it.
        require_proc()?;
        for (side, map, own) in [(Side::Uid, uids, geteuid().as_raw()), (Side::Gid, gids, getegid().as_raw())]
        {
            if !writes_directly(map, own) {
                subid::check(side, map, own, &subid::granted(side, geteuid().as_raw())?)?;
            }
        }
        Ok(())
    }

    /// The parent's part, for whom it has given birth to: `child` waits until it is told that its ids are mapped.
    pub fn give(&self, child: &Child) -> Result<()> {
        self.write_maps(child.number_in_proc()?)
    }

    // ANCHOR: user
    /// The parent's part: gives `child`, who waits for it and has that number in /proc, its ids.
    pub(crate) fn write_maps(&self, child: i32) -> Result<()> {
        let Users::Mapped { uids, gids } = self else { return Ok(()) };
        let own_gid = getegid().as_raw();
        // Who could drop a group he was put into would gain what that group is denied (CVE-2014-8989): so without
        // privilege the gid map is taken only where setgroups(2) is given up for good.
        if gids.is_only(own_gid) {
            write(child, "setgroups", "deny")?;
        }
        write_map(child, Side::Uid, uids, geteuid().as_raw())?;
        write_map(child, Side::Gid, gids, own_gid)
    }
    // ANCHOR_END: user

    /// The child's part: becomes root, where the maps have one. Without, it stays nobody.
    pub fn become_root(&self) -> Result<()> {
        let Users::Mapped { uids, gids } = self else { return Ok(()) };
        if gids.outside(0).is_some() {
            let root = Gid::from_raw(0);
            setresgid(root, root, root).map_err(|errno| Error::call("setresgid(0, 0, 0)", errno))?;
            match setgroups(&[]) {
                // Denied along with the map: our groups stay, as nobody's.
                Ok(()) | Err(Errno::EPERM) => (),
                Err(errno) => return Err(Error::call("setgroups(0, NULL)", errno)),
            }
        }
        if uids.outside(0).is_some() {
            let root = Uid::from_raw(0);
            setresuid(root, root, root).map_err(|errno| Error::call("setresuid(0, 0, 0)", errno))?;
        }
        Ok(())
    }
}

/// Does the kernel take this map from us, or does it take the set-user-ID helper?
fn writes_directly(map: &IdMap, own: u32) -> bool {
    geteuid().is_root() || map.is_only(own)
}

fn write_map(child: i32, side: Side, map: &IdMap, own: u32) -> Result<()> {
    match writes_directly(map, own) {
        true => write(child, side.map_file(), &map.to_string()),
        false => ask_helper(child, side, map),
    }
}

fn write(child: i32, file: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{child}/{file}");
    fs::write(&path, text).map_err(|e| {
        let error = Error::io(format!("write({path:?}, {text:?})"), &e);
        match error.errno() {
            Some(Errno::EPERM) => error.with_hint(
                "a map is written once, by its owner, for ids the writer has in his own user namespace",
            ),
            _ => error,
        }
    })
}

/// newuidmap and newgidmap are set-user-ID and write what /etc/subuid and /etc/subgid grant.
fn ask_helper(child: i32, side: Side, map: &IdMap) -> Result<()> {
    let numbers = map.extents().iter().flat_map(|e| [e.inside, e.outside, e.count]).map(|n| n.to_string());
    let run = Command::new(side.helper()).arg(child.to_string()).args(numbers).stdin(Stdio::null()).output();
    let output = run.map_err(|e| {
        Error::io(format!("execve({:?})", side.helper()), &e)
            .with_hint("install it (package uidmap or shadow), or use --map-root, which needs no helper")
    })?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "{}: {}",
            side.helper(),
            String::from_utf8_lossy(&output.stderr).trim()
        ))
        .with_hint(format!("it must be set-user-ID root, and the ids granted in {}", side.file()))),
    }
}
