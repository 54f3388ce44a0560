//! Where the workspace's programs are, and how they are built.
//!
//! Runs cargo. Book: "How to use this book".
//! Invariant: a program comes from the same profile as its caller, and never from the host's PATH.

use crate::{Error, Result};
use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt,
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

/// What rustc calls this kind of machine.
pub const HOST: &str = env!("HOST_TRIPLE");

/// The stages that have a command line, in the order of history.
pub const STAGES: [&str; 4] = ["stage1-chroot", "stage2-namespaces", "stage3-cgroups", "stage4-runtime"];

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
        programs.add(&build(package, Linkage::Host)?)?;
        Ok(programs)
    }

    /// The same for the tests of `package`, whose `command` cargo has built for them already.
    ///
    /// # Errors
    /// When cargo cannot build one of the others.
    pub fn for_tests(package: &str, command: &str) -> Result<Programs> {
        let mut programs = Programs::with_earlier(package)?;
        programs.add(Path::new(command))?;
        Ok(programs)
    }

    fn with_earlier(package: &str) -> Result<Programs> {
        let mut programs = Programs::default();
        // The probe's directory first: beside the other commands may lie an older one of another linkage.
        programs.add(&probe()?)?;
        // Nothing leans on a later stage, so the names sort by history.
        for earlier in STAGES.iter().take_while(|stage| **stage != package) {
            programs.add(&build(earlier, Linkage::Host)?)?;
        }
        Ok(programs)
    }

    fn add(&mut self, program: &Path) -> Result<()> {
        let directory = program.parent().unwrap_or(program);
        if directory.as_os_str().as_bytes().contains(&b':') {
            let reason = "PATH cannot name a directory with a colon; set CARGO_TARGET_DIR to another one";
            return Err(Error::Build(format!("{}: {reason}", directory.display())));
        }
        if !self.directories.iter().any(|known| known == directory) {
            self.directories.push(directory.to_path_buf());
        }
        Ok(())
    }

    /// The value of `PATH`: ours first, then the host's with the administrator's directories.
    pub fn path(&self) -> OsString {
        let mut path = OsString::new();
        for directory in self.directories.iter().cloned().chain(host_path()) {
            path.push(if path.is_empty() { "" } else { ":" });
            path.push(directory);
        }
        path
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

/// The host's directories of programs: those of `PATH`, and the administrator's.
fn host_path() -> Vec<PathBuf> {
    // As sh(1) and execvp(3), which have a default where there is no PATH; an empty one would be `.`.
    let path = std::env::var_os("PATH").filter(|path| !path.is_empty());
    let path = path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(sbin).collect()
}

/// Whether the host has a program of this name.
pub fn installed(name: &str) -> bool {
    found(name).is_some()
}

/// Where the host has a program of this name.
pub fn found(name: &str) -> Option<PathBuf> {
    host_path().iter().map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// The probe: static where the host can link statically, else dynamic, to travel with its closure.
///
/// # Errors
/// When it can be built in neither way.
pub fn probe() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("STAGES_PROBE") {
        return given(Path::new(&path));
    }
    build("probe", Linkage::Static).or_else(|_| build("probe", Linkage::Host))
}

/// The probe that `STAGES_PROBE` names; scenes find it in its directory, by its name.
fn given(path: &Path) -> Result<PathBuf> {
    let wrong = |reason: &str| Error::Build(format!("STAGES_PROBE={}: {reason}", path.display()));
    let path = path.canonicalize().map_err(|error| wrong(&error.to_string()))?;
    let usable = path.is_file() && path.ends_with("probe");
    if usable { Ok(path) } else { Err(wrong("not a file of the name `probe`")) }
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
        command.args(["--target", HOST]);
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

/// The executable of `package` that an earlier run built beside this one.
///
/// # Errors
/// When there is none.
pub fn built(package: &str, linkage: Linkage) -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(|error| Error::Build(format!("/proc/self/exe: {error}")))?;
    // A test lies one directory deeper, in deps.
    let profile = own.ancestors().skip(1).find(|path| !path.ends_with("deps")).unwrap_or(&own);
    let path = match (linkage, profile.parent(), profile.file_name()) {
        (Linkage::Static, Some(target), Some(name)) => target.join(HOST).join(name).join(package),
        _ => profile.join(package),
    };
    let missing = || format!("{}: not built yet; run `cargo xtask demo` once without sudo", path.display());
    if path.is_file() { Ok(path) } else { Err(Error::Build(missing())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_directories_come_first_and_a_colon_in_one_is_refused() {
        let mut programs = Programs::default();
        programs.add(Path::new("/ours/probe")).unwrap_or_else(|error| panic!("{error}"));
        assert!(programs.path().as_bytes().starts_with(b"/ours:"), "{:?}", programs.path());
        let refused = programs.add(Path::new("/a:b/probe"));
        assert!(refused.is_err_and(|error| error.to_string().contains("colon")));
    }

    #[test]
    fn a_probe_that_is_given_must_be_one() {
        let refused = |path: &str| given(Path::new(path)).err().map(|error| error.to_string());
        assert!(
            refused("/nowhere/probe").is_some_and(|told| told.contains("STAGES_PROBE=/nowhere/probe: No"))
        );
        assert!(refused("/bin/sh").is_some_and(|told| told.contains("name `probe`")));
    }
}
