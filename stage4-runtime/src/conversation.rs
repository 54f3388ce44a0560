//! What parent and init say to each other while a container is made, and what `start` says to init later.
//!
//! socketpair(2), AF_UNIX, SOCK_SEQPACKET: a word is whole, or not there. Book: "A container's birth" (`birth`).
//! Invariant: silence means that the other one has gone. Until init is released it ends when it hears it; and who
//! waits for the execution hears it when execve(2) closes init's last end.

use crate::seccomp::agent::Introduction;
use crate::sys::rights;
use crate::sys::socket::accept;
use crate::{Error, Failure, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, listen,
    send, sendmsg, socket, socketpair,
};
use stage2_namespaces::conversation::{parse, text};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

/// One packet.
#[derive(Debug)]
pub enum Word {
    /// Of a joiner to the parent: this is the pid of init.
    Born(i32),
    /// Of the parent: what you waited for is done; with the container's state, for hooks.
    Go(Vec<u8>),
    /// Of init: what was to be done on this side is done.
    Done,
    /// Of a messenger of init's: the agent's, who answers for the calls that the filter asks about.
    Listener(OwnedFd),
    /// Of init, and its last: this went wrong.
    Failed(Failure),
}

/// So much of a word is in one packet; of a container with many annotations the state is longer.
const PACKET: usize = 64 * 1024;

/// The tag of a packet after which more of its word comes.
const MORE: &[u8; 1] = b"m";

/// One end of the line.
#[derive(Debug)]
pub struct Line(OwnedFd);

impl Line {
    /// Both ends; neither outlives an execve(2).
    pub fn pair() -> Result<(Line, Line)> {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map(|(one, other)| (Line(one), Line(other)))
            .map_err(|errno| Error::call("socketpair(AF_UNIX, SOCK_SEQPACKET)", errno))
    }

    /// Says `word`. That nobody listens any more is no error: the silence that follows is the news.
    pub fn say(&self, word: &Word) -> Result<()> {
        let (tag, text) = match word {
            Word::Born(pid) => (b"b", pid.to_string().into_bytes()),
            Word::Go(state) => (b"g", state.clone()),
            Word::Done => (b"d", Vec::new()),
            Word::Listener(descriptor) => return self.hand_over(descriptor.as_raw_fd()),
            Word::Failed(failure) => (b"f", text(failure).into_bytes()),
        };
        let (first, last) = text.split_at(text.len().saturating_sub(1) / PACKET * PACKET);
        let told = first.chunks(PACKET).try_for_each(|part| self.send(MORE, part));
        match told.and_then(|()| self.send(tag, last)) {
            Ok(()) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
            Err(errno) => Err(Error::call("send(line)", errno)),
        }
    }

    fn send(&self, tag: &[u8; 1], text: &[u8]) -> nix::Result<()> {
        send(self.0.as_raw_fd(), &[tag, text].concat(), MsgFlags::MSG_NOSIGNAL).map(drop)
    }

    /// Says [`Word::Listener`] of the descriptor with this number, which stays open here.
    pub fn hand_over(&self, number: RawFd) -> Result<()> {
        let (descriptors, text) = ([number], [IoSlice::new(b"l")]);
        let rights = [ControlMessage::ScmRights(&descriptors)];
        sendmsg::<()>(self.0.as_raw_fd(), &text, &rights, MsgFlags::MSG_NOSIGNAL, None)
            .map(drop)
            .map_err(|errno| Error::call("sendmsg(line, SCM_RIGHTS)", errno))
    }

