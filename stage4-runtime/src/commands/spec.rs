//! `spec`: a config.json to begin with.
//!
//! open(2), O_EXCL. Book: "A bundle" (`bundle`).
//! Invariant: a file that is there is never written over, and what is written has passed every check.

use super::Desk;
use crate::bundle::CONFIG;
use crate::config::edit::{self, Assignment, Edits};
use crate::config::spec;
use crate::log::Level;
use crate::{Error, Result};
use nix::unistd::{getegid, geteuid};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

const AFTER: &str = "\
PATH is written as errors write it. In brackets is an entry of an array: by its number, by its
name (its text, destination, type, path or name), or + for one more behind the last.
VALUE is JSON; what is none is taken as a text. First is removed, then set, each as typed.

Examples:
  stage4-runtime spec --bundle box                                 a shell, with a terminal
  stage4-runtime spec -- probe facts                               a command, without one
  stage4-runtime spec --set hostname=box --set root.readonly=false
  stage4-runtime spec --set linux.resources.memory.limit=52428800
  stage4-runtime spec --remove 'linux.namespaces[network]' --remove linux.seccomp
  stage4-runtime spec --set 'linux.namespaces[network].path=/proc/1234/ns/net'
  stage4-runtime spec --set 'mounts[+]={\"destination\": \"/tmp\", \"type\": \"tmpfs\"}'
  stage4-runtime spec --set 'linux.sysctl[\"net.ipv4.ip_forward\"]=\"1\"'";

/// Write a config.json to begin with
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct SpecArgs {
    /// The directory that it is written to
    #[arg(long, short, default_value = ".", value_name = "DIR", hide_default_value = true)]
    bundle: PathBuf,
    /// For an ordinary user, who is root inside
    #[arg(long)]
    rootless: bool,
    /// Set a property (repeat for more)
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Assignment>,
    /// Remove a property or an entry (repeat for more)
    #[arg(long, value_name = "PATH")]
    remove: Vec<edit::Path>,
    /// What is run instead of a shell, and without a terminal
    #[arg(last = true)]
    command: Vec<String>,
}

pub(super) fn spec(desk: &Desk, args: &SpecArgs) -> Result<u8> {
    let config = match args.rootless {
        true => spec::rootless(geteuid().as_raw(), getegid().as_raw()),
        false => spec::default(),
    };
    let config = spec::closed(config)?;
    let edits = Edits { remove: &args.remove, set: &args.set, command: &args.command };
    let (config, warnings) = edit::apply(&config, &edits)?;
    warnings.iter().for_each(|warning| desk.log.say(Level::Warning, &format!("{CONFIG}: {warning}")));
    let path = args.bundle.join(CONFIG);
    let mut text =
        serde_json::to_vec_pretty(&config).map_err(|e| Error::refused(format!("{CONFIG}: {e}")))?;
    text.push(b'\n');
    let file = File::options().write(true).create_new(true).open(&path);
    file.and_then(|mut file| file.write_all(&text)).map_err(|e| {
        let error = Error::io(format!("open({path:?}, O_WRONLY|O_CREAT|O_EXCL)"), &e);
        match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                error.with_hint("remove it first, if it is not needed any more")
            }
            _ => error,
        }
    })?;
    Ok(0)
}
