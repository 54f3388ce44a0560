//! A namespace as a descriptor: its kind, its number, its owner, its parent.
//!
//! /proc/PID/ns (Linux 3.0, 2011), ioctl_ns(2) (4.9, 2016). Book: "Who owns whom" (`list`).
//! Invariant: a `Namespace` is one: the kernel has told its kind, whatever the path promised.

use crate::kind::Kind;
use crate::refusal::require_process;
use crate::sys::nsfs;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::stat::fstat;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// An open namespace; it lives as long as this does.
#[derive(Debug)]
pub struct Namespace {
    kind: Kind,
    inode: u64,
    fd: OwnedFd,
}

impl Namespace {
    /// The namespace that the file `path` stands for: below `/proc/PID/ns`, or a handle it was bound to.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(format!("open({path:?})"), &e))?;
        Self::from_fd(file.into()).map_err(|error| {
            error.with_hint(format!(
                "{} is no namespace; a handle is a bind mount of /proc/PID/ns/…",
                path.display()
            ))
        })
    }

    /// The namespace of `kind` that the process `pid` is in.
    pub fn of(pid: i32, kind: Kind) -> Result<Self> {
        require_process(pid)?;
        let path = format!("/proc/{pid}/ns/{kind}");
        let file =
            File::open(&path).map_err(|e| explain(pid, kind, Error::io(format!("open({path:?})"), &e)))?;
        Self::from_fd(file.into())
    }

    /// Our own.
    pub fn own(kind: Kind) -> Result<Self> {
        crate::refusal::require_proc()?;
        Self::open(Path::new(&format!("/proc/self/ns/{kind}")))
    }

    /// What the descriptor `fd` stands for.
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        let flag = nsfs::flag(fd.as_fd()).map_err(|errno| Error::call("ioctl(NS_GET_NSTYPE)", errno))?;
        let kind = Kind::flagged(flag)
            .ok_or_else(|| Error::refused(format!("namespace of unknown kind {flag:#x}")))?;
        let inode = fstat(&fd).map_err(|errno| Error::call("fstat(namespace)", errno))?.st_ino;
        Ok(Namespace { kind, inode, fd })
    }

    /// Its kind, as the kernel says it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its number: the inode that `readlink /proc/PID/ns/…` shows.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    // ANCHOR: list
    /// The user namespace that owns it: capabilities in that one count in this one. None: not ours to see.
    pub fn owner(&self) -> Result<Option<Namespace>> {
        seen("NS_GET_USERNS", nsfs::owner(self.as_fd()))
    }

    /// The parent of a pid or user namespace. None: not ours to see, or there is none.
    pub fn parent(&self) -> Result<Option<Namespace>> {
        match self.kind {
            Kind::Pid | Kind::User => seen("NS_GET_PARENT", nsfs::parent(self.as_fd())),
            _ => Ok(None),
        }
    }

    /// The user who made a user namespace, as ours numbers him.
    pub fn owner_uid(&self) -> Result<u32> {
        nsfs::owner_uid(self.as_fd()).map_err(|errno| Error::call("ioctl(NS_GET_OWNER_UID)", errno))
    }
    // ANCHOR_END: list
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// EPERM is an answer: it is above us, and we are not told.
fn seen(name: &str, answer: nix::Result<OwnedFd>) -> Result<Option<Namespace>> {
    match answer {
        Ok(fd) => Namespace::from_fd(fd).map(Some),
        Err(Errno::EPERM) => Ok(None),
        Err(errno) => Err(Error::call(format!("ioctl({name})"), errno)),
    }
}

fn explain(pid: i32, kind: Kind, error: Error) -> Error {
    match error.errno() {
        Some(Errno::EACCES | Errno::EPERM) => error.with_hint(format!(
            "process {pid} is not yours to look into (ptrace(2), PTRACE_MODE_READ): ask as its user or as root"
        )),
        Some(Errno::ENOENT) if !kind.known_here() => {
            error.with_hint(format!("this kernel has no {kind} namespaces: since Linux {}", kind.facts().kernel))
        }
        Some(Errno::ENOENT) => error.with_hint(format!("process {pid} has ended: a zombie is in no namespace")),
        _ => error,
    }
}
