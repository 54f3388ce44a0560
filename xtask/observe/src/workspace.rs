//! Where the workspace's programs are, and how they are built.
//!
//! Runs cargo. Book: "How to use this book".
//! Invariant: a program comes from the same profile as its caller, and never from the host's PATH.

use crate::{Error, Result};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The workspace's root directory.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// How a program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// As the host does by default.
    Host,
    /// Statically, so that it runs inside any root.
    Static,
}

/// The stages that have a command line, in the order of history.
const STAGES: [&str; 2] = ["stage1-chroot", "stage2-namespaces"];

/// The directories that hold the programs of a demo, first match wins.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    directories: Vec<PathBuf>,
}

impl Programs {
    /// Builds what the demos of `package` run: its command line, those of earlier stages, and the probe.
    ///
    /// # Errors
    /// When cargo cannot build one of them.
    pub fn build(package: &str) -> Result<Programs> {
        let mut programs = Programs::with_earlier(package)?;
        programs.add(&build(package, Linkage::Host)?);
        Ok(programs)
    }

    /// The same for the tests of `package`, whose `command` cargo has built for them already.
    ///
    /// # Errors
    /// When cargo cannot build one of the others.
    pub fn for_tests(package: &str, command: &str) -> Result<Programs> {
        let mut programs = Programs::with_earlier(package)?;
        programs.add(Path::new(command));
        Ok(programs)
    }

    fn with_earlier(package: &str) -> Result<Programs> {
        let mut programs = Programs::default();
        // The probe's directory first: beside the other commands may lie an older one of another linkage.
        programs.add(&probe()?);
        // Nothing leans on a later stage, so the names sort by history.
        for earlier in STAGES.iter().take_while(|stage| **stage != package) {
            programs.add(&build(earlier, Linkage::Host)?);
        }
        Ok(programs)
    }

    fn add(&mut self, program: &Path) {
        let directory = program.parent().map(Path::to_path_buf);
        self.directories.extend(directory.filter(|directory| !self.directories.contains(directory)));
    }

    /// The value of `PATH`: ours first, then the host's with the administrator's directories.
    pub fn path(&self) -> OsString {
        let host = std::env::var_os("PATH").unwrap_or_default();
        let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
        let all = self.directories.iter().cloned().chain(std::env::split_paths(&host)).chain(sbin);
        std::env::join_paths(all).unwrap_or(host)
    }

    /// The full path of one of our programs.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        self.directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file())
    }

    /// Our directories, for a reader who wants to type along.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }
}

/// The probe: static where the host can link statically, else dynamic, to travel with its closure.
///
/// # Errors
/// When it can be built in neither way.
pub fn probe() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("STAGES_PROBE") {
        return Ok(path.into());
    }
    build("probe", Linkage::Static).or_else(|_| build("probe", Linkage::Host))
}

/// Builds `package` in the caller's own profile and returns its executable.
///
/// Where cargo is not at hand (`sudo target/debug/xtask …`), what an earlier run built is used.
///
/// # Errors
/// When cargo fails; its own words are on stderr by then.
pub fn build(package: &str, linkage: Linkage) -> Result<PathBuf> {
    let Some(cargo) = std::env::var_os("CARGO") else { return built(package, linkage) };
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--message-format=json-render-diagnostics", "--package", package]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if linkage == Linkage::Static {
        // With an explicit target the flags reach the program only, not the proc-macros of its build.
        command.args(["--target", env!("HOST_TRIPLE")]);
        command.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    }
    let output = command
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::Build(format!("cargo build --package {package}: {error}")))?;
    let executable = output.status.success().then(|| executable(&output.stdout)).flatten();
    executable.ok_or_else(|| Error::Build(format!("cargo build --package {package}: {}", output.status)))
}

fn executable(messages: &[u8]) -> Option<PathBuf> {
    let lines = messages.split(|&byte| byte == b'\n');
    let values = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    values.filter_map(|value| value.get("executable")?.as_str().map(PathBuf::from)).next_back()
}

fn built(package: &str, linkage: Linkage) -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(|error| Error::Build(format!("/proc/self/exe: {error}")))?;
    let profile = own.parent().unwrap_or(&own);
    let path = match (linkage, profile.parent(), profile.file_name()) {
        (Linkage::Static, Some(target), Some(name)) => {
            target.join(env!("HOST_TRIPLE")).join(name).join(package)
        }
        _ => profile.join(package),
    };
    let missing = || format!("{}: not built yet; run `cargo xtask demo` once without sudo", path.display());
    if path.is_file() { Ok(path) } else { Err(Error::Build(missing())) }
}
