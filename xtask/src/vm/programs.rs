//! The programs that come along: the stages' commands, the probe, tests.
//!
//! Runs cargo and strip(1). Book: "How it is tested".
//! Invariant: a program lies where it lies on the host, as its tests have that path in them; PATH has a link.

use super::{Trouble, cpio::Archive};
use crate::cargo::cargo;
use observe::workspace::{self, Linkage, installed};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A test program.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    /// The directory of its package.
    pub home: PathBuf,
    /// `isolation`
    pub name: String,
    /// Where cargo put it.
    pub path: PathBuf,
}

impl Test {
    /// `stage3-cgroups isolation`
    pub fn told(&self) -> String {
        let package = self.home.file_name().unwrap_or_default().to_string_lossy();
        format!("{package} {}", self.name)
    }
}

/// Builds the tests of these packages: those in `tests/`, which look from outside.
pub(crate) fn tests(packages: &[&str]) -> Result<Vec<Test>, Trouble> {
    let mut command = cargo("test");
    command.args(["--quiet", "--no-run", "--tests", "--message-format=json-render-diagnostics"]);
    for package in packages {
        command.args(["--package", package]);
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        let packages = packages.join(" ");
        return Err(Trouble::failed(format!("cargo test --no-run, of {packages}: {}", output.status)));
    }
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let mut tests: Vec<_> = messages.filter_map(|message| test(&message)).collect();
    tests.sort_by(|one, other| (&one.home, &one.name).cmp(&(&other.home, &other.name)));
    Ok(tests)
}

fn test(message: &serde_json::Value) -> Option<Test> {
    let text = |pointer: &str| message.pointer(pointer)?.as_str();
    let home = Path::new(text("/manifest_path")?).parent()?;
    let test = Test {
        home: home.to_path_buf(),
        name: text("/target/name")?.to_owned(),
        path: text("/executable")?.into(),
    };
    Some(test).filter(|_| text("/target/kind/0") == Some("test"))
}

/// Builds the stages' commands and the probe, and puts all into the machine.
pub(super) fn add(archive: &mut Archive, more: &[(Option<String>, PathBuf)]) -> Result<(), Trouble> {
    for package in workspace::STAGES {
        program(archive, Some(package), &workspace::build(package, Linkage::Host)?)?;
    }
    program(archive, Some("probe"), &workspace::probe()?)?;
    for (name, path) in more {
        program(archive, name.as_deref(), path)?;
    }
    Ok(())
}

fn program(archive: &mut Archive, name: Option<&str>, path: &Path) -> Result<(), Trouble> {
    let place = path.to_string_lossy();
    archive.program(&place, &stripped(path)?);
    if let Some(name) = name {
        archive.symlink(&format!("/usr/local/bin/{name}"), &place);
    }
    Ok(())
}

/// The program without what only debuggers read, which is most of it; as it is where there is no strip(1).
fn stripped(path: &Path) -> Result<Vec<u8>, Trouble> {
    if !installed("strip") {
        return Ok(fs::read(path)?);
    }
    let slim = path.with_extension(format!("stripped-{}", std::process::id()));
    let status = Command::new("strip").args(["--strip-debug", "-o"]).arg(&slim).arg(path).status();
    let contents = if status.is_ok_and(|status| status.success()) { fs::read(&slim) } else { fs::read(path) };
    // Not there where strip(1) failed.
    drop(fs::remove_file(&slim));
    Ok(contents?)
}

/// The scripts of all stages, and what their tests read: snapshots above all.
pub(super) fn add_texts(archive: &mut Archive) -> Result<(), Trouble> {
    for package in workspace::STAGES {
        let home = workspace::root().join(package);
        archive.directory(&home.to_string_lossy());
        for list in ["demo.toml", "clients.toml"] {
            let list = home.join(list);
            if list.exists() {
                archive.file(&list.to_string_lossy(), &fs::read(&list)?);
            }
        }
        add_below(archive, &home.join("tests"))?;
    }
    Ok(())
}

fn add_below(archive: &mut Archive, directory: &Path) -> Result<(), Trouble> {
    archive.directory(&directory.to_string_lossy());
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            add_below(archive, &path)?;
        } else if path.extension().is_none_or(|extension| extension != "rs") {
            archive.file(&path.to_string_lossy(), &fs::read(&path)?);
        }
    }
    Ok(())
}
