//! `stage2-namespaces ipc`: make, list and remove the objects that an ipc namespace keeps apart.
//!
//! svipc(7), mq_overview(7). Book: "ipc" (`ipc`).
//! Invariant: a key is made once in a namespace, and removed with all that was made under it.

use super::table::{Format, Table};
use super::{note, print};
use crate::Result;
use crate::ipc::{Object, Present, list, make, remove};
use clap::Subcommand;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  stage2-namespaces ipc make --key 4711
  stage2-namespaces run --ipc -- stage2-namespaces ipc list      nothing of it inside
  stage2-namespaces ipc remove --key 4711";

/// Make, list and remove message queues and shared memory
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct IpcArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a System V queue and a page of shared memory under the key, and the POSIX queue /stage2-KEY
    Make {
        /// The key
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        key: i32,
    },
    /// List all objects of this ipc namespace
    List {
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Remove the three of them
    Remove {
        /// The key
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        key: i32,
    },
}

/// Does it.
pub fn ipc(args: &IpcArgs) -> Result<u8> {
    match &args.verb {
        Verb::Make { key } => make_all(*key),
        Verb::List { format } => show(*format),
        // All three are tried, whichever is missing.
        Verb::Remove { key } => {
            Object::ALL.map(|object| remove(object, *key)).into_iter().collect::<Result<Vec<()>>>().map(|_| 0)
        }
    }
}

/// All three or none.
fn make_all(key: i32) -> Result<u8> {
    for (made, object) in Object::ALL.into_iter().enumerate() {
        make(object, key).inspect_err(|_| {
            Object::ALL[..made].iter().for_each(|before| drop(remove(*before, key)));
        })?;
    }
    Ok(0)
}

fn show(format: Format) -> Result<u8> {
    let (found, posix) = list()?;
    if posix.is_none() {
        note(
            "POSIX queues not listed: their file system is mounted to look at them, which takes root or `run --mount`",
        );
    }
    let mut table = Table::new(&["object", "key"]);
    for Present { object, key } in found.into_iter().chain(posix.into_iter().flatten()) {
        table.push([json!(object.name()), json!(key)]);
    }
    print(&table.render(format))
}
