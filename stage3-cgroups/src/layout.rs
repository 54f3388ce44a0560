//! Which hierarchies there are, which controllers live in them, and where we are in each.
//!
//! proc_pid_mountinfo(5), proc_pid_cgroup(5), statfs(2). Book: "Version 1, hybrid, version 2" (`info`).
//! Invariant: pure; nothing about the machine is assumed, and `layout::read` is the only one who asks it.

mod read;

use crate::controller::{Controller, TABLE};
use crate::name::GroupName;
use crate::{Error, Result};
use stage2_namespaces::mountinfo::Mount;
use std::fmt;
use std::path::PathBuf;

/// Which interface a hierarchy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// A hierarchy for each controller, or for a few; Linux 2.6.24, 2008.
    V1,
    /// One hierarchy for all; Linux 4.5, 2016.
    V2,
}

/// What the hierarchies of a machine amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No control groups are mounted.
    None,
    /// Only version 1.
    V1,
    /// Both.
    Hybrid,
    /// Only version 2.
    V2,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::None => "none",
            Kind::V1 => "v1",
            Kind::Hybrid => "hybrid",
            Kind::V2 => "v2",
        })
    }
}

/// A tree of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its interface.
    pub version: Version,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Our group as a path below the mount point; none where we are outside of what is mounted there.
    pub here: Option<String>,
    /// Its controllers, by their names in this version; a named version 1 hierarchy has none.
    pub controllers: Vec<String>,
}

/// All hierarchies that can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// In the order of mounting.
    pub hierarchies: Vec<Hierarchy>,
}

/// Below which group of a hierarchy names are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The topmost group we can see: for who administers the machine.
    Top,
    /// The group we are in, but outside of groups that are named as ours: for everybody else.
    Here,
    /// The same, but of version 2 the group above the one we are in: where ours holds processes itself, and so hands no
    /// controller down ([`Base::beside`]).
    Beside,
}

impl Layout {
    /// From the texts of `/proc/self/mountinfo` (parsed) and `/proc/self/cgroup`.
    ///
    /// The controllers of version 2 are in neither: they are added by the reader.
    pub fn parse(mounts: &[Mount], cgroup: &str) -> Result<Layout> {
        let places = cgroup.lines().map(parse_place).collect::<Result<Vec<_>>>()?;
        let mut layout = Layout::default();
        for mount in mounts {
            let Some((controllers, place)) = place_of(mount, &places) else { continue };
            let version = if mount.kind == "cgroup2" { Version::V2 } else { Version::V1 };
            let here = below(&mount.root, place.path);
            let new = Hierarchy { version, mount: mount.target.clone().into(), here, controllers };
            layout.add(new);
        }
        Ok(layout)
    }

    /// A hierarchy may be mounted twice: the mount in which we can find ourselves is the better one.
    fn add(&mut self, new: Hierarchy) {
        let same = |old: &&mut Hierarchy| old.version == new.version && old.controllers == new.controllers;
        match self.hierarchies.iter_mut().find(same) {
            Some(old) if old.here.is_none() && new.here.is_some() => *old = new,
            Some(_) => (),
            None => self.hierarchies.push(new),
        }
    }

    /// What it amounts to.
    pub fn kind(&self) -> Kind {
        let has = |version| self.hierarchies.iter().any(|hierarchy| hierarchy.version == version);
        match (has(Version::V1), has(Version::V2)) {
            (false, false) => Kind::None,
            (true, false) => Kind::V1,
            (true, true) => Kind::Hybrid,
            (false, true) => Kind::V2,
        }
    }

    /// Where `controller` lives; a kernel gives it to one hierarchy only.
    pub fn home(&self, controller: Controller) -> Option<&Hierarchy> {
        let lives = |hierarchy: &&Hierarchy| hierarchy.has(controller);
        self.hierarchies.iter().find(lives).or_else(|| match controller {
            // Version 2 does these without a controller.
            Controller::Devices | Controller::Freezer => self.unified(),
            Controller::Cpuacct => self.unified(),
            _ => None,
        })
    }

    /// The interface by which `controller` is managed here.
    pub fn version(&self, controller: Controller) -> Option<Version> {
        self.home(controller).map(|hierarchy| hierarchy.version)
    }

