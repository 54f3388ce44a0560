//! A control group: one directory in each hierarchy, by one name.
//!
//! mkdir(2), cgroup.procs; Linux 2.6.24, 2008. Book: "The file system as interface" (`info`).
//! Invariant: a group is made in all the hierarchies it needs or in none; what was not needed and not allowed is told.

mod cpuset;
mod end;
mod freeze;
mod make;
mod refusal;
mod walk;

use crate::controller::Controller;
use crate::directory::Directory;
use crate::layout::{Base, Hierarchy, Layout, Version};
use crate::limits::{Limits, Setting};
use crate::name::GroupName;
use crate::{Error, Result};
pub use end::{Holder, holders_text};
pub use make::Existing;
use nix::errno::Errno;
use nix::fcntl::OFlag;
pub(crate) use refusal::INVALID;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

/// A group that exists.
#[derive(Debug)]
pub struct Group {
    name: GroupName,
    base: Base,
    places: Vec<Place>,
    left_out: Vec<(Hierarchy, Error)>,
}

/// The group in one hierarchy.
#[derive(Debug)]
pub struct Place {
    /// Which hierarchy.
    pub hierarchy: Hierarchy,
    /// The group's directory there.
    pub directory: Directory,
}

impl Group {
    /// Makes the group `name`, with those controllers at least that `needed` names.
    ///
    /// # Errors
    /// EEXIST; a controller that is not there or not handed down to us; EACCES where nothing is delegated to us.
    pub fn create(layout: &Layout, base: Base, name: &GroupName, needed: &[Controller]) -> Result<Group> {
        Self::make(layout, base, name, needed, Existing::Refuse)
    }

    /// The same, but a group that is there and has no processes is taken as it is, and not left if this fails.
    ///
    /// # Errors
    /// As of [`Group::create`].
    pub fn make(
        layout: &Layout,
        base: Base,
        name: &GroupName,
        needed: &[Controller],
        existing: Existing,
    ) -> Result<Group> {
        let mut group = Group { name: name.clone(), base, places: Vec::new(), left_out: Vec::new() };
        let mut made = make::Made::default();
        for hierarchy in layout.useful() {
            let wanted: Vec<_> =
                needed.iter().copied().filter(|c| layout.home(*c) == Some(hierarchy)).collect();
            if wanted.is_empty() && hierarchy.only_on_demand() {
                continue;
            }
            match made.group_in(hierarchy, base, name, &wanted, existing) {
                Ok(directory) => group.places.push(Place { hierarchy: hierarchy.clone(), directory }),
                Err(error) if wanted.is_empty() && refusal::is_permission(&error) => {
                    group.left_out.push((hierarchy.clone(), error));
                }
                Err(error) => return Err(refusal::of_making(error, hierarchy, base)),
            }
        }
        match group.places.is_empty() {
            false => made.keep(),
            true => return Err(refusal::nothing_delegated(group.left_out)),
        }
        Ok(group)
    }

    /// Where [`Group::make`] will make it: known before it is made, so that it can be written down.
    pub fn paths(layout: &Layout, base: Base, name: &GroupName) -> Vec<PathBuf> {
        let path = |hierarchy: &Hierarchy| {
            let parts = hierarchy.base(base).ok()?;
            Some(parts.iter().chain(name.parts()).fold(hierarchy.mount.clone(), |path, part| path.join(part)))
        };
        layout.useful().filter_map(path).collect()
    }

