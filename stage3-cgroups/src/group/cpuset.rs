//! Whether processors and memory nodes were given as they were asked for.
//!
//! cpuset.cpus.effective, Linux 5.0, 2019. Book: "The same request twice" (`conversions`).
//! Invariant: only reads; a list that is in force only in part is an error.

use super::Group;
use crate::controller::Controller;
use crate::layout::Version;
use crate::{Error, Result};

impl Group {
    /// Version 1 refuses a list that the group above does not have. Version 2 takes it, and acts on what is left of it,
    /// or as if nothing had been asked (cgroup-v2.rst, "cpuset.cpus").
    ///
    /// # Errors
    /// What is in force is not what is asked for.
    pub fn cpuset_is_as_asked(&self, cpus: Option<&str>, mems: Option<&str>) -> Result<()> {
        let Some(place) = self.place(Controller::Cpuset) else { return Ok(()) };
        if place.hierarchy.version == Version::V1 {
            return Ok(());
        }
        for (file, asked) in [("cpuset.cpus", cpus), ("cpuset.mems", mems)] {
            let Some(asked) = asked.filter(|list| !list.trim().is_empty()) else { continue };
            // Both as the kernel writes lists: the same sets are the same words.
            let (taken, effective) =
                (place.directory.read(file)?, place.directory.read(&format!("{file}.effective"))?);
            if taken.trim() != effective.trim() {
                let path = place.directory.path().join(file);
                return Err(Error::refused(format!(
                    "{}: {asked} was asked for, and {} is what there is",
                    path.display(),
                    effective.trim()
                ))
                .with_hint(
                    "the group above has no more, or some are offline: /sys/devices/system/cpu/online",
                ));
            }
        }
        Ok(())
    }
}
