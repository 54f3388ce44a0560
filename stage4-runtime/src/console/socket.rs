//! A terminal travels by a socket, from the container to whoever attends it.
//!
//! unix(7), SCM_RIGHTS, 4.3BSD Reno 1990. Book: "A terminal of its own" (`console`).
//! Invariant: one packet, one descriptor, and a name that is text: what conmon and containerd's shim receive.

use crate::{Error, Result};
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, sendmsg, socket,
};
use nix::sys::stat::Mode;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The caller's socket (`--console-socket`), connected.
///
/// A socket's path has at most 107 bytes (unix(7)); through its directory's descriptor it is short.
pub fn connect_to(path: &Path) -> Result<OwnedFd> {
    let failed = |errno| {
        Error::call(format!("connect({path:?})"), errno).with_hint(
            "--console-socket: whoever wants the terminal listens there before the container is made",
        )
    };
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::refused(format!("--console-socket: {path:?} is no path of a socket")));
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let directory = open(directory, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(failed)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    let address = UnixAddr::new(&short).map_err(failed)?;
    let connection =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map_err(failed)?;
    connect(connection.as_raw_fd(), &address).map_err(failed)?;
    Ok(connection)
}

/// Sends `descriptor` under the name `name`.
pub fn send(socket: BorrowedFd<'_>, descriptor: BorrowedFd<'_>, name: &str) -> Result<()> {
    let (descriptors, text) = ([descriptor.as_raw_fd()], [IoSlice::new(name.as_bytes())]);
    let rights = [ControlMessage::ScmRights(&descriptors)];
    match sendmsg::<()>(socket.as_raw_fd(), &text, &rights, MsgFlags::MSG_NOSIGNAL, None) {
        Ok(length) if length == name.len() => Ok(()),
        Ok(_) => Err(Error::refused("sendmsg(console socket, SCM_RIGHTS): only a part was taken")),
        Err(errno) => Err(Error::call("sendmsg(console socket, SCM_RIGHTS)", errno)
            .with_hint("whoever listened at --console-socket has gone")),
    }
}

/// Receives what [`send`] sends: the terminal and its name.
///
/// # Errors
/// No descriptor came, or more than one.
pub fn receive(socket: BorrowedFd<'_>) -> Result<(OwnedFd, String)> {
    /// As callers of runc have it; a longer name is none.
    const LONGEST: usize = 4096;
    let mut text = vec![0; LONGEST];
    let (length, mut descriptors) = crate::sys::rights::receive(socket, &mut text)
        .map_err(|errno| Error::call("recvmsg(console socket, SCM_RIGHTS)", errno))?;
    match (descriptors.pop(), descriptors.is_empty()) {
        (Some(descriptor), true) => Ok((descriptor, String::from_utf8_lossy(&text[..length]).into_owned())),
        (Some(_), false) => Err(Error::refused("more than one descriptor came through the console socket")),
        (None, _) => Err(Error::refused("no terminal came through the console socket")
            .with_hint("the runtime went before it had made one; its own words say why")),
    }
}
