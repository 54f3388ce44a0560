//! Ping: is somebody there, and how far away?
//!
//! icmp(7): datagram sockets for echo requests, Linux 3.0, 2011; before, raw sockets. Book: "A veth pair" (`veth`).
//! Invariant: at most as many packets as asked for, and no wait longer than the timeout.

use super::address::Prefix;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, connect, recv, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// What a request was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// An answer, after this time.
    Reply(Duration),
    /// Nothing, until the timeout.
    Silence,
    /// The way is known to be closed.
    Unreachable(Errno),
}

/// No socket waits for less.
const SHORTEST: Duration = Duration::from_millis(1);

/// A socket that pings one address.
#[derive(Debug)]
pub struct Ping {
    fd: OwnedFd,
    to: IpAddr,
    raw: bool,
    timeout: Duration,
}

impl Ping {
    /// Gets ready to ping `to`; each answer is waited for `timeout`, one millisecond at least.
    pub fn open(to: IpAddr, timeout: Duration) -> Result<Self> {
        let timeout = timeout.max(SHORTEST);
        let (fd, raw) = datagram_or_raw(to)?;
        let call = |name: String| move |errno| Error::call(name, errno);
        connect(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(to, 0))).map_err(|errno| {
            call(format!("connect({to})"))(errno)
                .with_hint("no route leads there: an address, and a link that is up?")
        })?;
        Ok(Ping { fd, to, raw, timeout })
    }

    fn wait_at_most(&self, left: Duration) -> Result<()> {
        let wait = TimeVal::microseconds(left.as_micros().try_into().unwrap_or(i64::MAX));
        setsockopt(&self.fd, sockopt::ReceiveTimeout, &wait)
            .map_err(|errno| Error::call("setsockopt(SO_RCVTIMEO)", errno))
    }

    /// One request, number `sequence`.
    pub fn echo(&self, sequence: u16) -> Result<Echo> {
        let request = request(self.to, sequence);
        let sent = Instant::now();
        match send(self.fd.as_raw_fd(), &request, MsgFlags::empty()) {
            Err(errno @ (Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN)) => {
                return Ok(Echo::Unreachable(errno));
            }
            other => {
                other.map_err(|errno| Error::call(format!("send({}, echo {sequence})", self.to), errno))?
            }
        };
        let mut buffer = [0; 256];
        // A raw socket hears the answers to others, too: the timeout is for all of them together.
        while let Some(left) = self.timeout.checked_sub(sent.elapsed()).filter(|left| *left >= SHORTEST) {
            self.wait_at_most(left)?;
            match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) if is_reply(self.to, self.raw, &buffer[..length], &request) => {
                    return Ok(Echo::Reply(sent.elapsed()));
                }
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => (),
                Err(errno @ (Errno::EHOSTUNREACH | Errno::ECONNREFUSED)) => {
                    return Ok(Echo::Unreachable(errno));
                }
                Err(errno) => return Err(Error::call(format!("recv({})", self.to), errno)),
            }
        }
        Ok(Echo::Silence)
    }
}

/// Whether `packet` answers `request`, which went to an IPv4 address or to an IPv6 one. A reply has its own type, and
/// the request's sequence number and payload; the id is a datagram socket's own choice. A raw IPv4 socket sees the IP
/// header as well.
fn is_reply(to: IpAddr, raw: bool, packet: &[u8], request: &[u8]) -> bool {
    let header = match (raw && to.is_ipv4(), packet.first()) {
        (true, Some(first)) => usize::from(first & 0x0f) * 4,
        _ => 0,
    };
    let reply = if to.is_ipv4() { 0 } else { 129 };
    let Some(packet) = packet.get(header..) else { return false };
    packet.first() == Some(&reply) && packet.get(6..) == request.get(6..)
}

/// Whom a datagram socket is denied, a raw one may be allowed.
fn datagram_or_raw(to: IpAddr) -> Result<(OwnedFd, bool)> {
    let (family, protocol) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let open = |kind| socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol);
    match open(SockType::Datagram) {
        Ok(fd) => Ok((fd, false)),
        Err(Errno::EACCES | Errno::EPERM) => open(SockType::Raw).map(|fd| (fd, true)).map_err(|errno| {
            Error::call(
                "socket(SOCK_DGRAM, IPPROTO_ICMP): EACCES; then socket(SOCK_RAW, IPPROTO_ICMP)",
                errno,
            )
            .with_hint(
                "your group is not in net.ipv4.ping_group_range, and a raw socket needs CAP_NET_RAW: \
                     sysctl -w net.ipv4.ping_group_range='0 2147483647'",
            )
        }),
        Err(errno) => Err(Error::call("socket(SOCK_DGRAM, IPPROTO_ICMP)", errno)),
    }
}

/// An echo request whose payload nobody else sends: our process and the moment.
fn request(to: IpAddr, sequence: u16) -> Vec<u8> {
    let kind = if to.is_ipv4() { 8 } else { 128 };
    let moment = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
    let mut packet = vec![kind, 0, 0, 0, 0, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend(std::process::id().to_ne_bytes());
    packet.extend(moment.to_ne_bytes());
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// RFC 1071: the complement of the sum in ones' complement.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

/// The address without its prefix, for those who type both.
pub fn target(text: &str) -> Result<IpAddr> {
    text.parse().or_else(|_| text.parse::<Prefix>().map(|prefix| prefix.address)).map_err(|_| {
        Error::refused(format!("{text:?} is no address"))
            .with_hint("numbers only: nobody is asked for names here")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn veth_checksums_are_those_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xff]), !0xff00);
        assert_eq!(checksum(&[]), 0xffff);
        let packet = request("198.18.0.1".parse().unwrap(), 7);
        assert_eq!(checksum(&packet), 0, "a packet with its checksum sums up to nothing");
    }

    #[test]
    fn veth_only_the_answer_to_our_own_request_counts() {
        let to = "127.0.0.1".parse().unwrap();
        let asked = request(to, 1);
        let mut answer = asked.clone();
        answer[0] = 0;
        for raw in [false, true] {
            let packet = |icmp: &[u8]| if raw { [&[0x45; 20], icmp].concat() } else { icmp.to_vec() };
            let counts = |icmp: &[u8]| is_reply(to, raw, &packet(icmp), &asked);
            assert!(counts(&answer));
            assert!(!counts(&asked), "the request itself, seen on lo");
            let mut other = answer.clone();
            other[7] = 2;
            assert!(!counts(&other), "another number");
            assert!(!is_reply(to, raw, &[], &asked) && !is_reply(to, raw, &[0x4f], &asked));
        }
    }
}
