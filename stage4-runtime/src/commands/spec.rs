//! `spec`: a config.json to begin with.
//!
//! open(2), O_EXCL. Book: "A bundle" (`bundle`).
//! Invariant: a file that is there is never written over, and what is written has passed every check.

use super::Desk;
use crate::bundle::{Bundle, CONFIG, ROOT};
use crate::config::edit::{self, Assignment, Edits};
use crate::config::{Config, spec};
use crate::log::Level;
use crate::rootless::is_root_of_the_machine;
use crate::{Error, Result, cgroup};
use nix::fcntl::AtFlags;
use nix::unistd::{getegid, geteuid};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

const AFTER: &str = "\
Its limits are a shell's, where groups can have limits: 64 MiB of memory and no swap, 128 tasks,
half a processor. Whoever needs more sets more, or removes the limit. The container has users of
its own if rootfs is there already and belongs to the first of them: its uid and gid are the same
multiple of 65536, as after `chown -R 524288:524288 rootfs`.
Whoever sets memory.limit to more than that sets memory.swap as well, for it is the sum of both.

PATH is written as errors write it. In brackets is an entry of an array: by its number, by its
name (its text, destination, type, path or name), or + for one more behind the last.
VALUE is JSON; what is none is taken as a text. First is removed, then set, each as typed.

Examples:
  stage4-runtime spec --bundle box                                 a shell, with a terminal
  stage4-runtime spec -- probe facts                               a command, without one
  stage4-runtime spec --set hostname=box --set root.readonly=false
  stage4-runtime spec --set 'linux.resources.memory={\"limit\": 1073741824}'
  stage4-runtime spec --set 'linux.resources.cpu={}' --set 'linux.resources.memory={}'
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
    let bundle = Bundle::open(&args.bundle).map_err(|error| error.with_hint("make it first, with mkdir"))?;
    let (config, missing) = match args.rootless {
        true => (for_user()?, Vec::new()),
        false => for_root(&bundle)?,
    };
    let edits = Edits { remove: &args.remove, set: &args.set, command: &args.command };
    let (config, warnings) = edit::apply(&config, &edits)?;
    warnings.iter().for_each(|warning| desk.log.say(Level::Warning, &format!("{CONFIG}: {warning}")));
    let path = args.bundle.join(CONFIG);
    let text = text_of(&config)?;
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
    if !missing.is_empty() {
        note(&without(&missing));
    }
    Ok(0)
}

/// For root: with users of its own where its root directory has them; and the limits that cannot be had here.
fn for_root(bundle: &Bundle) -> Result<(Config, Vec<&'static str>)> {
    let mut config = spec::closed(spec::default())?;
    if let Some(root) = bundle.look(ROOT, AtFlags::empty())? {
        config = spec::with_users(config, (root.st_uid, root.st_gid));
    }
    spec::limited(config, &cgroup::layout()?)
}

/// For an ordinary user, to whom groups are seldom given: who wants limits asks for them, and is told.
fn for_user() -> Result<Config> {
    let config = spec::closed(spec::rootless(geteuid().as_raw(), getegid().as_raw()))?;
    Ok(spec::limited(config, &cgroup::layout()?)?.0)
}

/// What `spec` would write into `bundle` for whoever calls, with this command; and its text.
pub(super) fn unwritten(bundle: &Bundle, command: &[String]) -> Result<(Config, Vec<u8>)> {
    let config = match is_root_of_the_machine() {
        false => for_user()?,
        true => match for_root(bundle)? {
            (config, missing) if missing.is_empty() => config,
            (_, missing) => {
                return Err(Error::refused(without(&missing)).with_hint(
                    "`stage4-runtime spec` writes a config.json without them; `stage3-cgroups info` shows what groups get",
                ));
            }
        },
    };
    let (config, _) = edit::apply(&config, &Edits { remove: &[], set: &[], command })?;
    let text = text_of(&config)?;
    Ok((config, text))
}

fn without(missing: &[&str]) -> String {
    let others: Vec<_> = missing.iter().copied().filter(|name| *name != "swap").collect();
    let mut told = Vec::new();
    if !others.is_empty() {
        told.push(format!("no limits of {}: no group that we may make here gets them", others.join(", ")));
    }
    if missing.contains(&"swap") {
        told.push("no limit of swap: it is not accounted for here (boot with swapaccount=1)".to_owned());
    }
    told.join("; ")
}

/// A line for whoever reads, which depends on the machine.
fn note(text: &str) {
    std::io::stderr().write_all(format!("note: {text}\n").as_bytes()).ok();
}

fn text_of(config: &Config) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(config).map_err(|e| Error::refused(format!("{CONFIG}: {e}")))?;
    text.push(b'\n');
    Ok(text)
}
