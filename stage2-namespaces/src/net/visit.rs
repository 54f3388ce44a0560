//! A visit to a named network, with the files that belong to it.
//!
//! setns(2), sysfs, /etc/netns/NAME; as ip-netns(8) describes it. Book: "net" (`net`).
//! Invariant: the files change for the visitor only, in a mount namespace of its own.

use super::handle;
use super::name::HandleName;
use crate::mount::{Incoming, PrivateMounts};
use crate::{Error, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Moves this process, which must have one thread, into the network `name`; for good.
pub fn enter(name: &HandleName) -> Result<()> {
    let namespace = handle::open(name)?;
    setns(&namespace, CloneFlags::CLONE_NEWNET).map_err(|errno| {
        Error::call(format!("setns({:?}, CLONE_NEWNET)", handle::path(name)), errno)
            .with_hint("needs CAP_SYS_ADMIN over that namespace: be root, or its owner inside `run --user`")
    })?;
    // What the host unmounts later must go here as well, or we would keep it busy.
    let mounts = PrivateMounts::unshare(Incoming::Welcome)?;
    // sysfs shows the network of whoever mounted it: without this, /sys/class/net would be the host's.
    mounts.remount_sys()?;
    bind_files(&Path::new("/etc/netns").join(name.as_str()))
}

/// Each file of `directory` takes the place of the one in /etc: such as resolv.conf.
fn bind_files(directory: &Path) -> Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io(format!("open({directory:?})"), &e)),
    };
    for entry in entries.flatten() {
        let (own, general) = (entry.path(), PathBuf::from("/etc").join(entry.file_name()));
        mount(Some(&own), &general, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(|errno| {
            Error::call(format!("mount({own:?}, {general:?}, MS_BIND)"), errno)
                .with_hint("what /etc/netns replaces must be there in /etc")
        })?;
    }
    Ok(())
}
