//! Terminals by descriptor.
//!
//! ioctl_tty(2): TIOCSCTTY and TIOCSWINSZ, 4.3BSD 1986; TIOCSPTLCK, Linux 2.1, 1998; TIOCGPTPEER, Linux 4.13, 2017.
//! Book: "A terminal of its own" (`console`).
//! Invariant: no terminal is ever found by its name.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// In characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in each.
    pub columns: u16,
}

/// Lets the other end of the pseudo-terminal `master` be opened: it is born locked.
pub fn unlock(master: BorrowedFd<'_>) -> nix::Result<()> {
    let locked: libc::c_int = 0;
    // SAFETY: reads one int, which outlives the call.
    Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const locked) }).map(drop)
}

/// Opens the other end of `master`, whatever stands where its name says; it becomes nobody's controlling terminal.
pub fn peer(master: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: takes a number.
    let fd = Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) })?;
    // SAFETY: the kernel has just opened it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes `terminal` the one that controls our session. EPERM: we do not lead one, or have one, or it has another.
pub fn take_control(terminal: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: takes a number; 0: not by force.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
}

/// How large it is.
pub fn size(terminal: BorrowedFd<'_>) -> nix::Result<Size> {
    // SAFETY: all zeroes are a valid winsize.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: writes one winsize, which is there.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) })?;
    Ok(Size { rows: size.ws_row, columns: size.ws_col })
}

/// Says how large it is; who reads it gets a SIGWINCH.
pub fn set_size(terminal: BorrowedFd<'_>, size: Size) -> nix::Result<()> {
    let size = libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: reads one winsize, which outlives the call.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }).map(drop)
}