    /// The next word; none: the other one has gone.
    pub fn hear(&self) -> Result<Option<Word>> {
        let mut packet = vec![0; PACKET + 1];
        let mut whole = Vec::new();
        let (tag, mut descriptors) = loop {
            let (length, descriptors) = match rights::receive(self.0.as_fd(), &mut packet) {
                Err(Errno::ECONNRESET) => return Ok(None),
                other => other.map_err(|errno| Error::call("recvmsg(line)", errno))?,
            };
            let Some((tag, part)) = packet[..length].split_first() else { return Ok(None) };
            whole.extend_from_slice(part);
            if *tag != MORE[0] {
                break (*tag, descriptors);
            }
        };
        let text = || String::from_utf8_lossy(&whole);
        let word = match tag {
            b'b' => text().parse().ok().map(Word::Born),
            b'f' => parse(&text()).map(Word::Failed),
            b'g' => Some(Word::Go(whole)),
            b'd' => Some(Word::Done),
            b'l' => descriptors.pop().map(Word::Listener),
            _ => None,
        };
        word.map(Some)
            .ok_or_else(|| Error::refused("a word on the line between parent and init was not understood"))
    }

    /// Of init: waits for [`Word::Go`], and gives the state that came with it.
    ///
    /// # Errors
    /// The other one has gone.
    pub fn wait_for_go(&self) -> Result<Vec<u8>> {
        match self.hear()? {
            Some(Word::Go(state)) => Ok(state),
            _ => Err(Error::refused("the runtime has gone before the container was made")),
        }
    }

    /// Of a parent: the next word that is meant for it, after `ready`; a listener is passed to `agent`.
    ///
    /// # Errors
    /// There is no agent, or it cannot be reached. Then nobody says go, and the program is not executed.
    fn hear_beside(
        &self,
        agent: Option<&Introduction<'_>>,
        ready: &dyn Fn() -> Result<()>,
    ) -> Result<Option<Word>> {
        loop {
            ready()?;
            match (self.hear()?, agent) {
                (Some(Word::Listener(listener)), Some(agent)) => {
                    agent.make(listener.as_fd()).and_then(|()| self.say(&Word::Go(Vec::new())))?;
                }
                (Some(Word::Listener(_)), None) => {
                    return Err(Error::refused("a listener came, and there is no agent for it"));
                }
                (word, _) => return Ok(word),
            }
        }
    }

    /// Of the parent: waits for [`Word::Done`].
    ///
    /// # Errors
    /// What init failed at; that it has gone without a word, which a signal does or an out-of-memory kill.
    pub fn wait_for_done(&self, agent: Option<&Introduction<'_>>) -> Result<(), Failure> {
        match self.hear_beside(agent, &|| Ok(())).map_err(failed)? {
            Some(Word::Done) => Ok(()),
            Some(Word::Failed(failure)) => Err(failure),
            Some(_) | None => Err(failed(
                Error::refused("the container's first process has ended without a word").with_hint(
                    "a signal has killed it: look for an out-of-memory kill (dmesg), and at linux.resources.memory",
                ),
            )),
        }
    }

    /// Of who has said start: returns when the command has been executed.
    ///
    /// # Errors
    /// What went wrong before that.
    pub fn wait_for_silence(&self, agent: Option<&Introduction<'_>>) -> Result<(), Failure> {
        self.wait_for_silence_while(agent, &|| Ok(()))
    }

    /// The same, with something else to be done until there is something to be heard: `ready` returns then.
    ///
    /// # Errors
    /// What went wrong before that, or meanwhile.
    pub fn wait_for_silence_while(
        &self,
        agent: Option<&Introduction<'_>>,
        ready: &dyn Fn() -> Result<()>,
    ) -> Result<(), Failure> {
        match self.hear_beside(agent, ready).map_err(failed)? {
            None => Ok(()),
            Some(Word::Failed(failure)) => Err(failure),
            Some(_) => Err(failed(Error::refused("init said something else than how its start went"))),
        }
    }
}

/// An error of the runtime's own.
pub fn failed(error: Error) -> Failure {
    Failure { status: 1, error }
}

