//! A new file system, made before anybody can see it.
//!
//! fsopen(2), fsconfig(2), fsmount(2), Linux 5.2, 2019; mount(2) for what they cannot say. Book: "Mounts" (`mounts`).
//! Invariant: a mount has its attributes from its first moment; an option that the kernel does not take is an error.

use crate::plan::mounts::FileSystem;
use crate::plan::mounts::options::Attributes;
use crate::sys::mount::Context;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::unistd::fchdir;
use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};

/// A detached mount of a new file system. `more` is an option beside its own.
pub(super) fn create(system: &FileSystem, more: Option<(&str, &str)>, attributes: u64) -> Result<OwnedFd> {
    let kind = c_string(&system.kind)?;
    let context = Context::open(&kind)
        .map_err(|errno| explained(Error::call(format!("fsopen({:?})", system.kind), errno), system, None))?;
    configure(&context, system, more)?;
    context.create().map_err(|errno| {
        let call = format!("fsconfig(<{}>, FSCONFIG_CMD_CREATE)", system.kind);
        explained(Error::call(call, errno), system, Some(&context))
    })?;
    context.mount(attributes).map_err(|errno| {
        explained(Error::call(format!("fsmount(<{}>)", system.kind), errno), system, Some(&context))
    })
}

/// Changes the file system that is mounted at `target`.
pub(super) fn reconfigure(system: &FileSystem, target: BorrowedFd<'_>) -> Result<()> {
    if system.superblock.is_empty() && system.data.is_empty() {
        return Ok(());
    }
    let context = Context::pick(target).map_err(|errno| {
        Error::call("fspick(target)", errno)
            .with_hint("remount changes what is mounted there; nothing is, or it is not ours")
    })?;
    configure(&context, system, None)?;
    context.reconfigure().map_err(|errno| {
        explained(Error::call("fsconfig(target, FSCONFIG_CMD_RECONFIGURE)", errno), system, Some(&context))
    })
}

fn configure(context: &Context, system: &FileSystem, more: Option<(&str, &str)>) -> Result<()> {
    let say = |key: &str, value: Option<&str>| {
        let name = c_string(key)?;
        let told = match value {
            Some(value) => context.string(&name, &c_string(value)?),
            None => context.flag(&name),
        };
        told.map_err(|errno| {
            let value = value.map(|value| format!(", {value:?}")).unwrap_or_default();
            let call = format!("fsconfig(<{}>, {key:?}{value})", system.kind);
            explained(Error::call(call, errno), system, Some(context))
        })
    };
    if let Some(source) = &system.source {
        say("source", Some(source))?;
    }
    system.superblock.iter().try_for_each(|name| say(name, None))?;
    system.data.iter().try_for_each(|one| say(&one.key, one.value.as_deref()))?;
    more.map_or(Ok(()), |(key, value)| say(key, Some(value)))
}

/// Mounts it on the directory `target` by mount(2), all flags in the one call. The path is `.`, from a working
/// directory that is a descriptor: nobody can exchange it.
pub(super) fn mount_on(system: &FileSystem, target: BorrowedFd<'_>, attributes: u64) -> Result<()> {
    fchdir(target).map_err(|errno| Error::call("fchdir(target)", errno))?;
    let data: Vec<String> = system
        .data
        .iter()
        .map(|one| match &one.value {
            Some(value) => format!("{}={value}", one.key),
            None => one.key.clone(),
        })
        .collect();
    let data = data.join(",");
    let flags = flags_of(attributes)
        | superblock_flags(&system.superblock)
        | MsFlags::from_bits_retain(system.legacy);
    let source = system.source.as_deref().unwrap_or("none");
    mount(Some(source), ".", Some(system.kind.as_str()), flags, Some(data.as_str())).map_err(|errno| {
        explained(
            Error::call(
                format!("mount({source:?}, [target], {:?}, {flags:?}, {data:?})", system.kind),
                errno,
            ),
            system,
            None,
        )
    })
}

