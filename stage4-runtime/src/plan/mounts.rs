//! What is mounted where, and how: each entry of `mounts` as the calls need it.
//!
//! No kernel calls; config.md, "Mounts"; mount_setattr(2), fsconfig(2). Book: "Mounts" (`mounts`).
//! Invariant: pure; what a bind mount cannot apply is an error, and a read-only /sys is read-only all the way down.

mod attributes;
pub mod changes;
pub mod options;

use super::root::{Root, Spread};
use crate::config::check::mounts::REPLACEABLE;
use crate::config::linux::{IdMapping, NamespaceKind};
use crate::config::{self, Config};
use crate::{Error, Result};
use options::{Attributes, Datum, Options};
use stage2_namespaces::idmap::{Extent, IdMap};
use stage2_namespaces::mount::Propagation;
use stage2_namespaces::users::Users;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its place in `mounts`.
    pub index: usize,
    /// Where, relative to the root, without `.` and `..`; never the root itself.
    pub target: PathBuf,
    /// What.
    pub what: What,
    /// For the mount itself.
    pub top: Attributes,
    /// For it and all below it, applied first.
    pub all: Attributes,
    /// In the order in which they are applied.
    pub propagation: Vec<Spread>,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file or directory of the host.
    Bind(Bind),
    /// A file system.
    New(FileSystem),
    /// The container's control groups; on version 1 a directory with one for each hierarchy.
    Cgroup {
        /// Only the container's own group, as in a cgroup namespace.
        own: bool,
    },
    /// Nothing new: what is mounted there is changed.
    Again(FileSystem),
}

/// What of the host is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Absolute.
    pub source: PathBuf,
    /// With what is mounted below it.
    pub deep: bool,
    /// Whose ids its owners appear as.
    pub users: Option<Mapped>,
}

/// An idmapped mount: mount_setattr(2), MOUNT_ATTR_IDMAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The maps, or the namespace that has them.
    pub by: MappedBy,
    /// What is mounted below, too?
    pub deep: bool,
}

/// Where maps come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappedBy {
    /// These.
    Maps(Users),
    /// Those of the user namespace that the container joins.
    Namespace(PathBuf),
}

/// A file system and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its type: `tmpfs`.
    pub kind: String,
    /// A device, or a name that only shows in /proc/self/mountinfo.
    pub source: Option<String>,
    /// Options of any superblock, by the names fsconfig(2) knows.
    pub superblock: Vec<&'static str>,
    /// Its own options, in order.
    pub data: Vec<Datum>,
    /// Flags that only mount(2) has.
    pub legacy: u64,
    /// Begins with a copy of what it covers.
    pub copy_up: bool,
}

const LONGEST: usize = 255;

impl FileSystem {
    /// Is there something that only mount(2) can say? fsconfig(2) takes 255 bytes for a value, and knows neither
    /// subtypes (`fuse.sshfs`) nor these flags.
    pub fn needs_mount(&self) -> bool {
        let long = |one: &Datum| one.value.as_ref().is_some_and(|value| value.len() > LONGEST);
        // What fsconfig(2) has to complain about is read by us, and never gets into the kernel's log: it is silent.
        self.legacy & !libc::MS_SILENT != 0
            || self.kind.contains('.')
            || self.data.iter().any(long)
            || self.source.as_ref().is_some_and(|source| source.len() > LONGEST)
    }

    /// Is there one superblock for many mounts, and so `ro` a matter of the mount only?
    fn is_the_kernels(kind: &str) -> bool {
        matches!(kind, "tmpfs" | "proc" | "sysfs" | "devpts" | "mqueue" | "cgroup" | "cgroup2")
    }
}

/// All mounts, in the order of the configuration.
///
/// # Errors
/// Options that cannot be applied, destinations that cannot be.
pub fn of(config: &Config, root: &Root, bundle: &Path) -> Result<Vec<Mount>> {
    let read = |(index, mount)| {
        one(config, root, bundle, index, mount).map_err(|(what, hint)| {
            Error::refused(format!("config.json: mounts[{index}]: {what}")).with_hint(hint)
        })
    };
    config.mounts.iter().enumerate().map(read).collect()
}

