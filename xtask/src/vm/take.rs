//! What a machine gives back: an archive, unpacked where its files lie here.
//!
//! Runs tar(1). Book: "How it is tested".
//! Invariant: nothing is written outside of the directory that was asked for.

use super::Trouble;
use crate::Error;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where it shall be unpacked, if it can be: asked before a machine is made for it.
pub(super) fn place(directory: &Path) -> Result<PathBuf, Trouble> {
    let refused = |why: &str| {
        let text = format!("--take {}: {why}", directory.display());
        Err(Trouble::Failed(Error::Usage(text)))
    };
    match std::path::absolute(directory)? {
        place if place.parent().is_none() => refused("name a directory below it"),
        place if place.exists() && !place.is_dir() => refused("it is not a directory"),
        place => Ok(place),
    }
}

/// Unpacks what was taken from `directory` in the machine into the same directory here.
pub(super) fn unpack(directory: &Path, archive: &[u8]) -> Result<(), Trouble> {
    let failed = |what: &str| Trouble::failed(format!("vm: --take {}: {what}", directory.display()));
    if archive.is_empty() {
        return Err(failed("it did not come back; has the command removed it?"));
    }
    fs::create_dir_all(directory).map_err(|error| failed(&format!("mkdir: {error}")))?;
    // tar(1) refuses names with `..` and follows no link that it has made itself.
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--no-same-owner", "--no-same-permissions", "--directory"]).arg(directory);
    let mut child = tar.stdin(Stdio::piped()).spawn().map_err(|error| failed(&format!("tar: {error}")))?;
    // Dropped at once, so that tar sees the end; if tar is gone, its exit status says more than our error.
    let written = child.stdin.take().map(|mut input| input.write_all(archive));
    let status = child.wait()?;
    match (status.success(), written) {
        (true, Some(Ok(()))) => Ok(()),
        _ => Err(failed(&format!("tar: {status}"))),
    }
}