/// Where a container that is created waits for `start`.
///
/// It is a file in the container's directory of state, and heard of only while init listens: so it tells, too, whether
/// the container is still waiting, and no crash can make it lie.
#[derive(Debug)]
pub struct Doorbell {
    listener: OwnedFd,
}

/// Its name in the container's directory of state.
pub const DOORBELL: &str = "start";

/// A socket's path has at most 107 bytes (unix(7)); through the directory's descriptor it is short.
fn address(directory: impl AsFd) -> Result<UnixAddr> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd())).join(DOORBELL);
    UnixAddr::new(&path).map_err(|errno| Error::call(format!("sockaddr_un({path:?})"), errno))
}

fn new_socket(more: SockFlag) -> Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC | more, None)
        .map_err(|errno| Error::call("socket(AF_UNIX, SOCK_SEQPACKET)", errno))
}

impl Doorbell {
    /// Hangs it up in the container's directory of state; init inherits it.
    pub fn hang(directory: impl AsFd) -> Result<Self> {
        let listener = new_socket(SockFlag::empty())?;
        bind(listener.as_raw_fd(), &address(directory)?)
            .map_err(|errno| Error::call(format!("bind({DOORBELL:?})"), errno))?;
        let backlog = Backlog::new(16).map_err(|errno| Error::call("listen(16)", errno))?;
        listen(&listener, backlog).map_err(|errno| Error::call(format!("listen({DOORBELL:?})"), errno))?;
        Ok(Doorbell { listener })
    }

    /// Of init: waits for somebody who says [`Word::Go`]; others only wanted to know whether we wait.
    pub fn wait(&self) -> Result<(Line, Vec<u8>)> {
        loop {
            let caller = match accept(self.listener.as_fd()) {
                Ok(caller) => Line(caller),
                Err(Errno::EINTR | Errno::ECONNABORTED) => continue,
                Err(errno) => return Err(Error::call("accept4(start)", errno)),
            };
            if let Ok(Some(Word::Go(state))) = caller.hear() {
                caller.say(&Word::Done)?;
                return Ok((caller, state));
            }
        }
    }

    /// Of others: rings. None: nobody waits there, any more or yet.
    pub fn ring(directory: impl AsFd, path: &Path) -> Result<Option<Line>> {
        let socket = new_socket(SockFlag::empty())?;
        match connect(socket.as_raw_fd(), &address(directory)?) {
            Ok(()) => Ok(Some(Line(socket))),
            Err(Errno::ENOENT | Errno::ECONNREFUSED) => Ok(None),
            Err(errno) => Err(Error::call(format!("connect({:?})", path.join(DOORBELL)), errno)),
        }
    }

    /// Of others: does it hang there, and is listened to? Never waits: who is frozen opens to nobody.
    pub fn hangs(directory: impl AsFd, path: &Path) -> Result<bool> {
        let socket = new_socket(SockFlag::SOCK_NONBLOCK)?;
        match connect(socket.as_raw_fd(), &address(directory)?) {
            // EAGAIN: so many have asked before us that there is no room in the queue (unix(7)).
            Ok(()) | Err(Errno::EAGAIN) => Ok(true),
            Err(Errno::ENOENT | Errno::ECONNREFUSED) => Ok(false),
            Err(errno) => Err(Error::call(format!("connect({:?})", path.join(DOORBELL)), errno)),
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Line {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsRawFd for Doorbell {
    fn as_raw_fd(&self) -> RawFd {
        self.listener.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_any_length_arrive_whole() {
        let (one, other) = Line::pair().unwrap();
        for length in [0, 1, PACKET - 1, PACKET, PACKET + 1, 2 * PACKET, 10 * PACKET + 7] {
            let state: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            std::thread::scope(|scope| {
                scope.spawn(|| one.say(&Word::Go(state.clone())).unwrap());
                assert!(other.wait_for_go().unwrap() == state, "{length}");
            });
        }
        drop(one);
        assert!(other.hear().unwrap().is_none());
    }
}
