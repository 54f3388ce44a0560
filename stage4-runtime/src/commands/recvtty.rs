//! `recvtty`: waits for a container's terminal, and attends it.
//!
//! unix(7), SCM_RIGHTS. Book: "A terminal of its own" (`console`).
//! Invariant: the socket is gone when this ends, and the caller's terminal is as it was.

use crate::console::{relay, socket};
use crate::{Error, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// Wait at a socket for a container's terminal, and attend it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stage4-runtime recvtty /tmp/tty &\n  stage4-runtime create --console-socket /tmp/tty mine"
)]
pub struct RecvttyArgs {
    /// Where the socket is made
    #[arg(value_name = "SOCKET")]
    socket: PathBuf,
}

/// Removed when it is no longer listened at.
struct Listening(PathBuf);

impl Drop for Listening {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        std::fs::remove_file(&self.0).ok();
    }
}

pub(super) fn recvtty(args: &RecvttyArgs) -> Result<u8> {
    let listener = UnixListener::bind(&args.socket).map_err(|e| {
        Error::io(format!("bind({:?})", args.socket), &e)
            .with_hint("there must be nothing of that name yet, and it may have 107 bytes")
    })?;
    let listening = Listening(args.socket.clone());
    let mut news = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut news, PollTimeout::NONE).map_err(|errno| Error::call("poll(socket)", errno))?;
    let (connection, _) = listener.accept().map_err(|e| Error::io("accept(socket)", &e))?;
    let (master, _) = socket::receive(connection.as_fd())?;
    drop((connection, listening));
    let (input, output) = (std::io::stdin(), std::io::stdout());
    let nobody = |_| Ok(ControlFlow::<()>::Continue(()));
    relay::attend(&master, (input.as_fd(), output.as_fd()), &[], nobody).map(|_| 0)
}