    /// The group in the directories `paths`, as [`Group::paths`] gave them; those that are not there are left out.
    ///
    /// # Errors
    /// None of them is there; one of them cannot be opened.
    pub fn at(layout: &Layout, paths: &[PathBuf]) -> Result<Group> {
        let mut places = Vec::new();
        let mut found = None;
        let mut failure = None;
        for hierarchy in layout.useful() {
            let below = |path: &PathBuf| path.strip_prefix(&hierarchy.mount).ok().map(|rest| rest.to_owned());
            let Some(rest) = paths.iter().find_map(below) else { continue };
            let name: GroupName = rest.to_string_lossy().parse()?;
            match Directory::open(&hierarchy.mount).and_then(|top| top.descend(name.parts())) {
                Ok(directory) => {
                    places.push(Place { hierarchy: hierarchy.clone(), directory });
                    // Version 2 hands controllers down by name.
                    if found.is_none() || hierarchy.version == Version::V2 {
                        found = Some(name);
                    }
                }
                Err(error) if refusal::is_absence(&error) => failure = Some(error),
                // It may be there, and whoever takes it for gone would leave it, or its limits, out.
                Err(error) => return Err(error),
            }
        }
        match (found, failure) {
            (Some(name), _) => Ok(Group { name, base: Base::Top, places, left_out: Vec::new() }),
            (None, Some(error)) => Err(error),
            (None, None) => Err(Error::refused("the group is in no hierarchy that is mounted here")),
        }
    }

    /// The group `name`, wherever it exists.
    pub fn open(layout: &Layout, base: Base, name: &GroupName) -> Result<Group> {
        let mut group = Group { name: name.clone(), base, places: Vec::new(), left_out: Vec::new() };
        for hierarchy in layout.useful() {
            let opened = make::base_directory(hierarchy, base).and_then(|top| top.descend(name.parts()));
            match opened {
                Ok(directory) => group.places.push(Place { hierarchy: hierarchy.clone(), directory }),
                Err(error) => group.left_out.push((hierarchy.clone(), error)),
            }
        }
        match (group.places.is_empty(), group.left_out.pop()) {
            (true, Some((_, error))) => Err(refusal::of_opening(error, name)),
            _ => Ok(group),
        }
    }

    /// Is nobody in it, nor in a group inside it?
    ///
    /// # Errors
    /// Somebody is.
    pub fn require_free(&self) -> Result<()> {
        let free = |place: &Place| match end::collect([place])?.is_empty() {
            true => Ok(()),
            false => Err(refusal::occupied(&place.directory)),
        };
        self.places.iter().try_for_each(free)
    }

    /// Its name.
    pub fn name(&self) -> &GroupName {
        &self.name
    }

    /// Where it is.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The hierarchies in which it was not made, and why not.
    pub fn left_out(&self) -> &[(Hierarchy, Error)] {
        &self.left_out
    }

    /// Its directory where `controller` lives.
    pub fn place(&self, controller: Controller) -> Option<&Place> {
        let unified = || match controller {
            Controller::Devices | Controller::Freezer | Controller::Cpuacct => self.unified(),
            _ => None,
        };
        self.places.iter().find(|place| place.hierarchy.has(controller)).or_else(unified)
    }

    /// Its directory in version 2.
    pub fn unified(&self) -> Option<&Place> {
        self.places.iter().find(|place| place.hierarchy.version == Version::V2)
    }

    /// Brings `limits` about, and gives the writes that did it.
    ///
    /// # Errors
    /// As of [`Limits::settings`]; what the kernel refuses, with what its parent allows.
    pub fn set(&self, limits: &Limits) -> Result<Vec<Setting>> {
        let version = |controller| self.place(controller).map(|place| place.hierarchy.version);
        let settings = limits.settings(version).map_err(|error| match version(Controller::Cpuset) {
            None if limits.controllers().contains(&Controller::Cpuset) => {
                error.with_hint("a group is in the cpuset hierarchy of version 1 only if it was created with --cpuset-cpus or --cpuset-mems")
            }
            _ => error,
        })?;
        self.write(&settings)?;
        self.cpuset_is_as_asked(limits.cpuset_cpus.as_deref(), limits.cpuset_mems.as_deref())?;
        Ok(settings)
    }

    /// Makes these writes, in their order, where their controllers are; they must be in the group.
    ///
    /// # Errors
    /// What the kernel refuses, with what its parent allows.
    pub fn write(&self, settings: &[Setting]) -> Result<()> {
        let mut controllers: Vec<_> = settings.iter().map(|setting| setting.controller).collect();
        controllers.sort();
        controllers.dedup();
        self.hand_down(&controllers)?;
        for setting in settings {
            let place = self.place(setting.controller).ok_or_else(|| {
                let name = setting.controller.facts().v1;
                Error::refused(format!("the group {} is in no hierarchy that has {name}", self.name))
            })?;
            let written = place.directory.write(&setting.file, &setting.value);
            written.map_err(|error| refusal::of_setting(error, setting, place))?;
        }
        Ok(())
    }

