//! Mounts and superblocks by descriptor.
//!
//! open_tree(2), fsopen(2), fsconfig(2), fsmount(2), fspick(2) 2019; mount_setattr(2), Linux 5.12, 2021.
//! Book: "Mounts" (`mounts`).
//! Invariant: every text handed over is a C string that outlives its call; no call here takes the path of a target.

use nix::errno::Errno;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::null;

/// Does a call reach the mounts below, too?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The one mount.
    Top,
    /// It, and all that are mounted below it.
    All,
}

impl Reach {
    fn flag(self) -> libc::c_int {
        if self == Reach::All { libc::AT_RECURSIVE } else { 0 }
    }
}

/// What mount_setattr(2) changes: `struct mount_attr`, linux/mount.h.
#[derive(Debug, Default, Clone, Copy)]
pub struct Change<'a> {
    /// `MOUNT_ATTR_*` that are switched on.
    pub set: u64,
    /// `MOUNT_ATTR_*` that are switched off.
    pub clear: u64,
    /// One of MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE; 0 changes nothing.
    pub propagation: u64,
    /// The user namespace whose maps the mount shows owners through.
    pub users: Option<BorrowedFd<'a>>,
}

/// A copy of the mount at `path`, seen from `directory`, attached nowhere yet; an empty path is `directory` itself.
pub fn open_tree(directory: BorrowedFd<'_>, path: &CStr, reach: Reach) -> nix::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::OPEN_TREE_CLOEXEC
        | (libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT | reach.flag()) as u32;
    // SAFETY: the path is a C string; what is returned is a new descriptor.
    unsafe { descriptor(libc::syscall(libc::SYS_open_tree, directory.as_raw_fd(), path.as_ptr(), flags)) }
}

/// Changes the mount that `mount` is the root of, all of it or nothing.
pub fn mount_setattr(mount: BorrowedFd<'_>, reach: Reach, change: Change<'_>) -> nix::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: change.set | change.users.map_or(0, |_| libc::MOUNT_ATTR_IDMAP),
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd: change.users.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let (flags, size) = (libc::AT_EMPTY_PATH | reach.flag(), size_of::<libc::mount_attr>());
    // SAFETY: the path is an empty C string; `attributes` is there for the length of the call, which only reads it.
    Errno::result(unsafe {
        let (fd, path) = (mount.as_raw_fd(), c"".as_ptr());
        libc::syscall(libc::SYS_mount_setattr, fd, path, flags, &raw const attributes, size)
    })
    .map(drop)
}

/// The making of a file system, or the changing of one; what the kernel says about it is read from the descriptor.
#[derive(Debug)]
pub struct Context(OwnedFd);

impl Context {
    /// Begins a new one of `kind`.
    pub fn open(kind: &CStr) -> nix::Result<Self> {
        // SAFETY: the name is a C string; a new descriptor is returned.
        unsafe { descriptor(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC)) }
            .map(Context)
    }

    /// Begins a change of the file system that is mounted at `mount`.
    pub fn pick(mount: BorrowedFd<'_>) -> nix::Result<Self> {
        let flags = libc::FSPICK_CLOEXEC | libc::FSPICK_EMPTY_PATH;
        // SAFETY: the path is an empty C string; a new descriptor is returned.
        unsafe { descriptor(libc::syscall(libc::SYS_fspick, mount.as_raw_fd(), c"".as_ptr(), flags)) }
            .map(Context)
    }

    /// An option without a value.
    pub fn flag(&self, key: &CStr) -> nix::Result<()> {
        self.configure(libc::FSCONFIG_SET_FLAG, Some(key), None)
    }

    /// An option with a value of at most 255 bytes.
    pub fn string(&self, key: &CStr, value: &CStr) -> nix::Result<()> {
        self.configure(libc::FSCONFIG_SET_STRING, Some(key), Some(value))
    }

    /// Makes the file system.
    pub fn create(&self) -> nix::Result<()> {
        self.configure(libc::FSCONFIG_CMD_CREATE, None, None)
    }

    /// Changes the file system that was picked.
    pub fn reconfigure(&self) -> nix::Result<()> {
        self.configure(libc::FSCONFIG_CMD_RECONFIGURE, None, None)
    }

    fn configure(&self, command: u32, key: Option<&CStr>, value: Option<&CStr>) -> nix::Result<()> {
        let text = |text: Option<&CStr>| text.map_or(null(), CStr::as_ptr);
        // SAFETY: key and value are C strings, or null where the command wants none.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_fsconfig, self.0.as_raw_fd(), command, text(key), text(value), 0)
        })
        .map(drop)
    }

    /// A detached mount of what was created, with these `MOUNT_ATTR_*` from its first moment.
    pub fn mount(&self, attributes: u64) -> nix::Result<OwnedFd> {
        let (fd, flags) = (self.0.as_raw_fd(), libc::FSMOUNT_CLOEXEC);
        // SAFETY: takes no pointers; a new descriptor is returned.
        unsafe { descriptor(libc::syscall(libc::SYS_fsmount, fd, flags, attributes as u32)) }
    }

    /// What the kernel has to say, a sentence each; `None` where it is silent.
    pub fn complaints(&self) -> Option<String> {
        let mut sentences = Vec::new();
        let mut line = [0; 512];
        while let Ok(length @ 1..) = nix::unistd::read(&self.0, &mut line) {
            let text = String::from_utf8_lossy(&line[..length]);
            // `e `, `w `, `i `: how bad it is.
            sentences.push(text.get(2..).unwrap_or_default().trim_end().to_owned());
        }
        (!sentences.is_empty()).then(|| sentences.join("; "))
    }
}

/// A call that returns a new descriptor.
///
/// # Safety
/// `returned` is what a system call gave that opens a descriptor, and nobody else holds it.
unsafe fn descriptor(returned: libc::c_long) -> nix::Result<OwnedFd> {
    // SAFETY: not negative, so the kernel has just opened it for us alone (the caller's promise).
    Errno::result(returned).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
