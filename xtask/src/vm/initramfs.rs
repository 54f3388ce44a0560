//! The machine's first root: busybox, our programs, the command.
//!
//! Runs cargo for what is linked statically. Book: "How it is tested".
//! Invariant: a program lies where it lies on the host, as its tests have that path in them; PATH has a link.

use super::{Layout, Trouble, cpio::Archive};
use crate::cargo::cargo;
use clap::ValueEnum;
use observe::workspace::{self, Linkage};
use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Stdio,
};

const INIT: &str = include_str!("init.sh");
const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n";
const GROUPS: &str = "root:x:0:\nnogroup:x:65534:\n";

/// What a machine's first root is made of.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    pub busybox: PathBuf,
    /// (path, contents)
    pub modules: Vec<(String, Vec<u8>)>,
    pub layout: Layout,
    /// The package whose tests come along.
    pub tests: Option<&'a str>,
    pub command: &'a [OsString],
}

impl Contents<'_> {
    /// Builds the programs and packs all.
    pub fn pack(&self) -> Result<Vec<u8>, Trouble> {
        let mut archive = Archive::default();
        for directory in
            ["dev", "proc", "sys", "run", "tmp", "mnt", "root", "sbin", "usr/bin", "usr/sbin", "vm"]
        {
            archive.directory(directory);
        }
        archive.program("/init", INIT.as_bytes());
        archive.program("/bin/busybox", &fs::read(&self.busybox)?);
        archive.file("/etc/passwd", USERS.as_bytes());
        archive.file("/etc/group", GROUPS.as_bytes());
        for (path, contents) in &self.modules {
            archive.file(path, contents);
        }
        for package in workspace::STAGES {
            program(&mut archive, package, &workspace::build(package, Linkage::Static)?)?;
        }
        let probe = workspace::build("probe", Linkage::Static)?;
        program(&mut archive, "probe", &probe)?;
        self.add_tests(&mut archive)?;
        archive.file("/vm/command", &self.told(&probe));
        Ok(archive.finish())
    }

    /// What init reads: the layout, where to begin, what tests want to know, the words of the command.
    fn told(&self, probe: &Path) -> Vec<u8> {
        let layout = self.layout.to_possible_value().map(|value| value.get_name().to_owned());
        let mut told = format!("layout={}\nhome=/root\n", layout.unwrap_or_default()).into_bytes();
        let mut set = |name: &str, value: &OsStr| {
            told.extend_from_slice(name.as_bytes());
            told.extend(quoted(value));
            told.push(b'\n');
        };
        if let Some(package) = self.tests {
            // As cargo does, which is not there.
            set("home=", workspace::root().join(package).as_os_str());
            set("export STAGES_PROBE=", probe.as_os_str());
            set("export INSTA_WORKSPACE_ROOT=", workspace::root().as_os_str());
            set("export INSTA_UPDATE=", "no".as_ref());
        }
        told.extend_from_slice(b"set --");
        for word in self.command {
            told.push(b' ');
            told.extend(quoted(word));
        }
        told.push(b'\n');
        told
    }

    fn add_tests(&self, archive: &mut Archive) -> Result<(), Trouble> {
        let Some(package) = self.tests else { return Ok(()) };
        for (name, path) in tests(package)? {
            program(archive, &name, &path)?;
        }
        let home = workspace::root().join(package);
        let script = home.join("demo.toml");
        archive.directory(&home.to_string_lossy());
        let snapshots = fs::read_dir(home.join("tests/snapshots")).into_iter().flatten().flatten();
        for file in snapshots.map(|entry| entry.path()).chain(script.exists().then_some(script)) {
            archive.file(&file.to_string_lossy(), &fs::read(&file)?);
        }
        Ok(())
    }
}

/// The same path as here, and its name in PATH.
fn program(archive: &mut Archive, name: &str, path: &Path) -> Result<(), Trouble> {
    let place = path.to_string_lossy();
    archive.program(&place, &fs::read(path)?);
    archive.symlink(&format!("/usr/local/bin/{name}"), &place);
    Ok(())
}

/// A word as sh(1) reads it back, whatever is in it.
fn quoted(word: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// The test programs of `package`, linked statically: (name, path).
fn tests(package: &str) -> Result<Vec<(String, PathBuf)>, Trouble> {
    let mut command = cargo("test");
    command.args([
        "--quiet",
        "--no-run",
        "--tests",
        "--message-format=json-render-diagnostics",
        "--package",
        package,
    ]);
    command
        .args(["--target", workspace::HOST])
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(Trouble::failed(format!("cargo test --no-run --package {package}: {}", output.status)));
    }
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let test = |message: serde_json::Value| {
        let kind = message.pointer("/target/kind/0")?.as_str()?;
        let name = message.pointer("/target/name")?.as_str()?.to_owned();
        Some((name, message.get("executable")?.as_str()?.into())).filter(|_| kind == "test")
    };
    Ok(messages.filter_map(test).collect())
}

#[cfg(test)]
mod tests_of_words {
    use super::*;

    #[test]
    fn a_word_survives_the_shell() {
        let word = OsStr::from_bytes(b"it's $HOME \"\\ \n\xff*");
        let mut script = b"printf %s ".to_vec();
        script.extend(quoted(word));
        let output = std::process::Command::new("sh").arg("-c").arg(OsStr::from_bytes(&script)).output();
        assert_eq!(output.unwrap().stdout, word.as_bytes());
    }
}
