//! `net veth`, `bridge`, `addr`, `route` and `up`: one netlink request each.
//!
//! rtnetlink(7). Book: "A veth pair" (`veth`), "A bridge and a default route" (`bridge`).
//! Invariant: each does one thing, or nothing.

use super::{Where, find};
use crate::Result;
use crate::commands::checked;
use crate::net::address::{self, Prefix};
use crate::net::name::{HandleName, LinkName};
use crate::net::{link, route};
use std::net::IpAddr;

/// Make a pair of links, the two ends of a cable
#[derive(Debug, clap::Args)]
pub struct VethArgs {
    /// This end
    #[arg(value_parser = checked::<LinkName>)]
    name: LinkName,
    /// The other end
    #[arg(value_parser = checked::<LinkName>)]
    peer: LinkName,

    /// Put the other end into this network
    #[arg(long, value_name = "NAME|PID", value_parser = checked::<HandleName>)]
    to: Option<HandleName>,

    #[command(flatten)]
    place: Where,
}

impl VethArgs {
    pub fn run(&self) -> Result<u8> {
        let there = self.to.as_ref().map(find).transpose()?;
        link::add_veth(&self.place.socket()?, &self.name, &self.peer, there.as_ref()).map(|()| 0)
    }
}

/// Make a bridge, or plug links into one that is there
#[derive(Debug, clap::Args)]
pub struct BridgeArgs {
    /// The bridge
    #[arg(value_parser = checked::<LinkName>)]
    name: LinkName,

    /// Plug these links into it; it and they are there already
    #[arg(long, value_name = "LINK", num_args = 1.., value_parser = checked::<LinkName>)]
    plug: Vec<LinkName>,

    #[command(flatten)]
    place: Where,
}

impl BridgeArgs {
    pub fn run(&self) -> Result<u8> {
        let socket = self.place.socket()?;
        if self.plug.is_empty() {
            link::add_bridge(&socket, &self.name)?;
            return Ok(0);
        }
        let bridge = link::find(&socket, &self.name)?;
        for port in &self.plug {
            link::plug(&socket, &link::find(&socket, port)?, &bridge)?;
        }
        Ok(0)
    }
}

/// Give a link an address
#[derive(Debug, clap::Args)]
pub struct AddrArgs {
    /// The link
    #[arg(value_parser = checked::<LinkName>)]
    link: LinkName,
    /// The address and the bits of its network
    #[arg(value_name = "ADDRESS/BITS", value_parser = checked::<Prefix>)]
    address: Prefix,

    #[command(flatten)]
    place: Where,
}

impl AddrArgs {
    pub fn run(&self) -> Result<u8> {
        let socket = self.place.socket()?;
        address::add(&socket, &link::find(&socket, &self.link)?, self.address).map(|()| 0)
    }
}

/// Add a route
#[derive(Debug, clap::Args)]
pub struct RouteArgs {
    /// `default`, or a network as ADDRESS/BITS
    #[arg(value_parser = destination)]
    destination: Destination,

    /// The gateway
    #[arg(long, value_name = "ADDRESS")]
    via: IpAddr,

    #[command(flatten)]
    place: Where,
}

/// None is the default route; clap would take a plain Option for an argument that may be left out.
#[derive(Debug, Clone, Copy)]
struct Destination(Option<Prefix>);

fn destination(text: &str) -> Result<Destination, String> {
    match text {
        "default" => Ok(Destination(None)),
        network => checked(network).map(|prefix| Destination(Some(prefix))),
    }
}

impl RouteArgs {
    pub fn run(&self) -> Result<u8> {
        route::add(&self.place.socket()?, self.destination.0, self.via).map(|()| 0)
    }
}

/// Switch a link on
#[derive(Debug, clap::Args)]
pub struct UpArgs {
    /// The link
    #[arg(value_parser = checked::<LinkName>)]
    link: LinkName,

    #[command(flatten)]
    place: Where,
}

impl UpArgs {
    pub fn run(&self) -> Result<u8> {
        let socket = self.place.socket()?;
        link::up(&socket, &link::find(&socket, &self.link)?).map(|()| 0)
    }
}
