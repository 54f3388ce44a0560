//! `features`: what this runtime does on this kernel.
//!
//! features.md, features-linux.md. Book: "Under podman, Docker and containerd" (`clients`).
//! Invariant: what is told is taken from the tables that the runtime works with, and asked of the kernel.

use super::print;
use crate::config::check::CAPABILITIES;
use crate::config::seccomp::Operator;
use crate::config::{VERSION, linux::NamespaceKind};
use crate::plan::hooks::Moment;
use crate::plan::mounts::options;
use crate::plan::namespaces;
use crate::seccomp::Arch;
use crate::seccomp::install::{known_actions, known_flags};
use crate::{Result, capabilities};
use serde_json::{Value, json};
use std::path::Path;

/// Print what this runtime does on this kernel as JSON
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stage4-runtime features")]
pub struct FeaturesArgs {}

pub(super) fn features(_: &FeaturesArgs) -> Result<u8> {
    let hooks = [
        Moment::Prestart,
        Moment::CreateRuntime,
        Moment::CreateContainer,
        Moment::StartContainer,
        Moment::Poststart,
        Moment::Poststop,
    ];
    let value = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION,
        "hooks": hooks.map(Moment::name),
        "mountOptions": options::KNOWN,
        "linux": linux()?,
        "potentiallyUnsafeConfigAnnotations": [],
    });
    print(&format!("{value:#}\n")).map(|()| 0)
}

// ANCHOR: features
fn linux() -> Result<Value> {
    let kinds = NamespaceKind::ALL.iter().filter(|kind| namespaces::kind(**kind).known_here());
    let known = capabilities::known();
    let capabilities: Vec<_> = CAPABILITIES
        .iter()
        .enumerate()
        .filter(|(number, _)| known >> number & 1 == 1)
        .map(|(_, name)| name)
        .collect();
    Ok(json!({
        "namespaces": kinds.map(|kind| kind.name()).collect::<Vec<_>>(),
        "capabilities": capabilities,
        "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true },
        "seccomp": {
            "enabled": true,
            "actions": known_actions().iter().map(|action| action.name()).collect::<Vec<_>>(),
            "operators": Operator::ALL.iter().map(|operator| operator.name()).collect::<Vec<_>>(),
            "archs": architectures()?,
            "knownFlags": crate::config::seccomp::Flag::ALL.iter().map(|flag| flag.name()).collect::<Vec<_>>(),
            "supportedFlags": known_flags().iter().map(|flag| flag.name()).collect::<Vec<_>>(),
        },
        "apparmor": { "enabled": Path::new("/sys/kernel/security/apparmor").exists() },
        "selinux": { "enabled": Path::new("/sys/fs/selinux/enforce").exists() },
        "intelRdt": { "enabled": Path::new("/sys/fs/resctrl/schemata").exists() },
        "mountExtensions": { "idmap": { "enabled": true } },
    }))
}
// ANCHOR_END: features

/// A profile may name those that this machine's kernel runs programs of.
fn architectures() -> Result<Vec<&'static str>> {
    use crate::config::seccomp::Architecture;
    let family = Arch::native()?.family();
    let runs =
        |architecture: &&Architecture| Arch::of(**architecture).is_some_and(|arch| family.contains(&arch));
    Ok(Architecture::ALL.iter().filter(runs).map(|architecture| architecture.name()).collect())
}
