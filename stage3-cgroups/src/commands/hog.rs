//! `stage3-cgroups hog`: take as much as there is.
//!
//! Book: "The program that eats" (`hog`).
//! Invariant: every bound has an upper bound.

use super::{checked, print, seconds};
use crate::limits::Bytes;
use crate::{Error, Result, hog};
use clap::Subcommand;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  stage3-cgroups run --memory 50M --swap 0 -- stage3-cgroups hog memory
  stage3-cgroups run --cpus 0.5 -- stage3-cgroups hog cpu --seconds 2
  stage3-cgroups run --pids 10 -- stage3-cgroups hog pids";

/// Take as much as there is, up to a bound
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct HogArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Memory, 10 MB at a time
    Memory {
        /// Stop here, at most 4G
        #[arg(long, value_name = "BYTES", default_value = "200M", value_parser = up_to_4_g)]
        most: u64,
        /// Wait so long after each step
        #[arg(long, value_name = "SECONDS", default_value = "0.05", value_parser = seconds)]
        pause: Duration,
    },
    /// Processor time
    Cpu {
        /// For so long
        #[arg(long, default_value = "2", value_parser = seconds)]
        seconds: Duration,
        /// On so many processors
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
        threads: u16,
    },
    /// Processes
    Pids {
        /// Stop here
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=5000))]
        most: u16,
        /// Keep them so long
        #[arg(long, value_name = "SECONDS", default_value = "0.1", value_parser = seconds)]
        hold: Duration,
    },
    /// Writes to a disk
    Io {
        /// Where; on a disk
        #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
        dir: PathBuf,
        /// So many, at most 4G
        #[arg(long, value_name = "BYTES", default_value = "8M", value_parser = up_to_4_g)]
        bytes: u64,
    },
    /// Open files
    Fd {
        /// Stop here
        #[arg(long, value_name = "COUNT", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        most: u32,
    },
}

fn up_to_4_g(text: &str) -> Result<u64, String> {
    let Bytes(bytes) = checked(text)?;
    if bytes <= 4 << 30 { Ok(bytes) } else { Err("a hog takes 4G at most".to_owned()) }
}

/// Takes it.
pub fn hog(args: &HogArgs) -> Result<u8> {
    let mut unsaid: Option<Error> = None;
    let mut tell = |line: &str| {
        if let Err(error) = print(&format!("{line}\n")) {
            unsaid.get_or_insert(error);
        }
    };
    match &args.what {
        What::Memory { most, pause } => hog::memory(*most, *pause, &mut tell),
        What::Cpu { seconds, threads } => hog::cpu(usize::from(*threads), *seconds, &mut tell),
        What::Pids { most, hold } => hog::pids(usize::from(*most), *hold, &mut tell),
        What::Io { dir, bytes } => hog::io(dir, *bytes, &mut tell),
        What::Fd { most } => hog::fd(*most as usize, &mut tell),
    }?;
    unsaid.map_or(Ok(0), Err)
}
