//! Links of the host's that become the container's.
//!
//! RTM_NEWLINK with IFLA_NET_NS_FD, rtnetlink(7), Linux 2.6.29 2009; config-linux.md, "Network Devices".
//! Book: "Network devices" (`network-devices`).
//! Invariant: all are handed over, or none; addresses that were to last are there again, and every link is up.

use crate::config::Linux;
use crate::{Error, Result};
use nix::errno::Errno;
use stage2_namespaces::Kind;
use stage2_namespaces::net::address::{self, Told};
use stage2_namespaces::net::link::{self, Link};
use stage2_namespaces::net::socket::Socket;
use stage2_namespaces::nsfs::Namespace;

/// A link that has been handed over, and how it was before.
#[derive(Debug)]
pub struct Moved {
    before: Link,
    addresses: Vec<Told>,
    now: Link,
}

/// Hands over every link of `linux.netDevices` from our network namespace to `there`.
///
/// Returned is what [`take_back`] needs where the container fails later on; once it has been created its links are its
/// own, and go where its namespace goes (config-linux.md, Network Devices).
///
/// # Errors
/// There is no link of that name here, or one of the new name there: then none has been handed over.
pub fn hand_over(linux: &Linux, there: &Namespace) -> Result<Vec<Moved>> {
    if linux.net_devices.is_empty() {
        return Ok(Vec::new());
    }
    let (here, inside) = (Socket::open()?, Socket::open_in(there)?);
    let mut moved = Vec::new();
    for (name, device) in &linux.net_devices {
        let new_name = device.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(name);
        let one = find(&here, name).and_then(|link| hand_over_one(&here, &inside, there, link, new_name));
        match one {
            Ok(one) => moved.push(one),
            Err(error) => {
                take_back(moved, there)?;
                let hint = error.hint().map_or(String::new(), |hint| format!(": {hint}"));
                return Err(error.with_hint(format!("linux.netDevices[{name:?}]{hint}")));
            }
        }
    }
    Ok(moved)
}

fn find(socket: &Socket, name: &str) -> Result<Link> {
    link::list(socket)?.into_iter().find(|link| link.name == name).ok_or_else(|| {
        Error::call(format!("netlink(RTM_GETLINK {name})"), Errno::ENODEV)
            .with_hint("there is no link of that name in the runtime's network namespace")
    })
}

fn hand_over_one(
    here: &Socket,
    inside: &Socket,
    there: &Namespace,
    before: Link,
    name: &str,
) -> Result<Moved> {
    let addresses = address::permanent(here, &before)?;
    let known = link::list(inside)?;
    if known.iter().any(|link| link.name == name) {
        let error =
            Error::call(format!("netlink(RTM_NEWLINK {} netns, name {name})", before.name), Errno::EEXIST);
        return Err(error.with_hint("the container has a link of that name already"));
    }
    let handed = link::hand_over(here, &before, there, name);
    // Its number may be another one there, and the kernel may have chosen its name: it is the one that was not there.
    // It may have come although its name was refused.
    let is_new = |link: &Link| !known.iter().any(|known| known.index == link.index);
    let arrived =
        link::list(inside)?.into_iter().find(|link| is_new(link) && is_any(&link.name, [name, &before.name]));
    let Some(now) = arrived else {
        let lost = format!("the link {:?} has not arrived in the container's network namespace", before.name);
        return Err(handed.err().unwrap_or_else(|| Error::refused(lost)));
    };
    let moved = Moved { before, addresses, now };
    match handed.and_then(|()| moved.furnish(inside, &moved.now, true)) {
        Ok(()) => Ok(moved),
        Err(error) => {
            take_back(vec![moved], there)?;
            Err(error)
        }
    }
}

fn is_any(name: &str, templates: [&str; 2]) -> bool {
    templates.iter().any(|template| is_named(name, template))
}

/// `eth%d` is what the kernel makes `eth0` of.
fn is_named(name: &str, template: &str) -> bool {
    match template.split_once("%d") {
        None => name == template,
        Some((front, back)) => name
            .strip_prefix(front)
            .and_then(|rest| rest.strip_suffix(back))
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())),
    }
}

impl Moved {
    /// Its addresses, before it is seen; then up, as asked.
    fn furnish(&self, socket: &Socket, link: &Link, up: bool) -> Result<()> {
        for told in &self.addresses {
            match address::give(socket, link, told) {
                // An IPv6 address may have stayed: net.ipv6.conf.*.keep_addr_on_down.
                Err(error) if error.errno() == Some(Errno::EEXIST) => (),
                other => other?,
            }
        }
        if up { link::up(socket, link) } else { Ok(()) }
    }
}

/// Back to our network namespace, with name, addresses and state as before.
pub fn take_back(moved: Vec<Moved>, there: &Namespace) -> Result<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let (inside, here) = (Socket::open_in(there)?, Socket::open()?);
    let ours = Namespace::own(Kind::Net)?;
    for one in moved.into_iter().rev() {
        link::hand_over(&inside, &one.now, &ours, &one.before.name)?;
        let link = find(&here, &one.before.name)?;
        one.furnish(&here, &link, one.before.up)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn network_devices_of_a_template_are_known_by_their_number() {
        assert!(is_named("eth0", "eth%d") && is_named("a12b", "a%db") && is_named("x", "x"));
        assert!(!is_named("eth", "eth%d") && !is_named("ethx", "eth%d") && !is_named("y", "x"));
    }
}