    /// Version 2: a controller acts in a group only if all groups above hand it down.
    fn hand_down(&self, controllers: &[Controller]) -> Result<()> {
        let Some(place) = self.unified() else { return Ok(()) };
        let here = |c: &Controller| place.hierarchy.has(*c);
        let wanted: Vec<_> = controllers.iter().copied().filter(here).collect();
        match wanted.is_empty() {
            true => Ok(()),
            false => {
                make::hand_down(&place.hierarchy, self.base, &self.name, &wanted).map_err(refusal::of_losing)
            }
        }
    }

    /// Puts the process `pid` into the group, with all its threads.
    pub fn attach(&self, pid: i32) -> Result<()> {
        // Version 2 first: it has the more reasons to say no, and then nothing has been moved.
        let (v2, v1): (Vec<_>, Vec<_>) =
            self.places.iter().partition(|place| place.hierarchy.version == Version::V2);
        v2.into_iter().chain(v1).try_for_each(|place| {
            let put = || place.directory.write("cgroup.procs", &pid.to_string());
            let done = match put() {
                Err(error) if error.errno() == Some(Errno::EBUSY) => {
                    match make::take_back(&place.directory) {
                        Ok(true) => put(),
                        _ => Err(error),
                    }
                }
                done => done,
            };
            done.map_err(|error| refusal::of_attaching(error, place))
        })
    }

    /// What a process needs to put itself into the group, opened while the group can still be reached.
    ///
    /// With `born` the process is in the group of version 2 already.
    pub fn doors(&self, born: bool) -> Result<Doors> {
        let needed = self.places.iter().filter(|place| !(born && place.hierarchy.version == Version::V2));
        let open = |place: &Place| -> Result<File> {
            let path = place.directory.path().join("cgroup.procs");
            let opened = place.directory.file("cgroup.procs", OFlag::O_WRONLY);
            opened.map(File::from).map_err(|errno| Error::call(format!("open({path:?}, O_WRONLY)"), errno))
        };
        Ok(Doors(needed.map(open).collect::<Result<_>>()?))
    }

    /// The group's directory of version 2, to be born in: clone3(2), CLONE_INTO_CGROUP, Linux 5.7.
    pub fn cradle(&self) -> Option<BorrowedFd<'_>> {
        self.unified().map(|place| place.directory.as_fd())
    }

    /// Is it still there, in any hierarchy?
    pub fn is_there(&self) -> bool {
        self.places.iter().any(|place| place.directory.is_there())
    }

    /// The processes in the group and in the groups inside it.
    pub fn processes(&self) -> Result<BTreeSet<i32>> {
        end::collect(self.places.iter())
    }

    /// Who is in a group can neither stop nor end it: he would be the first.
    fn refuse_inside(&self, deed: &str) -> Result<()> {
        match self.processes()?.contains(&(std::process::id() as i32)) {
            true => Err(Error::refused(format!("we are in {} ourselves, and cannot {deed} it", self.name))
                .with_hint("do it from a shell that is outside of the group")),
            false => Ok(()),
        }
    }

    /// The text of a file of `controller`; none where the controller or the file is not there.
    pub fn read(&self, controller: Controller, file: &str) -> Result<Option<String>> {
        self.place(controller).map_or(Ok(None), |place| place.directory.read_if_there(file))
    }
}

/// The files by which a process enters a group.
#[derive(Debug)]
pub struct Doors(Vec<File>);

impl Doors {
    /// The calling process goes in. A 0 is whoever writes (cgroups(7)): no pid of another namespace is needed.
    pub fn enter(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(|door| {
            door.write_all(b"0")
                .map_err(|e| refusal::of_entering(Error::io("write(cgroup.procs, \"0\")", &e)))
        })
    }
}
