//! Routes.
//!
//! RTM_NEWROUTE, rtnetlink(7). Book: "A bridge and a default route" (`bridge`).
//! Invariant: destination and gateway are of one family.

use super::address::{Prefix, family};
use super::socket::Socket;
use super::wire::Message;
use crate::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Sends what is for `destination` to `gateway`; None is the default route, for whatever no other is for.
pub fn add(socket: &Socket, destination: Option<Prefix>, gateway: IpAddr) -> Result<()> {
    let destination = destination.unwrap_or_else(|| everything(gateway));
    if destination.address.is_ipv4() != gateway.is_ipv4() {
        return Err(Error::refused(format!("{gateway} is no gateway for {destination}"))
            .with_hint("both are IPv4 or both are IPv6"));
    }
    let (family, gateway_bytes) = family(gateway);
    let length = destination.length;
    // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags.
    let fixed = [
        [family, length, 0, 0],
        [libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST],
        [0; 4],
    ]
    .concat();
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let mut message = Message::new(libc::RTM_NEWROUTE, flags, &fixed).with(libc::RTA_GATEWAY, &gateway_bytes);
    if length > 0 {
        message = message.with(libc::RTA_DST, &super::address::family(destination.address).1);
    }
    socket.ask(&format!("netlink(RTM_NEWROUTE {destination} via {gateway})"), message)
}

fn everything(like: IpAddr) -> Prefix {
    let address = match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    Prefix { address, length: 0 }
}
