//! `net add`, `list`, `exec`, `delete` and `lab`: networks that have names.
//!
//! ip-netns(8). Book: "net" (`net`), "A bridge and a default route" (`bridge`).
//! Invariant: what `add` or `lab` made, `delete` removes wholly.

use crate::commands::table::{Format, Table};
use crate::commands::{Inherit, become_command, checked, note, prepare, print};
use crate::net::address::{DEFAULT_RANGE, Prefix};
use crate::net::lab::Lab;
use crate::net::name::{HandleName, LinkName};
use crate::net::socket::Socket;
use crate::net::{handle, link, visit};
use crate::{Failure, Result, failed};
use serde_json::json;
use std::ffi::OsString;

/// Make a network namespace that stays without processes
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// Its name, below /run/netns
    #[arg(value_parser = checked::<HandleName>)]
    name: HandleName,
}

impl AddArgs {
    pub fn run(&self) -> Result<u8> {
        handle::add(&self.name).map(|()| 0)
    }
}

/// List the names of network namespaces
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl ListArgs {
    pub fn run(&self) -> Result<u8> {
        let mut table = Table::new(&["name", "inode"]);
        for name in handle::list()? {
            // A name that stands for nothing, or is another's to look at, is a name all the same.
            let inode = handle::open(&name).ok().map(|namespace| namespace.inode());
            table.push([json!(name.as_str()), json!(inode)]);
        }
        print(&table.render(self.format))
    }
}

/// Run a command in a named network, with a /sys that shows it
#[derive(Debug, clap::Args)]
#[command(override_usage = "stage2-namespaces net exec <NAME> [--] <CMD>...")]
pub struct ExecArgs {
    /// The name
    #[arg(value_parser = checked::<HandleName>)]
    name: HandleName,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl ExecArgs {
    pub fn run(&self) -> Result<u8, Failure> {
        let command = prepare(&self.command, Inherit::Everything).map_err(failed)?;
        visit::enter(&self.name).map_err(failed)?;
        become_command(&command, Inherit::Everything)
    }
}

/// Remove a named network, a lab or a link
#[derive(Debug, clap::Args)]
pub struct DeleteArgs {
    /// The network's name
    #[arg(required_unless_present_any = ["lab", "link"], conflicts_with_all = ["lab", "link"],
        value_parser = checked::<HandleName>)]
    name: Option<HandleName>,

    /// Remove all that `net lab NAME` made, or what is left of it; nothing left is no error
    #[arg(long, value_name = "NAME", value_parser = checked::<Lab>)]
    lab: Option<Lab>,

    /// Remove this link, and with an end of a cable its other end
    #[arg(long, value_name = "LINK", conflicts_with = "lab", value_parser = checked::<LinkName>)]
    link: Option<LinkName>,
}

impl DeleteArgs {
    pub fn run(&self) -> Result<u8> {
        if let Some(name) = &self.name {
            handle::delete(name)?;
        }
        if let Some(lab) = &self.lab {
            match lab.delete()? {
                removed if removed.is_empty() => note("nothing of it was there"),
                removed => note(&format!("removed {}", removed.join(", "))),
            }
        }
        if let Some(name) = &self.link {
            let socket = Socket::open()?;
            link::delete(&socket, &link::find(&socket, name)?)?;
        }
        Ok(0)
    }
}

/// Build two networks, joined by a bridge, with a default route to the host
///
/// Names: stage2-NAME1 and stage2-NAME2, the bridge stage2-NAME. Remove it with `net delete --lab NAME`.
#[derive(Debug, clap::Args)]
pub struct LabArgs {
    /// 1 to 7 lower case letters and digits, the last one a letter
    #[arg(value_parser = checked::<Lab>)]
    name: Lab,

    /// Addresses to use; the first is the host's
    #[arg(long, value_name = "ADDRESS/BITS", default_value_t = DEFAULT_RANGE, value_parser = checked::<Prefix>)]
    range: Prefix,
}

impl LabArgs {
    pub fn run(&self) -> Result<u8> {
        self.name.build(self.range).map(|()| 0)
    }
}
