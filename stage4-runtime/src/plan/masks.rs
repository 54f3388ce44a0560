//! What cannot be seen inside, and what cannot be written.
//!
//! No kernel calls; config-linux.md, "Masked Paths" and "Readonly Paths". Book: "Masks" (`masks`).
//! Invariant: pure; paths lead from the root of the container, and only downwards.

use crate::config::Config;
use crate::{Error, Result};
use std::path::PathBuf;

/// Paths relative to the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Masks {
    /// Covered: a directory by an empty one, anything else by /dev/null.
    pub masked: Vec<PathBuf>,
    /// Made read-only, with all below.
    pub readonly: Vec<PathBuf>,
}

impl Masks {
    /// From a configuration that has been checked.
    ///
    /// # Errors
    /// A path that is the root itself, or leads upwards.
    pub fn of(config: &Config) -> Result<Self> {
        Ok(Masks {
            masked: paths("maskedPaths", &config.linux.masked_paths)?,
            readonly: paths("readonlyPaths", &config.linux.readonly_paths)?,
        })
    }
}

fn paths(name: &str, list: &[String]) -> Result<Vec<PathBuf>> {
    let below = |(index, text): (usize, &String)| {
        let path: PathBuf = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        match path.as_os_str().is_empty() || path.iter().any(|part| part == "..") {
            true => Err(Error::refused(format!(
                "config.json: linux.{name}[{index}]: {text:?} is no path below the root"
            ))
            .with_hint("for a read-only root there is root.readonly")),
            false => Ok(path),
        }
    };
    list.iter().enumerate().map(below).collect()
}
