//! An empty directory in which `build` is tried.
//!
//! Runs the command. Book: `build`.
//! Invariant: everything is below one temporary directory, which goes when the test ends.

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use predicates::str::contains;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

/// The command under test.
pub const COMMAND: &str = env!("CARGO_BIN_EXE_stage1-chroot");

/// Where `build` fills `new-root`.
pub struct Work {
    dir: TempDir,
}

impl Work {
    pub fn new() -> Work {
        Work { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join(name)
    }

    /// Where `name` of this directory is inside the new root: paths in a root are those of the host.
    pub fn inside(&self, name: &str) -> PathBuf {
        self.path("new-root").join(self.path(name).strip_prefix("/").unwrap())
    }

    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A program of our own: /bin/true under another name.
    pub fn program(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::copy("/bin/true", &path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub fn build(&self, programs: &[&str]) -> Assert {
        Command::new(COMMAND).current_dir(self.path("")).args(["build", "new-root"]).args(programs).assert()
    }

    pub fn json(&self, programs: &[&str]) -> Value {
        let mut command = Command::new(COMMAND);
        command.current_dir(self.path("")).args(["build", "--format", "json", "new-root"]).args(programs);
        serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap()
    }

    /// `script`, in which `$BUILD` is the command, run by sh in this directory.
    pub fn sh(&self, script: &str) -> Assert {
        Command::new("sh").current_dir(self.path("")).env("BUILD", COMMAND).args(["-c", script]).assert()
    }

    pub fn refuses(&self, program: &str, why: &str) -> Assert {
        let refused = self.build(&[program]).code(1).stdout("").stderr(contains(why));
        assert!(!self.path("new-root").exists(), "a refused build leaves no root");
        refused
    }

    /// What `words` print, run by the new root's own shell.
    pub fn shell(&self, words: &str) -> String {
        let mut command = Command::new(COMMAND);
        let assert = command
            .current_dir(self.path(""))
            .args(["run", "new-root", "--", "/bin/sh", "-c", words])
            .assert();
        String::from_utf8(assert.success().get_output().stdout.clone()).unwrap()
    }
}
