//! What is asked of network devices and of the names of interfaces.
//!
//! No kernel calls; netdevice(7); config-linux.md, "Network Devices" and "Network". Book: `config`.
//! Invariant: pure; no two devices get one name.

use super::{Findings, namespaces, text};
use crate::config::fault::At;
use crate::config::linux::{Linux, NamespaceKind};
use crate::config::resources::Network;

const RULE: &str = "config-linux.md, Network Devices";
const NAME: &str = "netdevice(7)";

pub(super) fn devices(linux: &Linux, at: At<'_>, found: &mut Findings) {
    if !linux.net_devices.is_empty() {
        namespaces::needs(linux, NamespaceKind::Network, &at, RULE, found);
    }
    let mut taken = Vec::new();
    for (outside, device) in &linux.net_devices {
        let at = at.key(outside);
        if let Some(fault) = text::interface(outside) {
            found.refuse(&at, format!("the name {outside:?} {fault}"), NAME);
        }
        let inside = device.name.as_deref().unwrap_or(outside);
        let template = inside.contains('%');
        if let Some(fault) = device.name.as_deref().and_then(renamed) {
            found.refuse(&at.key("name"), format!("{inside:?} {fault}"), NAME);
        } else if !template && taken.contains(&inside) {
            found.refuse(&at.key("name"), format!("{inside:?} is another device's name already"), RULE);
        }
        taken.push(inside);
    }
}

/// net/core/dev.c, __dev_alloc_name(): `%d` once, and no other `%`.
fn renamed(name: &str) -> Option<&'static str> {
    let fault = text::interface(name);
    fault.or_else(|| match name.split('%').collect::<Vec<_>>()[..] {
        [_] => None,
        [_, rest] if rest.starts_with('d') => None,
        _ => Some("holds a % that is not the only %d"),
    })
}

/// Class and priorities of packets.
pub(super) fn priorities(network: &Network, at: At<'_>, found: &mut Findings) {
    let at = at.key("priorities");
    for (number, priority) in network.priorities.iter().enumerate() {
        if let Some(fault) = text::interface(&priority.name) {
            found.refuse(&at.index(number).key("name"), format!("{:?} {fault}", priority.name), NAME);
        }
    }
}
