//! Addresses with a prefix, and how a link gets one.
//!
//! RTM_NEWADDR, rtnetlink(7). Book: "A veth pair" (`veth`).
//! Invariant: a `Prefix` has no more bits than its family.

use super::link::Link;
use super::socket::Socket;
use super::wire::{Message, attributes, u32_at};
use crate::{Error, Result};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// An address and how many of its leading bits name the network: `198.18.0.1/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// The address.
    pub address: IpAddr,
    /// The bits of the network.
    pub length: u8,
}

/// For benchmarks of equipment (RFC 2544): nobody routes it, and hardly anybody uses it.
pub const DEFAULT_RANGE: Prefix = Prefix { address: IpAddr::V4(Ipv4Addr::new(198, 18, 0, 0)), length: 24 };

impl Prefix {
    /// The `n`th address of this network, with the same length. None: that is beyond its last host.
    pub fn host(self, n: u32) -> Option<Prefix> {
        let IpAddr::V4(address) = self.address else { return None };
        let free = 32_u32.checked_sub(self.length.into())?;
        let size = 1_u32.checked_shl(free).unwrap_or(0).wrapping_sub(1);
        // The first address is the network's own, the last one the broadcast.
        (n > 0 && n < size).then(|| {
            let address = Ipv4Addr::from_bits((address.to_bits() & !size) + n);
            Prefix { address: address.into(), length: self.length }
        })
    }
}

impl FromStr for Prefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            Err(Error::refused(format!("{text:?} is no address with a prefix"))
                .with_hint(format!("{why}, as in 198.18.0.1/24")))
        };
        let Some((address, length)) = text.split_once('/') else { return bad("write ADDRESS/BITS") };
        let Ok(address) = address.parse::<IpAddr>() else { return bad("the address is not one") };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        match length.parse() {
            Ok(length) if length <= bits && !text.contains('+') => Ok(Prefix { address, length }),
            _ => bad(&format!("the bits are a number from 0 to {bits}")),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// The address family's number, and the bytes of the address.
pub(super) fn family(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(v4) => (libc::AF_INET as u8, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6 as u8, v6.octets().to_vec()),
    }
}

/// Gives `link` an address.
pub fn add(socket: &Socket, link: &Link, prefix: Prefix) -> Result<()> {
    let (family, bytes) = family(prefix.address);
    // struct ifaddrmsg: family, prefix length, flags, scope (0 is the whole world), index of the link.
    let [a, b, c, d] = link.index.to_ne_bytes();
    // Nobody else can have an address in a range of our own: an IPv6 address need not wait to find out.
    let flags = if prefix.address.is_ipv6() { libc::IFA_F_NODAD as u8 } else { 0 };
    let fixed = [family, prefix.length, flags, 0, a, b, c, d];
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let message = Message::new(libc::RTM_NEWADDR, flags, &fixed)
        .with(libc::IFA_LOCAL, &bytes)
        .with(libc::IFA_ADDRESS, &bytes);
    socket.ask(&format!("netlink(RTM_NEWADDR {prefix} on {})", link.name), message)
}

/// Every address, with the index of its link.
pub fn list(socket: &Socket) -> Result<Vec<(u32, Prefix)>> {
    let mut found = Vec::new();
    let request = Message::new(libc::RTM_GETADDR, libc::NLM_F_REQUEST | libc::NLM_F_DUMP, &[0; 8]);
    socket.dump("netlink(RTM_GETADDR)", request, |answer| found.extend(read(answer.body)))?;
    Ok(found)
}

/// An address as the kernel told of it, to be given again elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Family and prefix length.
    fixed: [u8; 2],
    /// Those attributes that say which address it is, and how it is used.
    attributes: Vec<(u16, Vec<u8>)>,
}

