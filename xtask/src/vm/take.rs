//! What a machine gives back: an archive, unpacked where its files lie here.
//!
//! Runs tar(1). Book: "How it is tested".
//! Invariant: nothing is written outside of the directory that was asked for.

use super::Trouble;
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Unpacks what was taken from `directory` in the machine into the same directory here.
pub(super) fn unpack(directory: &Path, archive: &[u8]) -> Result<(), Trouble> {
    let failed = |what: &str| Trouble::failed(format!("vm: --take {}: {what}", directory.display()));
    if archive.is_empty() {
        return Err(failed("there is no such directory in the machine"));
    }
    fs::create_dir_all(directory)?;
    // tar(1) refuses names with `..` and follows no link that it has made itself.
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--no-same-owner", "--directory"]).arg(directory);
    let mut child = tar.stdin(Stdio::piped()).spawn().map_err(|error| failed(&format!("tar: {error}")))?;
    // Dropped at once, so that tar sees the end; if tar is gone, its exit status says more than our error.
    let written = child.stdin.take().map(|mut input| input.write_all(archive));
    let status = child.wait()?;
    match (status.success(), written) {
        (true, Some(Ok(()))) => Ok(()),
        _ => Err(failed(&format!("tar: {status}"))),
    }
}
