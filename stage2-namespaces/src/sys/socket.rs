//! One socket option.
//!
//! netlink(7), NETLINK_EXT_ACK; Linux 4.12, 2017. Book: "Speaking netlink" (`net`).
//! Invariant: the socket works the same without it, with fewer words.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Asks the kernel to say in words what it does not like.
pub fn want_words(netlink: BorrowedFd<'_>) -> nix::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: an int and its size, which outlive the call.
    let answer = unsafe {
        libc::setsockopt(
            netlink.as_raw_fd(),
            libc::SOL_NETLINK,
            libc::NETLINK_EXT_ACK,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    Errno::result(answer).map(drop)
}
