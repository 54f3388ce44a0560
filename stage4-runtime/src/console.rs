//! A terminal of the container's own.
//!
//! pty(7): Linux 2.1, 1998; devpts newinstance 2.6.29, 2009; TIOCGPTPEER 4.13, 2017. Book: "A terminal of its own" (`console`).
//! Invariant: the pair is made by the container's devpts, both ends are known by descriptor, and no path inside the
//! container is looked up twice (CVE-2025-52565).

pub mod relay;
pub mod socket;

use crate::beneath;
use crate::plan::process::TerminalPlan;
use crate::sys::mount::{Reach, open_tree};
use crate::sys::tty::{self, Size};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat, makedev};
use nix::sys::statfs::fstatfs;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use stage2_namespaces::mount::{PrivateMounts, move_mount};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub struct Console {
    master: OwnedFd,
    slave: OwnedFd,
}

/// linux/magic.h
const DEVPTS_SUPER_MAGIC: libc::c_long = 0x1cd1;

impl Console {
    // ANCHOR: terminal
    /// A new pair of the devpts at /dev/pts beneath `root`.
    ///
    /// # Errors
    /// There is none: `mounts` of config.json must have one.
    pub fn open(root: BorrowedFd<'_>, plan: TerminalPlan) -> Result<Self> {
        let hint = "process.terminal: `mounts` must have a devpts with newinstance at /dev/pts";
        let pts = directory(root, "dev/pts").map_err(|error| error.with_hint(hint))?;
        let magic =
            fstatfs(&pts).map_err(|errno| Error::call("fstatfs(\"/dev/pts\")", errno))?.filesystem_type();
        if magic.0 as libc::c_long != DEVPTS_SUPER_MAGIC {
            return Err(Error::refused("/dev/pts of the container is no devpts").with_hint(hint));
        }
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let master = openat(&pts, "ptmx", flags, Mode::empty())
            .map_err(|errno| Error::call("openat(<devpts>, \"ptmx\", O_RDWR|O_NOCTTY|O_NOFOLLOW)", errno))?;
        // Of a devpts, and so the multiplexer: there is nothing else that it could be.
        tty::unlock(master.as_fd()).map_err(|errno| Error::call("ioctl(ptmx, TIOCSPTLCK, 0)", errno))?;
        let slave =
            tty::peer(master.as_fd()).map_err(|errno| Error::call("ioctl(ptmx, TIOCGPTPEER)", errno))?;
        let console = Console { master, slave };
        plan.size.map_or(Ok(()), |(rows, columns)| console.set_size(Size { rows, columns }))?;
        Ok(console)
    }
    // ANCHOR_END: terminal

    fn set_size(&self, size: Size) -> Result<()> {
        let failed = |errno| Error::call(format!("ioctl(pty, TIOCSWINSZ, {size:?})"), errno);
        tty::set_size(self.master.as_fd(), size).map_err(failed)?;
        match tty::size(self.slave.as_fd()) {
            Ok(now) if now == size => Ok(()),
            Ok(now) => {
                Err(Error::refused(format!("ioctl(pty, TIOCSWINSZ, {size:?}): the kernel has {now:?}")))
            }
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Binds the container's end to /dev/console beneath `root`, where a file is made for it if there is none.
    pub fn bind(&self, _proof: &PrivateMounts, root: BorrowedFd<'_>) -> Result<()> {
        let target = console_file(root)?;
        let mount = open_tree(self.slave.as_fd(), c"", Reach::Top)
            .map_err(|errno| Error::call("open_tree(<pty>, \"\", OPEN_TREE_CLONE|AT_EMPTY_PATH)", errno))?;
        move_mount(mount.as_fd(), target.as_fd())
            .map_err(|errno| Error::call("move_mount(<pty>, \"/dev/console\")", errno))
    }

    /// Sends the other end to whoever made `socket`, as runtimes do: one descriptor, and its name as the text.
    ///
    /// Returned is the container's end, for [`lead_session`]; the other one is not ours any more.
    pub fn send(self, socket: BorrowedFd<'_>) -> Result<OwnedFd> {
        socket::send(socket, self.master.as_fd(), "/dev/ptmx", socket::Peer::Console)?;
        Ok(self.slave)
    }
}

/// A directory beneath `root`; where it stands is the runtime's, so that no link is followed.
fn directory(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd> {
    beneath::straight(root, path.as_ref(), OFlag::O_PATH | OFlag::O_DIRECTORY)
        .map_err(|errno| Error::call(format!("openat2(root, {path:?}, O_PATH, RESOLVE_NO_SYMLINKS)"), errno))
}

/// What /dev/console is to be mounted on.
fn console_file(root: BorrowedFd<'_>) -> Result<OwnedFd> {
    let dev = directory(root, "dev")?;
    match beneath::new_file(dev.as_fd(), "console".as_ref()) {
        Ok(file) => return Ok(file),
        Err(Errno::EEXIST) => (),
        Err(errno) => {
            return Err(Error::call("openat(<dev>, \"console\", O_CREAT|O_EXCL|O_NOFOLLOW)", errno));
        }
    }
    let present = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(&dev, "console", present, Mode::empty())
        .map_err(|errno| Error::call("openat(<dev>, \"console\", O_PATH|O_NOFOLLOW)", errno))?;
    let stat = fstat(&file).map_err(|errno| Error::call("fstat(\"/dev/console\")", errno))?;
    match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => Ok(file),
        SFlag::S_IFCHR if stat.st_rdev == makedev(5, 1) => Ok(file),
        _ => Err(Error::refused("/dev/console of the container is neither a file nor the console's device")
            .with_hint("a link there would lead the terminal elsewhere: the image must not have one")),
    }
}

// ANCHOR: terminal-session
/// Begins a session of our own; with `terminal`, controlled by it, and it is standard input, output and error.
///
/// Without one the session has none: what it types can never become input of a terminal of the caller's (TIOCSTI).
pub fn lead_session(terminal: Option<OwnedFd>) -> Result<()> {
    // Who leads one already has no need to, and may not: a leader's number is its session's.
    match setsid() {
        Ok(_) => (),
        Err(Errno::EPERM) if is_leader() => (),
        Err(errno) => return Err(Error::call("setsid()", errno)),
    }
    let Some(terminal) = terminal else { return Ok(()) };
    tty::take_control(terminal.as_fd()).map_err(|errno| Error::call("ioctl(pty, TIOCSCTTY, 0)", errno))?;
    dup2_stdin(&terminal)
        .and_then(|()| dup2_stdout(&terminal))
        .and_then(|()| dup2_stderr(&terminal))
        .map_err(|errno| Error::call("dup2(pty, 0..=2)", errno))
}
// ANCHOR_END: terminal-session

fn is_leader() -> bool {
    nix::unistd::getsid(None) == Ok(nix::unistd::getpid())
}
