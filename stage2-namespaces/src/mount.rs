//! The mount namespace: what we mount stays with us, or travels, as we say.
//!
//! mount(2) with MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE; 2.4.19, 2002; propagation 2.6.15, 2006.
//! Book: "mnt" (`mnt`), "Propagation" (`propagation`).
//! Invariant: whoever holds a `PrivateMounts` is in a mount namespace of his own, and nothing he mounts leaves it.

pub use crate::sys::mount::move_mount;

use crate::sys::mount::detached;
use crate::{Error, Kind, Kinds, Result, refusal};
use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MsFlags, mount};
use nix::sched::unshare;
use nix::sys::stat::Mode;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What happens to a mount event: mount_namespaces(7), "Shared subtrees".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// Nothing comes in, nothing goes out.
    #[default]
    Private,
    /// What the peers outside mount comes in, nothing goes out.
    Slave,
    /// In and out: the copy stays in the peer group of its original.
    Shared,
    /// Private, and not to be copied by a bind mount.
    Unbindable,
}

impl Propagation {
    /// All four, as users write them.
    pub const ALL: [(&'static str, Propagation); 4] = [
        ("private", Propagation::Private),
        ("slave", Propagation::Slave),
        ("shared", Propagation::Shared),
        ("unbindable", Propagation::Unbindable),
    ];

    // ANCHOR: propagation
    /// Gives this type to every mount of the namespace.
    pub fn apply(self) -> Result<()> {
        let (flag, name) = match self {
            Propagation::Private => (MsFlags::MS_PRIVATE, "MS_PRIVATE"),
            Propagation::Slave => (MsFlags::MS_SLAVE, "MS_SLAVE"),
            Propagation::Shared => (MsFlags::MS_SHARED, "MS_SHARED"),
            Propagation::Unbindable => (MsFlags::MS_UNBINDABLE, "MS_UNBINDABLE"),
        };
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | flag, None::<&str>)
            .map_err(|errno| Error::call(format!("mount(NULL, \"/\", NULL, MS_REC|{name}, NULL)"), errno))
    }
    // ANCHOR_END: propagation
}

/// May mounts that the host makes later appear in our namespace? Out they never go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// No: our mounts are private.
    Refused,
    /// Yes: our mounts are slaves of the host's shared ones.
    Welcome,
}

/// Proof of a mount namespace of our own in which nothing travels out. It belongs to the process that got it.
#[derive(Debug)]
pub struct PrivateMounts(PhantomData<*const ()>);

impl PrivateMounts {
    // ANCHOR: mnt
    /// Leaves the mount namespace we share with others for a copy of it.
    pub fn unshare(incoming: Incoming) -> Result<Self> {
        let mnt = Kinds::NONE.with(Kind::Mnt, true);
        unshare(mnt.flags()).map_err(|errno| refusal::explain("unshare", errno, mnt))?;
        Self::claim(incoming)
    }

    /// The namespace is new; but a copy of a shared mount is still its peer, until it is told otherwise.
    pub(crate) fn claim(incoming: Incoming) -> Result<Self> {
        match incoming {
            Incoming::Refused => Propagation::Private.apply()?,
            Incoming::Welcome => Propagation::Slave.apply()?,
        }
        Ok(PrivateMounts(PhantomData))
    }
    // ANCHOR_END: mnt

    /// Mounts a new proc, which shows the pid namespace of this process, on the directory `proc` below `root`.
    pub fn mount_proc(&self, root: BorrowedFd<'_>) -> Result<()> {
        mount_beneath(root, c"proc", "proc").map_err(|error| {
            error.with_hint(
                "it needs a directory /proc to be mounted on, a pid namespace of one's own (--pid), and in a user \
                 namespace a /proc outside that nothing is mounted over",
            )
        })
    }

    /// The same over the `/proc` that is there.
    pub fn remount_proc(&self) -> Result<()> {
        self.mount_proc(open_root()?.as_fd())
    }

    /// Mounts a new sysfs, which shows the network namespace of this process, over the `/sys` that is there.
    pub fn remount_sys(&self) -> Result<()> {
        mount_beneath(open_root()?.as_fd(), c"sysfs", "sys").map_err(|error| {
            error.with_hint("in a user namespace it needs a /sys outside that nothing is mounted over")
        })
    }
}

fn open_root() -> Result<OwnedFd> {
    open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| Error::call("open(\"/\", O_PATH)", errno))
}

/// Made detached and moved to a descriptor: a symbolic link of that name is refused, not followed.
fn mount_beneath(root: BorrowedFd<'_>, kind: &CStr, name: &str) -> Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let target = openat(root, name, flags, Mode::empty()).map_err(|errno| {
        Error::call(format!("openat(root, {name:?}, O_PATH|O_DIRECTORY|O_NOFOLLOW)"), errno)
    })?;
    let new = detached(kind)
        .map_err(|errno| Error::call(format!("fsmount(<{}>)", kind.to_string_lossy()), errno))?;
    move_mount(new.as_fd(), target.as_fd())
        .map_err(|errno| Error::call(format!("move_mount(<{}>, \"/{name}\")", kind.to_string_lossy()), errno))
}
