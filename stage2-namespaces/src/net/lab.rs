//! A network to try things in: two namespaces, a bridge between them, and the host as their router.
//!
//! veth(4), bridges and routes by rtnetlink(7). Book: "A bridge and a default route" (`bridge`).
//! Invariant: all names follow from the lab's name, so that it can be removed from any half-made state.
//!
//! ```text
//!   namespace stage2-NAME1           host              namespace stage2-NAME2
//!   eth0 .2  ════ stage2-NAME1 ═ bridge stage2-NAME ═ stage2-NAME2 ════  .3 eth0
//!   default via .1                   .1                      default via .1
//! ```

use super::address::{self, Prefix};
use super::handle;
use super::link::{self, Link};
use super::name::{HandleName, LinkName};
use super::route;
use super::socket::Socket;
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// How many namespaces a lab has.
const HOSTS: u32 = 2;

/// A lab's name: 1 to 7 lower case letters and digits, not ending in a digit, so that the names of its links differ
/// from those of all other labs, and fit into 15 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lab {
    bridge: LinkName,
}

impl FromStr for Lab {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if text.is_empty() || text.len() > 7 || !plain || text.ends_with(|c: char| c.is_ascii_digit()) {
            return Err(Error::refused(format!("{text:?} is no name for a lab"))
                .with_hint("1 to 7 lower case letters and digits, the last one a letter"));
        }
        Ok(Lab { bridge: format!("stage2-{text}").parse()? })
    }
}

impl fmt::Display for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bridge.fmt(f)
    }
}

impl Lab {
    /// The handle and, of the same name, the port of the `n`th host; `n` begins with 1.
    fn host(&self, n: u32) -> Result<(HandleName, LinkName)> {
        let name = format!("{}{n}", self.bridge);
        Ok((name.parse()?, name.parse()?))
    }

    /// Builds it all in `range`: the host's side is its first address. On an error all of it is gone again.
    pub fn build(&self, range: Prefix) -> Result<()> {
        let gateway = address_in(range, 1)?;
        address_in(range, 1 + HOSTS)?;
        let socket = Socket::open()?;
        // What is there already is not ours to remove: this comes before anything of ours.
        self.refuse_what_is_there(&socket)?;
        link::add_bridge(&socket, &self.bridge)?;
        self.furnish(&socket, range, gateway).inspect_err(|_| {
            // The first error is the one to tell.
            self.delete().ok();
        })
    }

    fn refuse_what_is_there(&self, socket: &Socket) -> Result<()> {
        let links = link::list(socket)?;
        for n in 1..=HOSTS {
            let (handle, port) = self.host(n)?;
            let taken = links.iter().any(|link| link.name == port.as_str());
            let what = match (handle::is_there(&handle), taken) {
                (true, _) => format!("a namespace {handle}"),
                (_, true) => format!("a link {port}"),
                (false, false) => continue,
            };
            return Err(Error::refused(format!("{what} is there already")).with_hint(format!(
                "another lab, or what is left of one: `net delete --lab {}` removes all that has its names",
                self.name()
            )));
        }
        Ok(())
    }

    /// As it was asked for, without the prefix of all that is ours.
    fn name(&self) -> &str {
        self.bridge.as_str().trim_start_matches("stage2-")
    }

    fn furnish(&self, socket: &Socket, range: Prefix, gateway: Prefix) -> Result<()> {
        let bridge = link::find(socket, &self.bridge)?;
        address::add(socket, &bridge, gateway)?;
        link::up(socket, &bridge)?;
        for n in 1..=HOSTS {
            self.attach(socket, &bridge, n, address_in(range, n + 1)?, gateway)?;
        }
        Ok(())
    }

    /// One namespace, its cable, its plug in the bridge, its address, its way out.
    fn attach(&self, socket: &Socket, bridge: &Link, n: u32, own: Prefix, gateway: Prefix) -> Result<()> {
        let (handle, port) = self.host(n)?;
        let inner: LinkName = "eth0".parse()?;
        handle::add(&handle)?;
        let namespace = handle::open(&handle)?;
        link::add_veth(socket, &port, &inner, Some(&namespace))?;
        let port = link::find(socket, &port)?;
        link::plug(socket, &port, bridge)?;
        link::up(socket, &port)?;
        let inside = Socket::open_in(&namespace)?;
        link::up(&inside, &link::find(&inside, &"lo".parse()?)?)?;
        let eth0 = link::find(&inside, &inner)?;
        address::add(&inside, &eth0, own)?;
        link::up(&inside, &eth0)?;
        route::add(&inside, None, gateway.address)
    }

    /// Removes whatever of it is there; what that was. Nothing left is no error.
    pub fn delete(&self) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        let socket = Socket::open()?;
        for n in 1..=HOSTS {
            let (handle, port) = self.host(n)?;
            removed.extend(unlink(&socket, &port)?);
            if handle::is_there(&handle) {
                handle::delete(&handle)?;
                removed.push(format!("namespace {handle}"));
            }
        }
        removed.extend(unlink(&socket, &self.bridge)?);
        Ok(removed)
    }
}

fn unlink(socket: &Socket, name: &LinkName) -> Result<Option<String>> {
    let Some(found) = link::list(socket)?.into_iter().find(|link| link.name == name.as_str()) else {
        return Ok(None);
    };
    link::delete(socket, &found).map(|()| Some(format!("link {name}")))
}

fn address_in(range: Prefix, n: u32) -> Result<Prefix> {
    range.host(n).ok_or_else(|| {
        Error::refused(format!("{range} has no room for a lab"))
            .with_hint(format!("an IPv4 range with {} addresses for hosts, as 198.18.0.0/24", HOSTS + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridge_labs_have_names_that_cannot_meet() {
        for bad in ["", "a1", "A", "a-b", "abcdefgh", "../a", "ä"] {
            assert!(bad.parse::<Lab>().is_err(), "{bad:?}");
        }
        let lab: Lab = "abcdefg".parse().unwrap();
        assert_eq!(lab.to_string(), "stage2-abcdefg");
        assert_eq!(lab.host(2).unwrap().1.as_str(), "stage2-abcdefg2");
    }
}
