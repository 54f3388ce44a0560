//! config.json to a plan: every decision is data before the first side effect.
//!
//! No kernel calls. Book: "config.json, field by field" (`config`).
//! Invariant: pure; the same configuration and the same facts give the same plan.

pub mod agent;
pub mod cgroup;
pub mod devices;
pub mod hooks;
pub mod masks;
pub mod mounts;
pub mod namespaces;
pub mod process;
pub mod root;
pub mod sysctl;

use crate::config::fault::At;
use crate::config::seccomp::Seccomp;
use crate::config::{Config, Fault, Linux};
use crate::id::ContainerId;
use crate::seccomp::{self, Arch, Program};
use crate::{Error, Result};
use process::capabilities::Grantable;
use std::path::Path;

/// What has to be known of the machine and of us; all else is in the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// What may be given to the process.
    pub grantable: Grantable,
    /// What the machine is.
    pub native: Arch,
    /// Are we in a user namespace already, or an ordinary user who makes one? Of devices nobody decides there: what is
    /// made cannot be opened, and what is bound has its owners.
    pub within: bool,
}

/// Everything that will be done, in the order in which it will be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whose plan this is.
    pub id: ContainerId,
    /// Its group.
    pub cgroup: cgroup::Cgroup,
    /// Which devices the group may open; `None`: nobody decides.
    pub policy: Option<stage3_cgroups::devices::Policy>,
    /// Its namespaces.
    pub namespaces: namespaces::Namespaces,
    /// Its host name.
    pub hostname: Option<String>,
    /// Its NIS domain name.
    pub domainname: Option<String>,
    /// Its root.
    pub root: root::Root,
    /// What is mounted in it.
    pub mounts: Vec<mounts::Mount>,
    /// What is made in its /dev.
    pub devices: devices::Devices,
    /// What cannot be read or written.
    pub masks: masks::Masks,
    /// Parameters of the kernel in its namespaces.
    pub parameters: Vec<sysctl::Sysctl>,
    /// Its process.
    pub process: process::ProcessPlan,
    /// Which system calls are let through.
    pub filter: Option<Program>,
    /// Who answers for those that it asks about.
    pub agent: Option<agent::AgentPlan>,
    /// Commands of the engine's.
    pub hooks: hooks::HooksPlan,
    /// For network devices and resctrl, which have nothing to be decided.
    pub linux: Linux,
}

impl Plan {
    /// From a configuration that has been checked, of a bundle with an absolute path.
    ///
    /// What is ignored, as the specification says, is added to `warnings`.
    ///
    /// # Errors
    /// What the configuration asks for and nobody can have.
    pub fn of(
        config: &Config,
        id: &ContainerId,
        bundle: &Path,
        way: root::Way,
        facts: Facts,
        warnings: &mut Vec<Fault>,
    ) -> Result<Plan> {
        let linux = &config.linux;
        let Some(process) = &config.process else {
            return Err(Error::refused("config.json: process: is missing")
                .with_hint("a container is made for a process; `stage4-runtime spec` writes one"));
        };
        let root = root::Root::of(config, bundle, way)?;
        let namespaces = namespaces::Namespaces::of(config)?;
        let mounts = mounts::of(config, &root, bundle)?;
        let (filter, agent) = filter(linux.seccomp.as_ref(), facts.native)?;
        warnings.extend(filter.iter().filter_map(unknown_calls));
        let (top, bound) = (At::Top, facts.within || namespaces.has_users());
        let rules =
            linux.resources.as_ref().map(|resources| resources.devices.as_slice()).unwrap_or_default();
        Ok(Plan {
            id: id.clone(),
            cgroup: cgroup::Cgroup::of(config, id)?,
            policy: (!facts.within && !rules.is_empty())
                .then(|| cgroup::devices::policy(rules))
                .transpose()?,
            hostname: config.hostname.clone(),
            domainname: config.domainname.clone(),
            devices: devices::Devices::of(config, &mounts, bound)?,
            masks: masks::Masks::of(config)?,
            parameters: sysctl::of(config)?,
            process: process::ProcessPlan::of(process, linux, top.key("process"), facts.grantable, warnings)
                .map_err(in_config)?,
            filter,
            agent,
            hooks: hooks::HooksPlan::of(&config.hooks).map_err(in_config)?,
            linux: linux.clone(),
            namespaces,
            mounts,
            root,
        })
    }
}

/// The program of a profile, and who answers for the calls that it asks about.
///
/// # Errors
/// The profile cannot be compiled, or could not be installed.
pub fn filter(
    profile: Option<&Seccomp>,
    native: Arch,
) -> Result<(Option<Program>, Option<agent::AgentPlan>)> {
    let Some(profile) = profile else { return Ok((None, None)) };
    let program = seccomp::compile(profile, native)?;
    let agent = agent::AgentPlan::of(profile, &program, native)?;
    Ok((Some(program), agent))
}

/// Names that no machine has are no error: profiles are written for kernels to come, too.
fn unknown_calls(program: &Program) -> Option<Fault> {
    let names = program.unknown.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>();
    let what = format!("no system call is known by the name {}; its rule is ignored", names.join(", "));
    (!names.is_empty()).then(|| Fault::new("linux.seccomp.syscalls", what, "config-linux.md, Seccomp"))
}

fn in_config(fault: Fault) -> Error {
    Error::refused(format!("config.json: {fault}"))
}
