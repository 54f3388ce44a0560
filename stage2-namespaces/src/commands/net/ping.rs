//! `net ping`: is somebody there?
//!
//! icmp(7). Book: "A veth pair" (`veth`).
//! Invariant: ends after COUNT requests, each of which takes at most TIMEOUT.

use crate::Result;
use crate::commands::{print, with_advice};
use crate::net::ping::{Echo, Ping, target};
use std::net::IpAddr;
use std::time::Duration;

/// Send echo requests; the status is 0 if any was answered, 1 if none
#[derive(Debug, clap::Args)]
pub struct PingArgs {
    /// The address
    #[arg(value_parser = |text: &str| target(text).map_err(with_advice))]
    address: IpAddr,

    /// How many requests
    #[arg(long, short = 'c', default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    count: u16,

    /// Seconds to wait for each answer
    // More than one: a link just switched on may drop the first ARP request, which is repeated after a second.
    #[arg(long, short = 'W', default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
}

impl PingArgs {
    pub fn run(&self) -> Result<u8> {
        let ping = Ping::open(self.address, Duration::from_secs(self.timeout))?;
        let mut replies = 0;
        for sequence in 1..=self.count {
            let told = match ping.echo(sequence)? {
                Echo::Reply(after) => {
                    replies += 1;
                    format!("reply after {:.3} ms", after.as_secs_f64() * 1000.0)
                }
                Echo::Silence => format!("no reply within {} s", self.timeout),
                Echo::Unreachable(errno) => format!("unreachable: {}", stage1_chroot::describe(errno)),
            };
            print(&format!("{} {sequence}: {told}\n", self.address))?;
        }
        Ok(u8::from(replies == 0))
    }
}
