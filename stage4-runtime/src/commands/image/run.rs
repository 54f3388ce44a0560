//! `image run`: a command in the root of an image that is being built.
//!
//! Book: "Images" (`image-build`).
//! Invariant: it is a container like any other; a step that fails is not written down.

use super::super::run::RunArgs;
use super::super::{Desk, failed};
use crate::bundle::Bundle;
use crate::config::check::Verb;
use crate::config::edit::{self, Assignment, Edits};
use crate::config::linux::{Namespace, NamespaceKind};
use crate::config::process::Capabilities;
use crate::image::build::Site;
use crate::{Error, Failure, Result};
use std::fs;
use std::path::PathBuf;

const AFTER: &str = "\
The container is the one that the image would be, but for eleven capabilities that installing wants,
and for a terminal, which it has not. What it wrote stays in the root, and its words in the history.

Examples:
  stage4-runtime image run new -- sh -c 'echo hello > /etc/motd'
  stage4-runtime image copy new /etc/resolv.conf /etc/
  stage4-runtime image run new --network host -- apt-get update";

/// What a package's installation does: give files away, become other users.
const INSTALLING: [&str; 11] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Whose network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Network {
    /// The machine's.
    Host,
    /// Its own, empty.
    None,
}

/// Run a command in an image that is being built
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct StepArgs {
    /// The directory that `from` made
    bundle: PathBuf,
    /// Its network: the machine's, or one of its own with nothing in it [default: as config.json says]
    #[arg(long, value_enum)]
    network: Option<Network>,
    /// Set a property of config.json, for this step (repeat for more)
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Assignment>,
    /// Remove a property or an entry, for this step (repeat for more)
    #[arg(long, value_name = "PATH")]
    remove: Vec<edit::Path>,
    /// The command
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(super) fn run(desk: &Desk, args: &StepArgs) -> Result<u8, Failure> {
    let (site, mut build) = Site::begun(&args.bundle).map_err(failed)?;
    let step = site.step().map_err(failed)?;
    configure(args, &site, step.path()).map_err(failed)?;
    let id =
        format!("image-run-{}", std::process::id()).parse().map_err(|error| failed(Error::refused(error)))?;
    let status = super::super::run::run(desk, &RunArgs::plain(id, step.path().to_owned()))?;
    if status == 0 {
        build.add(format!("RUN {}", args.command.join(" ")), true);
        site.keep(&build).map_err(failed)?;
    }
    Ok(status)
}

/// The step's own config.json, with the bundle's root.
fn configure(args: &StepArgs, site: &Site, step: &std::path::Path) -> Result<()> {
    let bundle = Bundle::open(site.path())?;
    let mut config = bundle.config(Verb::Start)?.config;
    if let Some(root) = &mut config.root {
        root.path = site.path().join(&root.path).to_string_lossy().into_owned();
    }
    if let Some(network) = args.network {
        let namespaces = &mut config.linux.namespaces;
        namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
        if network == Network::None {
            namespaces.push(Namespace { kind: NamespaceKind::Network, path: None });
        }
    }
    if let Some(process) = &mut config.process {
        let all = INSTALLING.map(str::to_owned).to_vec();
        process.capabilities = Some(Capabilities {
            bounding: all.clone(),
            effective: all.clone(),
            permitted: all,
            ..Capabilities::default()
        });
    }
    let edits = Edits { remove: &args.remove, set: &args.set, command: &args.command };
    let (config, _) = edit::apply(&config, &edits)?;
    let path = step.join(crate::bundle::CONFIG);
    let text = serde_json::to_vec_pretty(&config).map_err(|error| Error::refused(error.to_string()))?;
    fs::write(&path, text).map_err(|error| Error::io(format!("write({path:?})"), &error))
}
