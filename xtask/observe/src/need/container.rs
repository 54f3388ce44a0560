//! What a step needs of a container: the default one is run, with the probe as its whole root.
//!
//! The calls are the runtime's. Book: "How to use this book".
//! Invariant: nothing stays, whatever the answer.

use super::{Answer, answered, rootless};
use crate::workspace::Programs;
use nix::unistd::mkdtemp;
use std::{fs, io, path::Path, process::Command};

const STAGE: &str = "stage4-runtime";

/// `spec` and `run`, in a directory that ends with it.
pub(super) fn default(programs: &Programs) -> Answer {
    let Some(probe) = programs.find("probe") else { return Answer::no("the probe is not built", None) };
    with_bundle(programs, |runtime, bundle| run(runtime, &probe, bundle))
}

/// An image of one empty directory, mounted for a command that does nothing.
pub(super) fn overlay(programs: &Programs) -> Answer {
    with_bundle(programs, |runtime, bundle| {
        fs::create_dir_all(bundle.join("rootfs/etc"))?;
        let image = |arguments: &[&str]| {
            answered(Command::new(runtime).arg("image").args(arguments).current_dir(bundle))
        };
        let made = image(&["commit", ".", "layout:v1"]);
        if !made.possible {
            return Ok(made);
        }
        let mounted = image(&["mount", "layout:v1", "box", "--store", "store", "--", "true"]);
        Ok(if mounted.possible { image(&["remove", "box"]) } else { mounted })
    })
}

fn with_bundle(programs: &Programs, try_it: impl Fn(&Path, &Path) -> io::Result<Answer>) -> Answer {
    let Some(runtime) = programs.find(STAGE) else {
        return Answer::no(format!("{STAGE} is not built"), None);
    };
    let failed = |error: io::Error| Answer::no(format!("a bundle in $TMPDIR: {error}"), None);
    let bundle = match mkdtemp(&std::env::temp_dir().join("stage4-need.XXXXXX")) {
        Ok(bundle) => bundle,
        Err(errno) => return failed(errno.into()),
    };
    let answer = try_it(&runtime, &bundle).unwrap_or_else(failed);
    fs::remove_dir_all(&bundle).map_or_else(failed, |()| answer)
}

fn run(runtime: &Path, probe: &Path, bundle: &Path) -> io::Result<Answer> {
    let root = bundle.join("rootfs");
    fs::create_dir(&root)?;
    fs::copy(probe, root.join("probe"))?;
    let user = if rootless() { &["--rootless"][..] } else { &[] };
    let tried = [&["spec"], user, &["--", "/probe", "facts", "pid"]].concat();
    let written = answered(Command::new(runtime).args(tried).current_dir(bundle));
    if !written.possible {
        return Ok(written);
    }
    let id = bundle.file_name().unwrap_or_default();
    let mut command = Command::new(runtime);
    command.arg("--root").arg(bundle.join("state")).arg("run").arg(id).current_dir(bundle);
    Ok(answered(&mut command))
}
