//! Containers of stage 4 that were left, found by their directories of state.
//!
//! The runtime's own `delete --force`. Book: "How to use this book".
//! Invariant: only a container that is named `stageN-…`, or whose state lies in a directory of a scene or of a test that
//! nobody holds, is ours.

use super::named;
use crate::workspace::{self, Linkage};
use nix::unistd::geteuid;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the runtime calls its directory.
const NAME: &str = "stage4-runtime";

/// Below `$XDG_RUNTIME_DIR` of commands that are typed in a scene.
pub(crate) const RUNTIME_DIRECTORY: &str = ".run";

/// Where tests of the runtime have it keep its state, in a directory of theirs.
const TESTED: &str = "state";

/// The directories of state of what was left: root's by name, and whatever lies in a scene or in a test's directory.
pub(super) fn left(scenes: &[PathBuf]) -> Vec<PathBuf> {
    let homes =
        scenes.iter().flat_map(|scene| [scene.join(RUNTIME_DIRECTORY).join(NAME), scene.join(TESTED)]);
    let kept = homes.flat_map(|home| fs::read_dir(home).into_iter().flatten().flatten());
    let mut found: Vec<_> = kept.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    if geteuid().is_root() {
        found.extend(named(&Path::new("/run").join(NAME), ""));
    }
    found
}

/// Ends and deletes the container whose state is at `path`, and the directory of states with the last.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let (Some(home), Some(id)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let runtime = workspace::built(NAME, Linkage::Host).map_err(io::Error::other)?;
    let mut delete = Command::new(runtime);
    delete.arg("--root").arg(home).args(["delete", "--force"]).arg(id).stdin(Stdio::null());
    let output = delete.output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    // Fails while there are others, whose it is as well.
    fs::remove_dir(home).ok();
    Ok(())
}
