//! The network namespace: links, addresses, routes, and names for namespaces that outlive their processes.
//!
//! rtnetlink(7), veth(4), network_namespaces(7); Linux 2.6.29, 2009. Book: "net" (`net`).
//! Invariant: the kernel is asked by netlink, and every request is acknowledged before the next.

pub mod address;
pub mod handle;
pub mod lab;
pub mod link;
pub mod name;
pub mod ping;
pub mod route;
pub mod socket;
pub mod visit;
mod wire;
