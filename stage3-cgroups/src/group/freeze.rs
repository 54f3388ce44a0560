//! Stop all processes of a group at once, and let them go on.
//!
//! freezer.state, Linux 2.6.28, 2008; cgroup.freeze, Linux 5.2, 2019. Book: "The freezer" (`freezer`).
//! Invariant: `freeze` returns when every process has stopped, or with an error and the group thawed.

use super::{Group, refusal};
use crate::controller::Controller;
use crate::directory::Directory;
use crate::layout::Version;
use crate::{Error, Result};
use nix::errno::Errno;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(2);

/// How a version spells it.
struct Switch {
    file: &'static str,
    frozen: &'static str,
    thawed: &'static str,
}

impl Switch {
    fn of(version: Version) -> Self {
        match version {
            Version::V1 => Switch { file: "freezer.state", frozen: "FROZEN", thawed: "THAWED" },
            Version::V2 => Switch { file: "cgroup.freeze", frozen: "1", thawed: "0" },
        }
    }

    /// What was asked for is in force only when the kernel says so: until then version 1 says FREEZING.
    fn is_frozen(&self, directory: &Directory) -> Result<bool> {
        match self.file {
            "freezer.state" => Ok(directory.read(self.file)?.trim() == self.frozen),
            _ => Ok(directory.read("cgroup.events")?.lines().any(|line| line == "frozen 1")),
        }
    }
}

impl Group {
    /// Stops everybody in the group, and in the groups inside it, within `patience`.
    pub fn freeze(&self, patience: Duration) -> Result<()> {
        self.refuse_inside("freeze")?;
        let (switch, directory) = self.switch()?;
        directory.write(switch.file, switch.frozen).map_err(refusal::of_freezing)?;
        let end = Instant::now() + patience;
        while !switch.is_frozen(directory)? {
            if Instant::now() > end {
                directory.write(switch.file, switch.thawed)?;
                return Err(Error::refused(format!("not everybody in {} stopped within {patience:?}", self.name))
                    .with_hint("a process that sleeps uninterruptibly (ps: D) cannot be frozen until it wakes; it is thawed again"));
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Lets them go on. A group above that is frozen holds them still.
    pub fn thaw(&self) -> Result<()> {
        let (switch, directory) = self.switch()?;
        directory.write(switch.file, switch.thawed).map_err(refusal::of_freezing)
    }

    /// Is everybody in it stopped? None where there is no freezer.
    pub fn is_frozen(&self) -> Result<Option<bool>> {
        match self.switch() {
            Ok((switch, directory)) => match switch.is_frozen(directory) {
                // Deleted beneath us: nobody is left to be stopped.
                Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENODEV)) => Ok(None),
                frozen => frozen.map(Some),
            },
            Err(_) => Ok(None),
        }
    }

    fn switch(&self) -> Result<(Switch, &Directory)> {
        let place = self.place(Controller::Freezer).ok_or_else(|| {
            Error::refused(format!("{} is in no hierarchy with a freezer", self.name))
                .with_hint("version 1: mount the freezer hierarchy; version 2: Linux 5.2 or newer")
        })?;
        Ok((Switch::of(place.hierarchy.version), &place.directory))
    }
}
