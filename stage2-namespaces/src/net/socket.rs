//! A netlink socket: asks, waits for the answer, and says what the kernel said.
//!
//! netlink(7) with NETLINK_ROUTE; extended acknowledgements Linux 4.12, 2017. Book: "Speaking netlink" (`net`).
//! Invariant: a socket belongs to the namespace it was opened in, wherever its process goes later.

use super::wire::{Answer, Message, answers, attributes, u32_at};
use crate::nsfs::Namespace;
use crate::sys::birth::single_threaded;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Room for the largest datagram that netlink sends.
const ROOM: usize = 32 * 1024;

/// `struct nlmsgerr`: an errno, and the header of the message it is about.
const ERROR_FIXED: usize = 4 + 16;

/// A connection to the network of one namespace.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: Cell<u32>,
}

impl Socket {
    /// To our own network namespace.
    pub fn open() -> Result<Self> {
        let call = |name: &str, errno| Error::call(name, errno);
        let fd =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
                .map_err(|errno| call("socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)", errno))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).map_err(|errno| call("bind(AF_NETLINK)", errno))?;
        // The kernel answers at once, or never.
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(5))
            .map_err(|errno| call("setsockopt(SO_RCVTIMEO)", errno))?;
        // Before Linux 4.12 there are no texts to be had; the errno will do.
        crate::sys::socket::want_words(fd.as_fd()).ok();
        Ok(Socket { fd, sequence: Cell::new(0) })
    }

    /// To the network namespace `namespace`.
    ///
    /// In a thread of its own, for setns(2) moves only the thread that calls it: on no error are we elsewhere.
    pub fn open_in(namespace: &Namespace) -> Result<Self> {
        let inside = || {
            setns(namespace, CloneFlags::CLONE_NEWNET).map_err(|errno| {
                Error::call("setns(handle, CLONE_NEWNET)", errno).with_hint(
                    "needs CAP_SYS_ADMIN over that namespace: be root, or its owner inside `run --user`",
                )
            })?;
            Socket::open()
        };
        let alone = single_threaded();
        let opened = std::thread::scope(|scope| scope.spawn(inside).join());
        // The kernel lets us know that a thread ends a moment before it is gone, and makes no copy of a process that
        // has two (`birth`).
        while alone && !single_threaded() {
            std::thread::yield_now();
        }
        opened.unwrap_or_else(|_| Err(Error::refused("the thread that opened a socket elsewhere panicked")))
    }

    /// Sends `message` and waits for the acknowledgement; `call` is what it says in an error.
    pub(crate) fn ask(&self, call: &str, message: Message) -> Result<()> {
        self.send(call, message)?;
        self.receive(call, |_| ())
    }

    /// Sends a request for a list and gives `each` entry of it to `each`.
    pub(crate) fn dump(&self, call: &str, message: Message, each: impl FnMut(Answer<'_>)) -> Result<()> {
        self.send(call, message)?;
        self.receive(call, each)
    }

    fn send(&self, call: &str, message: Message) -> Result<()> {
        self.sequence.set(self.sequence.get() + 1);
        let bytes = message.finish(self.sequence.get())?;
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())
            .map(drop)
            .map_err(|errno| Error::call(call, errno))
    }

    fn receive(&self, call: &str, mut each: impl FnMut(Answer<'_>)) -> Result<()> {
        let mut buffer = vec![0; ROOM];
        loop {
            let length = match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                other => other.map_err(|errno| Error::call(format!("{call}: recv(netlink)"), errno))?,
            };
            for answer in answers(&buffer[..length]).filter(|answer| answer.sequence == self.sequence.get()) {
                match i32::from(answer.kind) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => return acknowledged(call, answer.body),
                    _ => each(answer),
                }
            }
        }
    }
}

/// An acknowledgement is an error of 0. The kernel's own words, where it has some, are the best hint.
fn acknowledged(call: &str, body: &[u8]) -> Result<()> {
    const NLMSGERR_ATTR_MSG: u16 = 1;
    let errno = match u32_at(body, 0).map(|raw| raw as i32) {
        Some(0) => return Ok(()),
        Some(raw) => Errno::from_raw(-raw),
        None => Errno::EBADMSG,
    };
    let error = Error::call(call, errno);
    // The request's header comes back without its body (NETLINK_CAP_ACK off: with it), then attributes.
    let extra = body.get(echoed(body)..).unwrap_or_default();
    let text = attributes(extra).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG).map(|(_, text)| text);
    let text = text.map(|text| String::from_utf8_lossy(text).trim_end_matches('\0').to_owned());
    Err(match (errno, text) {
        (_, Some(text)) if !text.is_empty() => error.with_hint(format!("the kernel says: {text}")),
        (Errno::EPERM, _) => {
            error.with_hint("needs CAP_NET_ADMIN in the user namespace that owns this network")
        }
        (Errno::EEXIST, _) => error.with_hint("it is there already"),
        (Errno::ENODEV, _) => error.with_hint("there is no link of that name in this network namespace"),
        (Errno::ENETUNREACH, _) => {
            error.with_hint("the gateway must be reachable: address first, and link up")
        }
        (Errno::EOPNOTSUPP, _) => {
            error.with_hint("this kernel lacks that type of link (CONFIG_VETH, CONFIG_BRIDGE)")
        }
        _ => error,
    })
}

/// Where the attributes of an error begin: behind the whole message that is echoed.
fn echoed(body: &[u8]) -> usize {
    let whole = u32_at(body, 4).map_or(0, |length| length as usize);
    4 + whole.max(ERROR_FIXED - 4).next_multiple_of(4)
}
