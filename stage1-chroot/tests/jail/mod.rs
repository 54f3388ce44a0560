//! A root with a few programs in it and a canary beside it, for the tests of this crate.
//!
//! Built by the crate's own `build`. Book: "How to use this book".
//! Invariant: each test has its own, and it is gone with the test.
#![allow(dead_code, reason = "each test program uses a part of it")]

use assert_cmd::Command;
use observe::scratch::Scratch;
use std::fs;
use std::path::{Path, PathBuf};

/// The command under test; inside a jail it has the same path.
pub const STAGE1: &str = env!("CARGO_BIN_EXE_stage1-chroot");

/// What the canary says.
pub const CANARY: &str = "only the host has this line";

/// What `run` tells an ordinary user.
pub const LOAN: &str =
    "note: chroot(2) needs CAP_SYS_CHROOT; borrowed a user namespace from 2013 (user_namespaces(7))\n";

pub struct Jail {
    directory: Scratch,
}

impl Jail {
    /// A jail with these programs, and `true`; nothing, with a loud skip, where no root can be changed.
    pub fn with(programs: &[&str]) -> Option<Jail> {
        let jail = Jail { directory: Scratch::new("stage1").unwrap() };
        fs::write(jail.canary(), format!("{CANARY}\nand this one is not read out\n")).unwrap();
        let mut build = stage1();
        build.arg("build").arg(jail.root()).arg("true").args(programs).assert().success();

        let tried = jail.run(&[], &["true"]).output().unwrap();
        if tried.status.success() {
            return Some(jail);
        }
        observe::skip::skip("a jail", &String::from_utf8_lossy(&tried.stderr));
        None
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("new-root")
    }

    pub fn canary(&self) -> PathBuf {
        self.directory.path().join("canary")
    }

    /// `stage1-chroot run OPTIONS new-root -- COMMAND`, typed beside the jail.
    pub fn run(&self, options: &[&str], command: &[&str]) -> Command {
        let mut run = stage1();
        run.current_dir(self.directory.path())
            .arg("run")
            .args(options)
            .arg("new-root")
            .arg("--")
            .args(command);
        run
    }

    /// The same line with `redirections`, given to a shell, which prints the exit status as it sees it.
    pub fn shell(&self, options: &str, command: &str, redirections: &str) -> Command {
        let mut shell = Command::new("sh");
        let line = format!("{STAGE1} run {options} new-root -- {command} {redirections}; echo status $?");
        shell.current_dir(self.directory.path()).args(["-c", &line]);
        shell
    }

    /// What is in the jail's root directory.
    pub fn entries(&self) -> Vec<String> {
        let all = fs::read_dir(self.root()).unwrap();
        let mut names: Vec<_> = all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub fn stage1() -> Command {
    Command::new(STAGE1)
}

/// `text` with the canary's path called by its name.
pub fn normalised(text: &[u8], canary: &Path) -> String {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let path = canary.to_str().unwrap();
    text.replace(path, "$CANARY").replace(path.trim_start_matches('/'), "$CANARY")
}
