//! Descriptors that come through a socket, with an owner.
//!
//! recvmsg(2), unix(7), SCM_RIGHTS; 4.3BSD Reno, 1990. Book: "A terminal of its own" (`console`).
//! Invariant: every descriptor that came is owned by somebody, and none outlives an execve(2).

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One packet: how many bytes of `text` were filled, and the descriptors that came along.
///
/// EMSGSIZE: there were more of them than there was room for.
pub fn receive(socket: BorrowedFd<'_>, text: &mut [u8]) -> nix::Result<(usize, Vec<OwnedFd>)> {
    // Room for two, to see that there is not more than one.
    let mut room = nix::cmsg_space!([i32; 2]);
    let mut texts = [IoSliceMut::new(text)];
    let message = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut texts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => (),
            other => break other?,
        }
    };
    let mut owned = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control {
            // SAFETY: the kernel has just opened them for us alone.
            owned.extend(descriptors.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    match message.flags.contains(MsgFlags::MSG_CTRUNC) {
        true => Err(Errno::EMSGSIZE),
        false => Ok((message.bytes, owned)),
    }
}
