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

/// Who listens at a socket, for the words of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Who wants the terminal: `--console-socket`.
    Console,
    /// Who answers for system calls: `linux.seccomp.listenerPath`.
    Agent,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Peer::Console => "--console-socket",
            Peer::Agent => "linux.seccomp.listenerPath",
        }
    }
}

/// The peer's socket, connected.
///
/// A socket's path has at most 107 bytes (unix(7)); through its directory's descriptor it is short.
pub fn connect_to(path: &Path, peer: Peer) -> Result<OwnedFd> {
    let failed = |errno| {
        let hint = match peer {
            Peer::Console => "whoever wants the terminal listens there before the container is made",
            Peer::Agent => {
                "the agent that answers SCMP_ACT_NOTIFY listens there before the process is started"
            }
        };
        Error::call(format!("connect({path:?})"), errno).with_hint(format!("{}: {hint}", peer.name()))
    };
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::refused(format!("{}: {path:?} is no path of a socket", peer.name())));
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

/// Sends `descriptor`, and what is to be known of it: the name of a terminal, the state of a process.
pub fn send(socket: BorrowedFd<'_>, descriptor: BorrowedFd<'_>, words: &str, peer: Peer) -> Result<()> {
    let (descriptors, text) = ([descriptor.as_raw_fd()], [IoSlice::new(words.as_bytes())]);
    let rights = [ControlMessage::ScmRights(&descriptors)];
    match sendmsg::<()>(socket.as_raw_fd(), &text, &rights, MsgFlags::MSG_NOSIGNAL, None) {
        Ok(length) if length == words.len() => Ok(()),
        Ok(_) => Err(Error::refused("sendmsg(<socket>, SCM_RIGHTS): only a part was taken")),
        Err(errno) => Err(Error::call("sendmsg(<socket>, SCM_RIGHTS)", errno)
            .with_hint(format!("whoever listened at {} has gone", peer.name()))),
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
