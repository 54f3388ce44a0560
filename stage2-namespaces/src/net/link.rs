//! Links: what `lo`, a veth pair and a bridge have in common.
//!
//! RTM_NEWLINK, RTM_GETLINK, rtnetlink(7); veth(4), Linux 2.6.24, 2008; bridges, 2.2. Book: "A veth pair" (`veth`).
//! Invariant: a link is found by name once, and changed by index: a name may be given away meanwhile.

use super::name::LinkName;
use super::socket::Socket;
use super::wire::{Message, attributes, u32_at};
use crate::nsfs::Namespace;
use crate::{Error, Result};
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd};

/// A link that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Switched on (IFF_UP).
    pub up: bool,
    /// The number of the bridge it is a port of.
    pub master: Option<u32>,
    /// The number of its other end, which may be in another namespace.
    pub peer: Option<u32>,
}

/// `struct ifinfomsg`: family, type, index, flags, and which flags are meant.
fn ifinfomsg(index: u32, flags: i32, change: i32) -> Vec<u8> {
    [[0; 4], index.to_ne_bytes(), flags.to_ne_bytes(), change.to_ne_bytes()].concat()
}

const CHANGE: i32 = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
const CREATE: i32 = CHANGE | libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// linux/veth.h; libc has no name for it.
const VETH_INFO_PEER: u16 = 1;

// ANCHOR: veth
/// Makes a pair of links, two ends of one cable: `name` here, `peer` in `there` or here, too.
///
/// Born in its namespace the peer is never seen in ours; in two steps another could take its name in between.
pub fn add_veth(socket: &Socket, name: &LinkName, peer: &LinkName, there: Option<&Namespace>) -> Result<()> {
    let place = |message: Message| match there {
        Some(there) => message.with(libc::IFLA_NET_NS_FD, &there.as_fd().as_raw_fd().to_ne_bytes()),
        None => message,
    };
    let message = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfomsg(0, 0, 0))
        .with_text(libc::IFLA_IFNAME, name.as_str())
        .nest(libc::IFLA_LINKINFO, |info| {
            info.with_text(libc::IFLA_INFO_KIND, "veth").nest(libc::IFLA_INFO_DATA, |data| {
                data.nest(VETH_INFO_PEER, |end| {
                    place(end.raw(&ifinfomsg(0, 0, 0)).with_text(libc::IFLA_IFNAME, peer.as_str()))
                })
            })
        });
    socket.ask(&format!("netlink(RTM_NEWLINK veth {name} peer {peer})"), message)
}
// ANCHOR_END: veth

// ANCHOR: bridge
/// Makes a bridge: a switch with no ports yet.
pub fn add_bridge(socket: &Socket, name: &LinkName) -> Result<()> {
    let message = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfomsg(0, 0, 0))
        .with_text(libc::IFLA_IFNAME, name.as_str())
        .nest(libc::IFLA_LINKINFO, |info| info.with_text(libc::IFLA_INFO_KIND, "bridge"));
    socket.ask(&format!("netlink(RTM_NEWLINK bridge {name})"), message)
}

/// Plugs `port` into `bridge`.
pub fn plug(socket: &Socket, port: &Link, bridge: &Link) -> Result<()> {
    let message = Message::new(libc::RTM_NEWLINK, CHANGE, &ifinfomsg(port.index, 0, 0))
        .with(libc::IFLA_MASTER, &bridge.index.to_ne_bytes());
    socket.ask(&format!("netlink(RTM_NEWLINK {} master {})", port.name, bridge.name), message)
}
// ANCHOR_END: bridge

// ANCHOR: net
/// Switches `link` on.
pub fn up(socket: &Socket, link: &Link) -> Result<()> {
    let message = Message::new(libc::RTM_NEWLINK, CHANGE, &ifinfomsg(link.index, libc::IFF_UP, libc::IFF_UP));
    socket.ask(&format!("netlink(RTM_NEWLINK {} up)", link.name), message)
}
// ANCHOR_END: net

/// Gives `link` to the network namespace `there`, where it is called `name`; with `%d` in it the kernel finds a number.
///
/// It is switched off on the way and loses its addresses ([`super::address::permanent`]).
///
/// # Errors
/// EINVAL: it belongs to its namespace for good, as `lo` and bridges do; EEXIST: there is one of that name there. Then it
/// may be there all the same, by its old name: the kernel moves first and renames afterwards.
pub fn hand_over(socket: &Socket, link: &Link, there: &Namespace, name: &str) -> Result<()> {
    let message = Message::new(libc::RTM_NEWLINK, CHANGE, &ifinfomsg(link.index, 0, 0))
        .with_text(libc::IFLA_IFNAME, name)
        .with(libc::IFLA_NET_NS_FD, &there.as_fd().as_raw_fd().to_ne_bytes());
    socket.ask(&format!("netlink(RTM_NEWLINK {} netns, name {name})", link.name), message)
}

/// Removes `link`; of a veth pair the other end goes with it.
pub fn delete(socket: &Socket, link: &Link) -> Result<()> {
    let message = Message::new(libc::RTM_DELLINK, CHANGE, &ifinfomsg(link.index, 0, 0));
    socket.ask(&format!("netlink(RTM_DELLINK {})", link.name), message)
}

/// Every link of the namespace.
pub fn list(socket: &Socket) -> Result<Vec<Link>> {
    let mut found = Vec::new();
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
    let request = Message::new(libc::RTM_GETLINK, flags, &ifinfomsg(0, 0, 0));
    socket.dump("netlink(RTM_GETLINK)", request, |answer| found.extend(read(answer.body)))?;
    Ok(found)
}

/// The link called `name`.
pub fn find(socket: &Socket, name: &LinkName) -> Result<Link> {
    list(socket)?.into_iter().find(|link| link.name == name.as_str()).ok_or_else(|| {
        Error::call(format!("netlink(RTM_GETLINK {name})"), Errno::ENODEV)
            .with_hint("there is no link of that name in this network namespace; `net show` lists them")
    })
}

fn read(body: &[u8]) -> Option<Link> {
    let (index, flags) = (u32_at(body, 4)?, u32_at(body, 8)?);
    let mut link =
        Link { index, name: String::new(), up: flags & libc::IFF_UP as u32 != 0, master: None, peer: None };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            libc::IFLA_IFNAME => link.name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
            libc::IFLA_MASTER => link.master = u32_at(value, 0),
            libc::IFLA_LINK => link.peer = u32_at(value, 0),
            _ => (),
        }
    }
    Some(link)
}