    /// The hierarchy of version 2.
    pub fn unified(&self) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.version == Version::V2)
    }

    /// The hierarchies in which a group of ours is made: version 2, and those of version 1 that limit something.
    ///
    /// A named hierarchy limits nothing, and belongs to whoever named it: `name=systemd` to systemd.
    pub fn useful(&self) -> impl Iterator<Item = &Hierarchy> {
        let known = |hierarchy: &&Hierarchy| Controller::all().any(|controller| hierarchy.has(controller));
        self.hierarchies.iter().filter(move |h| h.version == Version::V2 || known(h))
    }
}

impl Hierarchy {
    /// Does `controller` live here?
    pub fn has(&self, controller: Controller) -> bool {
        let facts = &TABLE[controller as usize];
        let name = if self.version == Version::V1 { Some(facts.v1) } else { facts.v2 };
        name.is_some_and(|name| self.controllers.iter().any(|own| own == name))
    }

    /// The group below which names are looked up, as components.
    pub fn base(&self, base: Base) -> Result<Vec<String>> {
        let here = match base {
            Base::Top => return Ok(Vec::new()),
            Base::Here | Base::Beside => self.here.as_deref().ok_or_else(|| self.outside())?,
        };
        let ours = |part: &&str| !part.starts_with(GroupName::PREFIX);
        let way = here.split('/').filter(|part| !part.is_empty());
        let (deep, mut parts) =
            (way.clone().count(), way.take_while(ours).map(str::to_owned).collect::<Vec<_>>());
        // Who is in a group of ours is above the one that he is in already.
        if base == Base::Beside && self.version == Version::V2 && parts.len() == deep {
            parts.pop();
        }
        Ok(parts)
    }

    /// Is it the cpuset hierarchy of version 1? Every group in it is compared with all groups beside it when its
    /// processors are written (`validate_change()` in kernel/cgroup/cpuset.c), so that many groups cost their square.
    pub fn only_on_demand(&self) -> bool {
        self.version == Version::V1 && self.has(Controller::Cpuset)
    }

    fn outside(&self) -> Error {
        Error::refused(format!("our own group is not below {}", self.mount.display())).with_hint(
            "the mount shows another part of the hierarchy: mount it again inside this cgroup namespace",
        )
    }
}

/// A line of /proc/PID/cgroup.
struct Place<'a> {
    controllers: &'a str,
    path: &'a str,
}

/// `4:memory:/user`, `9:name=systemd:/`, `0::/user.slice`
fn parse_place(line: &str) -> Result<Place<'_>> {
    let mut fields = line.splitn(3, ':').skip(1);
    match (fields.next(), fields.next()) {
        (Some(controllers), Some(path)) if path.starts_with('/') => Ok(Place { controllers, path }),
        _ => Err(Error::refused(format!("/proc/self/cgroup line not understood: {line:?}"))),
    }
}

/// The controllers of a mounted hierarchy, and our place in it.
fn place_of<'a, 'p>(mount: &Mount, places: &'a [Place<'p>]) -> Option<(Vec<String>, &'a Place<'p>)> {
    let options: Vec<&str> = mount.options.split(',').collect();
    let is_it = |place: &&Place<'_>| match mount.kind.as_str() {
        "cgroup2" => place.controllers.is_empty(),
        "cgroup" => {
            !place.controllers.is_empty() && place.controllers.split(',').all(|name| options.contains(&name))
        }
        _ => false,
    };
    let place = places.iter().find(is_it)?;
    let names = place.controllers.split(',').filter(|name| !name.is_empty() && !name.starts_with("name="));
    Some((names.map(str::to_owned).collect(), place))
}

/// `path` as seen from a mount that shows `root`; a path of `/..` is outside of our cgroup namespace.
fn below(root: &str, path: &str) -> Option<String> {
    if path == "/.." || path.starts_with("/../") {
        return None;
    }
    let rest = path.strip_prefix(root.trim_end_matches('/'))?;
    match rest {
        "" => Some("/".to_owned()),
        rest => rest.starts_with('/').then(|| rest.to_owned()),
    }
}

#[cfg(test)]
mod tests;
