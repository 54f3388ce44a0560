//! The runtime's own file, where no container can write to it.
//!
//! open_tree(2) 2019, mount_setattr(2) 2021; memfd_create(2), F_ADD_SEALS 2014; execveat(2) 2014.
//! Book: "The runtime overwritten" (`overwrite`).
//! Invariant: a process of ours that goes into a container was executed from what cannot be opened for writing.
//!
//! CVE-2019-5736: a container has `/proc/self/exe` executed, which is the runtime still; it opens that process's
//! `/proc/PID/exe`, waits for its end, and writes. Not being dumpable helps until execve(2) only, and to look at what
//! will be executed is not enough, for the kernel looks again, and into the first line of scripts.

use crate::sys::mount::{Change, Reach, mount_setattr, open_tree};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, OFlag, SealFlag, fcntl, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_name;
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::{execveat, geteuid};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

const OURS: &CStr = c"/proc/self/exe";

// ANCHOR: overwrite
/// Executes ourselves once more, from a mount of our file that is read-only or from a sealed copy; returns where we
/// are out of reach already.
///
/// # Errors
/// What the kernel refuses: then there is no container.
pub fn protect() -> Result<()> {
    let file = open(OURS, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| Error::call("open(\"/proc/self/exe\", O_PATH)", errno))?;
    if out_of_reach(&file)? {
        // execveat(2) of a descriptor names the process after its number.
        return set_name(c"stage4-runtime").map_err(|errno| Error::call("prctl(PR_SET_NAME)", errno));
    }
    let protected = match read_only(&file) {
        Ok(mount) => mount,
        // Mounts are for those with CAP_SYS_ADMIN; a copy is for everybody.
        Err(Errno::EPERM | Errno::EINVAL | Errno::ENOSYS) => sealed_copy()?,
        Err(errno) => return Err(Error::call("mount_setattr(</proc/self/exe>, MOUNT_ATTR_RDONLY)", errno)),
    };
    again(&protected)
}

/// A mount of our file alone, attached nowhere: who opens the file through it meets EROFS, and no path leads there
/// that could make it writable.
fn read_only(file: &OwnedFd) -> nix::Result<OwnedFd> {
    let mount = open_tree(file.as_fd(), c"", Reach::Top)?;
    let change = Change { set: libc::MOUNT_ATTR_RDONLY, ..Change::default() };
    mount_setattr(mount.as_fd(), Reach::Top, change).map(|()| mount)
}
// ANCHOR_END: overwrite

/// Can nobody in a container of ours open for writing what we were executed from?
fn out_of_reach(file: &OwnedFd) -> Result<bool> {
    let failed = |call: &str| {
        let call = format!("{call}(\"/proc/self/exe\")");
        move |errno| Error::call(call, errno)
    };
    let mount = fstatvfs(file).map_err(failed("fstatvfs"))?;
    let stat = fstat(file).map_err(failed("fstat"))?;
    Ok(mount.flags().contains(FsFlags::ST_RDONLY) || is_roots_alone(&stat) || is_sealed())
}

/// The machine's root is nobody in a container that an ordinary user makes: there, its file is written by none.
fn is_roots_alone(stat: &FileStat) -> bool {
    !geteuid().is_root() && stat.st_uid == 0 && stat.st_mode & 0o022 == 0
}

fn is_sealed() -> bool {
    let file = open(OURS, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
    let seals = file.and_then(|file| fcntl(&file, FcntlArg::F_GET_SEALS));
    seals.is_ok_and(|seals| SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_WRITE))
}

/// Our file in memory, which from now on nobody can change.
fn sealed_copy() -> Result<OwnedFd> {
    let copy = memfd_create(c"stage4-runtime", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)
        .map_err(|errno| Error::call("memfd_create(\"stage4-runtime\", MFD_ALLOW_SEALING)", errno))?;
    let mut copy = File::from(copy);
    let ours = File::open("/proc/self/exe");
    ours.and_then(|mut ours| std::io::copy(&mut ours, &mut copy))
        .map_err(|error| Error::io("copy of /proc/self/exe", &error))?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals))
        .map_err(|errno| Error::call("fcntl(F_ADD_SEALS, F_SEAL_WRITE|…)", errno))?;
    Ok(OwnedFd::from(copy))
}

/// The same program with the same words, as the same process; comes back only if that fails.
fn again(file: &OwnedFd) -> Result<()> {
    let words = |words: &mut dyn Iterator<Item = Vec<u8>>| -> Vec<CString> {
        words.filter_map(|word| CString::new(word).ok()).collect()
    };
    let arguments = words(&mut std::env::args_os().map(OsStringExt::into_vec));
    let environment =
        words(&mut std::env::vars_os().map(|(name, value)| [name.into_vec(), value.into_vec()].join(&b'=')));
    let Err(errno) = execveat(file, c"", &arguments, &environment, AtFlags::AT_EMPTY_PATH);
    Err(Error::call("execveat(<our own file>, \"\", AT_EMPTY_PATH)", errno)
        .with_hint("without it a container could overwrite the runtime (CVE-2019-5736)"))
}
