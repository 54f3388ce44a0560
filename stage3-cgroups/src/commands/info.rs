//! `stage3-cgroups info`: the layout, where we are in it, and what we may do.
//!
//! /proc/self/mountinfo, /proc/self/cgroup, statfs(2), faccessat(2). Book: "Version 1, hybrid, version 2" (`info`).
//! Invariant: only reads.

use super::{note, print};
use crate::Result;
use crate::controller::TABLE;
use crate::delegation::{DELEGATE, Home, grants};
use crate::layout::{Base, Kind, Layout, Version};
use serde_json::{Value, json};
use stage2_namespaces::commands::table::{Format, Table};

const AFTER: &str = "\
Columns:
  here        the group we are in
  make        may we make groups below BASE?
  reaches     does the controller reach groups there? In version 2 the group above must hand it down";

/// Show the layout, where each controller lives, and what we may do with it
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct InfoArgs {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints it.
pub fn info(args: &InfoArgs) -> Result<u8> {
    let layout = Layout::read()?;
    let mut table =
        Table::new(&["controller", "version", "make", "reaches", "base", "here", "purpose", "mount"]);
    for grant in grants(&layout, Base::fitting(&layout)) {
        let facts = &TABLE[grant.controller as usize];
        let of = |value: fn(&Home) -> Value| grant.home.as_ref().map_or(Value::Null, value);
        table.push([
            json!(grant.controller.name(layout.version(grant.controller).unwrap_or(Version::V1))),
            of(|home| json!(if home.version == Version::V1 { 1 } else { 2 })),
            of(|home| json!(home.make)),
            of(|home| json!(home.handed_down)),
            of(|home| json!(home.base)),
            of(|home| json!(home.here)),
            json!(facts.purpose),
            of(|home| json!(home.mount)),
        ]);
    }
    let heading = match args.format {
        Format::Table => format!("layout: {}\n", layout.kind()),
        Format::Json => String::new(),
    };
    print(&(heading + &table.render(args.format)))?;
    advise(&layout);
    Ok(0)
}

fn advise(layout: &Layout) {
    let grants = grants(layout, Base::fitting(layout));
    let any = |is_so: fn(&Home) -> bool| grants.iter().any(|grant| grant.home.as_ref().is_some_and(is_so));
    match layout.kind() {
        Kind::None => {
            note("no control groups are mounted here: mount -t cgroup2 none /sys/fs/cgroup, as root")
        }
        _ if !any(|home| home.make) => note(DELEGATE),
        _ if any(|home| home.make && home.held) => note(
            "BASE holds processes itself, and so can hand no controller down (version 2); let them step aside: \
             stage3-cgroups create stage3-leaf && stage3-cgroups attach stage3-leaf $$",
        ),
        _ => (),
    }
}
