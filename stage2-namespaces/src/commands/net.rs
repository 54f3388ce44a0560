//! `stage2-namespaces net`: links, addresses, routes, named namespaces; what ip(8) does, as far as the book needs it.
//!
//! rtnetlink(7), network_namespaces(7), 2009. Book: "net" (`net`).
//! Invariant: every verb that changes a network says which with --in, and changes our own without.

mod configure;
mod names;
mod ping;

use super::table::{Format, Table};
use super::{checked, print};
use crate::net::address::{self, Prefix};
use crate::net::link;
use crate::net::name::HandleName;
use crate::net::socket::Socket;
use crate::nsfs::Namespace;
use crate::{Failure, Kind, Result, failed};
use clap::Subcommand;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  stage2-namespaces net add red                                         a namespace that stays
  stage2-namespaces net veth stage2-a eth0 --to red                     a cable into it
  stage2-namespaces net addr stage2-a 198.18.0.1/24
  stage2-namespaces net addr eth0 198.18.0.2/24 --in red
  stage2-namespaces net up stage2-a
  stage2-namespaces net up eth0 --in red
  stage2-namespaces net ping 198.18.0.2
  stage2-namespaces net delete red                                      and the cable with it
  stage2-namespaces net lab demo                                        two namespaces, a bridge, default routes
  stage2-namespaces net exec stage2-demo1 -- stage2-namespaces net ping 198.18.0.3
  stage2-namespaces net delete --lab demo

As an ordinary user, in a network and with a /run of your own:
  stage2-namespaces run --user --map-root --mount --net -- sh -c 'mount -t tmpfs run /run && exec sh'

Addresses in examples are from 198.18.0.0/15, which nobody routes (RFC 2544).";

/// Networks: named namespaces, links, addresses, routes, ping
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct NetArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(names::AddArgs),
    List(names::ListArgs),
    Exec(names::ExecArgs),
    Delete(names::DeleteArgs),
    Lab(names::LabArgs),
    Veth(configure::VethArgs),
    Bridge(configure::BridgeArgs),
    Addr(configure::AddrArgs),
    Route(configure::RouteArgs),
    Up(configure::UpArgs),
    Show(ShowArgs),
    Ping(ping::PingArgs),
}

/// Does what was asked.
pub fn net(args: &NetArgs) -> Result<u8, Failure> {
    match &args.verb {
        Verb::Add(args) => args.run().map_err(failed),
        Verb::List(args) => args.run().map_err(failed),
        Verb::Exec(args) => args.run(),
        Verb::Delete(args) => args.run().map_err(failed),
        Verb::Lab(args) => args.run().map_err(failed),
        Verb::Veth(args) => args.run().map_err(failed),
        Verb::Bridge(args) => args.run().map_err(failed),
        Verb::Addr(args) => args.run().map_err(failed),
        Verb::Route(args) => args.run().map_err(failed),
        Verb::Up(args) => args.run().map_err(failed),
        Verb::Show(args) => args.run().map_err(failed),
        Verb::Ping(args) => args.run().map_err(failed),
    }
}

/// Which network.
#[derive(Debug, clap::Args)]
struct Where {
    /// In this network: a name that `net list` shows, or a process; without, our own
    #[arg(long = "in", value_name = "NAME|PID", value_parser = checked::<HandleName>)]
    inside: Option<HandleName>,
}

impl Where {
    /// A connection to it.
    fn socket(&self) -> Result<Socket> {
        match &self.inside {
            Some(name) => Socket::open_in(&find(name)?),
            None => Socket::open(),
        }
    }
}

/// A handle of that name; else the process of that number.
fn find(name: &HandleName) -> Result<Namespace> {
    match name.as_str().parse() {
        Ok(pid) if !crate::net::handle::path(name).exists() => Namespace::of(pid, Kind::Net),
        _ => crate::net::handle::open(name),
    }
}

/// Show the links of a network, and their addresses
#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    place: Where,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl ShowArgs {
    fn run(&self) -> Result<u8> {
        let socket = self.place.socket()?;
        let (links, addresses) = (link::list(&socket)?, address::list(&socket)?);
        let mut table = Table::new(&["index", "link", "up", "addresses", "bridge", "peer"]);
        for link in &links {
            let own = addresses.iter().filter(|(index, _)| *index == link.index).map(|(_, prefix)| *prefix);
            let own: Vec<String> = own.map(|prefix: Prefix| prefix.to_string()).collect();
            let bridge =
                links.iter().find(|other| Some(other.index) == link.master).map(|bridge| &bridge.name);
            let (name, up) = (json!(link.name), json!(link.up));
            table.push([json!(link.index), name, up, json!(own), json!(bridge), json!(link.peer)]);
        }
        print(&table.render(self.format))
    }
}