/// What is wrong, and what to do.
type Fault = (String, &'static str);

fn one(
    config: &Config,
    root: &Root,
    bundle: &Path,
    index: usize,
    mount: &config::Mount,
) -> Result<Mount, Fault> {
    let target = target(&mount.destination)?;
    let options = Options::of(&mount.options);
    let what = match mount.kind.as_deref().unwrap_or_default() {
        _ if options.remount => What::Again(file_system(config, mount, &options)),
        _ if options.bind => What::Bind(bind(config, bundle, mount, &options)?),
        "cgroup" => What::Cgroup { own: config.linux.namespace(NamespaceKind::Cgroup).is_some() },
        _ => What::New(file_system(config, mount, &options)),
    };
    check(mount, &target, &what, &options)?;
    let (mut top, mut all, mut propagation) = (options.top, options.all, options.propagation);
    if let What::Bind(bind) = &what {
        // Engines write `rw` where they mean "not ro": it takes back an `ro` or an `rro`, not what the
        // host has decided.
        if all.set & libc::MOUNT_ATTR_RDONLY == 0 {
            top.clear &= !libc::MOUNT_ATTR_RDONLY;
        }
        propagation = begin(root.base(), propagation);
        if bind.deep && target == Path::new("sys") && top.set & libc::MOUNT_ATTR_RDONLY != 0 {
            // CVE-2023-25809: read-only on top, and the control groups below it writable.
            all.set |= libc::MOUNT_ATTR_RDONLY;
        }
    }
    Ok(Mount { index, target, what, top, all, propagation })
}

/// `base` is left out where the first option says it all.
fn begin(base: Option<Spread>, options: Vec<Spread>) -> Vec<Spread> {
    let decides = |first: &Spread| {
        first.recursive
            && (matches!(first.kind, Propagation::Private | Propagation::Unbindable) || base == Some(*first))
    };
    match options.first() {
        Some(first) if decides(first) => options,
        _ => base.into_iter().chain(options).collect(),
    }
}

/// The path below the root; the checker of config.json has refused `..`.
fn target(destination: &str) -> Result<PathBuf, Fault> {
    let parts: PathBuf = destination.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    match parts.as_os_str().is_empty() || parts.iter().any(|part| part == "..") {
        true => Err((
            format!("destination: {destination:?} cannot be mounted on"),
            "name a directory below the root",
        )),
        false => Ok(parts),
    }
}

fn bind(config: &Config, bundle: &Path, mount: &config::Mount, options: &Options) -> Result<Bind, Fault> {
    let source = bundle.join(mount.source.as_deref().unwrap_or_default());
    let users = match mount.is_mapped() {
        true => Some(Mapped { by: mapped_by(config, mount)?, deep: options.mapped_deep }),
        false => None,
    };
    Ok(Bind { source, deep: options.deep, users })
}

fn mapped_by(config: &Config, mount: &config::Mount) -> Result<MappedBy, Fault> {
    let maps = |uids: &[IdMapping], gids: &[IdMapping]| {
        Ok(MappedBy::Maps(Users::Mapped { uids: map(uids)?, gids: map(gids)? }))
    };
    if !mount.uid_mappings.is_empty() {
        return maps(&mount.uid_mappings, &mount.gid_mappings);
    }
    match config.linux.namespace(NamespaceKind::User).map(|user| &user.path) {
        Some(Some(path)) => Ok(MappedBy::Namespace(path.into())),
        Some(None) => maps(&config.linux.uid_mappings, &config.linux.gid_mappings),
        None => Err((
            "options: idmap without maps, and no user namespace to take them from".to_owned(),
            "add uidMappings and gidMappings",
        )),
    }
}

fn map(mappings: &[IdMapping]) -> Result<IdMap, Fault> {
    let extent = |one: &IdMapping| Extent { inside: one.container_id, outside: one.host_id, count: one.size };
    IdMap::new(mappings.iter().map(extent).collect())
        .map_err(|error| (error.to_string(), "uidMappings and gidMappings are maps as of a user namespace"))
}

fn file_system(config: &Config, mount: &config::Mount, options: &Options) -> FileSystem {
    let kind = mount.kind.clone().unwrap_or_default();
    let mut superblock = options.superblock.clone();
    // What is remounted may be a file system of the host's, bound: its superblock is not made read-only for it.
    if FileSystem::is_the_kernels(&kind) || options.remount {
        superblock.retain(|name| *name != "ro");
    }
    let mut data = options.data.clone();
    // Those that label their files themselves are told nothing, as with runc.
    let labelled = !matches!(kind.as_str(), "proc" | "sysfs" | "mqueue" | "cgroup" | "cgroup2");
    if let Some(label) = config.linux.mount_label.as_ref().filter(|label| labelled && !label.is_empty()) {
        data.push(Datum { key: "context".to_owned(), value: Some(label.clone()) });
    }
    let source = mount.source.clone().filter(|source| !source.is_empty());
    FileSystem { kind, source, superblock, data, legacy: options.legacy, copy_up: options.copy_up }
}

fn check(mount: &config::Mount, target: &Path, what: &What, options: &Options) -> Result<(), Fault> {
    match what {
        What::Bind(_) => check_bind(options)?,
        What::Again(_) if options.bind => check_bind(options)?,
        What::Cgroup { .. } if !options.data.is_empty() => {
            let what = format!(
                "options: control groups are mounted already, and {:?} is not changed",
                options.data[0].key
            );
            return Err((
                what,
                "leave it out; with the type cgroup2 or another type it is handed to the kernel",
            ));
        }
        _ if mount.is_mapped() => {
            let what = "options: only a bind mount shows owners through a map".to_owned();
            return Err((what, "leave out idmap, ridmap, uidMappings and gidMappings"));
        }
        _ => (),
    }
    if options.copy_up
        && !matches!(what, What::New(system) if system.kind == "tmpfs" && !system.needs_mount())
    {
        let what = "options: tmpcopyup is for a new tmpfs whose options have at most 255 bytes".to_owned();
        return Err((what, "leave it out, or mount a tmpfs"));
    }
    let below: Option<&Path> = target.strip_prefix("proc").ok();
    match below {
        Some(below) if below == Path::new("") => match what {
            What::Bind(_) | What::Again(_) => Ok(()),
            What::New(system) if system.kind == "proc" => Ok(()),
            _ => {
                Err(("destination: only a proc file system is mounted on /proc".to_owned(), "CVE-2019-19921"))
            }
        },
        Some(below) if !REPLACEABLE.iter().any(|name| Path::new(name) == below) => {
            let what = format!("destination: nothing is mounted on {:?}", mount.destination);
            Err((what, "below /proc only what lxcfs provides may be replaced: CVE-2019-16884"))
        }
        _ => Ok(()),
    }
}

/// What is for a superblock has nowhere to go: that of the source belongs to the host.
fn check_bind(options: &Options) -> Result<(), Fault> {
    let hint = "a bind mount shows a file system of the host's as it is: its superblock and its options stay";
    let cannot = |name: &str| Err((format!("options: a bind mount cannot apply {name:?}"), hint));
    let harmless = ["ro", "async", "nomand", "nolazytime"];
    if let Some(name) = options.superblock.iter().find(|name| !harmless.contains(name)) {
        return cannot(name);
    }
    if options.legacy & libc::MS_I_VERSION != 0 {
        return cannot("iversion");
    }
    options.data.first().map_or(Ok(()), |one| cannot(&one.key))
}

#[cfg(test)]
mod tests;