fn flags_of(attributes: u64) -> MsFlags {
    let pairs = [
        (libc::MOUNT_ATTR_RDONLY, libc::MS_RDONLY),
        (libc::MOUNT_ATTR_NOSUID, libc::MS_NOSUID),
        (libc::MOUNT_ATTR_NODEV, libc::MS_NODEV),
        (libc::MOUNT_ATTR_NOEXEC, libc::MS_NOEXEC),
        (libc::MOUNT_ATTR_NOATIME, libc::MS_NOATIME),
        (libc::MOUNT_ATTR_STRICTATIME, libc::MS_STRICTATIME),
        (libc::MOUNT_ATTR_NODIRATIME, libc::MS_NODIRATIME),
        // linux/mount.h, MS_NOSYMFOLLOW; libc has it for other systems only.
        (libc::MOUNT_ATTR_NOSYMFOLLOW, 256),
    ];
    let set = pairs.into_iter().filter(|(attribute, _)| attributes & attribute != 0);
    MsFlags::from_bits_retain(set.fold(0, |flags, (_, flag)| flags | flag))
}

fn superblock_flags(names: &[&str]) -> MsFlags {
    let flag = |name: &&str| match *name {
        "ro" => libc::MS_RDONLY,
        "sync" => libc::MS_SYNCHRONOUS,
        "dirsync" => libc::MS_DIRSYNC,
        "mand" => libc::MS_MANDLOCK,
        "lazytime" => libc::MS_LAZYTIME,
        _ => 0,
    };
    MsFlags::from_bits_retain(names.iter().map(flag).fold(0, |flags, one| flags | one))
}

/// What fsmount(2) is given: a new mount has nothing to switch off, and nothing below it.
pub(super) fn attributes(top: Attributes, all: Attributes) -> u64 {
    top.after(all).set
}

/// A text for the kernel; one with a NUL in it would be another text there.
pub(super) fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::refused(format!("{text:?} holds a NUL")))
}

fn explained(error: Error, system: &FileSystem, context: Option<&Context>) -> Error {
    if let Some(complaints) = context.and_then(Context::complaints) {
        return error.with_hint(format!("the kernel says: {complaints}"));
    }
    match (error.errno(), system.kind.as_str()) {
        (Some(Errno::ENODEV), kind) => error.with_hint(format!("this kernel knows no {kind:?}: see /proc/filesystems")),
        (Some(Errno::EPERM), "proc") => error.with_hint(
            "in a user namespace a new proc needs a pid namespace of its own, and a /proc outside that nothing covers",
        ),
        (Some(Errno::EPERM), "sysfs") => error.with_hint(
            "in a user namespace a new sysfs needs a network namespace of its own; else bind /sys (rbind, rro)",
        ),
        (Some(Errno::EPERM), "mqueue") => {
            error.with_hint("in a user namespace a new mqueue needs an ipc namespace of its own")
        }
        (Some(Errno::EPERM), _) => error.with_hint("in a user namespace only some file systems can be mounted: user_namespaces(7)"),
        (Some(Errno::EINVAL), "devpts") => {
            error.with_hint("gid=N must be a group that the container's user namespace has an id for")
        }
        (Some(Errno::EINVAL), _) => error.with_hint("an option that this file system does not know, or a value it does not take"),
        _ => error,
    }
}

/// An empty directory that nobody can write, for masks.
pub(crate) fn empty_directory() -> Result<OwnedFd> {
    const KIND: &CStr = c"tmpfs";
    let call = |name: &str, errno| Error::call(format!("{name}(<tmpfs>)"), errno);
    let context = Context::open(KIND).map_err(|errno| call("fsopen", errno))?;
    context.flag(c"ro").map_err(|errno| call("fsconfig", errno))?;
    context.string(c"mode", c"755").map_err(|errno| call("fsconfig", errno))?;
    context.create().map_err(|errno| call("fsconfig", errno))?;
    let attributes =
        libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    context.mount(attributes).map_err(|errno| call("fsmount", errno))
}