/// The addresses of `link` that stay until somebody takes them away, and are good for the whole world.
///
/// Not those that the kernel or a lease has made: they are made again where the link comes to be.
pub fn permanent(socket: &Socket, link: &Link) -> Result<Vec<Told>> {
    let mut found = Vec::new();
    let request = Message::new(libc::RTM_GETADDR, libc::NLM_F_REQUEST | libc::NLM_F_DUMP, &[0; 8]);
    socket.dump("netlink(RTM_GETADDR)", request, |answer| {
        if u32_at(answer.body, 4) == Some(link.index) {
            found.extend(tell(answer.body));
        }
    })?;
    Ok(found)
}

fn tell(body: &[u8]) -> Option<Told> {
    let [family, length, short_flags, scope] = body.get(..4)?.try_into().ok()?;
    let all = || attributes(body.get(8..).unwrap_or_default());
    let flags = all().find(|(kind, _)| *kind == libc::IFA_FLAGS).and_then(|(_, value)| u32_at(value, 0));
    let flags = flags.unwrap_or(short_flags.into());
    if flags & libc::IFA_F_PERMANENT == 0 || scope != libc::RT_SCOPE_UNIVERSE {
        return None;
    }
    let kept = [libc::IFA_ADDRESS, libc::IFA_LOCAL, libc::IFA_BROADCAST];
    let mut attributes: Vec<_> =
        all().filter(|(kind, _)| kept.contains(kind)).map(|(kind, value)| (kind, value.to_vec())).collect();
    // Of the flags those that are wishes; the others are states.
    let wishes = flags & (libc::IFA_F_NODAD | libc::IFA_F_NOPREFIXROUTE);
    attributes.push((libc::IFA_FLAGS, wishes.to_ne_bytes().to_vec()));
    Some(Told { fixed: [family, length], attributes })
}

/// Gives `link` an address that another namespace told of.
pub fn give(socket: &Socket, link: &Link, told: &Told) -> Result<()> {
    let [a, b, c, d] = link.index.to_ne_bytes();
    let fixed = [told.fixed[0], told.fixed[1], 0, 0, a, b, c, d];
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let message = Message::new(libc::RTM_NEWADDR, flags, &fixed);
    let message = told.attributes.iter().fold(message, |message, (kind, value)| message.with(*kind, value));
    socket.ask(&format!("netlink(RTM_NEWADDR on {})", link.name), message)
}

fn read(body: &[u8]) -> Option<(u32, Prefix)> {
    let (length, index) = (*body.get(1)?, u32_at(body, 4)?);
    // On a link with two ends IFA_ADDRESS is the other end's; IFA_LOCAL is ours, where there is one.
    let of = |wanted| attributes(&body[8..]).find(|(kind, _)| *kind == wanted).map(|(_, bytes)| bytes);
    let bytes = of(libc::IFA_LOCAL).or_else(|| of(libc::IFA_ADDRESS))?;
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some((index, Prefix { address, length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn veth_addresses_have_no_more_bits_than_their_family() {
        for good in ["198.18.0.1/24", "0.0.0.0/0", "198.18.0.1/32", "fd00::1/64", "::/128"] {
            assert_eq!(good.parse::<Prefix>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "198.18.0.1",
            "198.18.0.1/33",
            "198.18.0/24",
            "fd00::1/129",
            "1.2.3.4/-1",
            "1.2.3.4/+1",
            "a/8",
        ] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bridge_hosts_are_counted_within_the_range() {
        let host = |n| DEFAULT_RANGE.host(n).map(|prefix| prefix.to_string());
        assert_eq!(host(1).as_deref(), Some("198.18.0.1/24"));
        assert_eq!(host(254).as_deref(), Some("198.18.0.254/24"));
        assert_eq!((host(0), host(255), host(256)), (None, None, None));
        let tight: Prefix = "10.0.0.9/30".parse().unwrap();
        assert_eq!(tight.host(2).unwrap().to_string(), "10.0.0.10/30");
        assert_eq!(tight.host(3), None);
        let one: Prefix = "10.0.0.9/32".parse().unwrap();
        assert_eq!(one.host(1), None);
        assert!("0.0.0.0/0".parse::<Prefix>().unwrap().host(u32::MAX - 1).is_some());
    }
}
