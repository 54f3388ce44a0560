//! A copy of the checkout that may be broken, and what is built of it.
//!
//! Runs cargo. Book: "Weaknesses, and what turns red" (`weaknesses`).
//! Invariant: nothing is written outside `target/prove-red`; what was broken is mended when its guard goes, and by the
//! next copy in any case.

use crate::{Error, cargo, tidy::sources, weaknesses::Patch};
use observe::workspace;
use serde_json::Value;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

/// The copy.
#[derive(Debug)]
pub(super) struct Tree {
    room: PathBuf,
    /// Test programs, by name.
    programs: RefCell<BTreeMap<String, PathBuf>>,
}

impl Tree {
    /// Copies what differs, so that the next build is short.
    pub fn copy() -> Result<Tree, Error> {
        let target = std::env::var_os("CARGO_TARGET_DIR");
        let root = workspace::root();
        let room = target.map_or_else(|| root.join("target"), |path| root.join(path)).join("prove-red");
        let tree = Tree { room, programs: RefCell::default() };
        let wanted: BTreeSet<String> = sources::paths(&root).into_iter().collect();
        for path in &wanted {
            same(&root.join(path), &tree.path().join(path)).map_err(|error| not_copied(path, &error))?;
        }
        for path in sources::walked(&tree.path()).iter().filter(|path| !wanted.contains(*path)) {
            fs::remove_file(tree.path().join(path)).map_err(|error| not_copied(path, &error))?;
        }
        Ok(tree)
    }

    /// Its top level.
    pub fn path(&self) -> PathBuf {
        self.room.join("tree")
    }

    /// Applies the patches, until what is returned goes.
    pub fn take_away(&self, patches: &[Patch]) -> Result<Mended, Error> {
        let mut mended = Mended(Vec::new());
        for patch in patches {
            let path = self.path().join(&patch.file);
            let text = fs::read_to_string(&path).map_err(|error| not_copied(&patch.file, &error))?;
            let broken = patch.apply(&text).ok_or_else(|| {
                Error::Failed(format!("{}: stands there not once: {:?}", patch.file, patch.from))
            })?;
            fs::write(&path, broken)?;
            mended.0.push((path, text));
        }
        Ok(mended)
    }

    /// Builds test programs; what rustc said where it cannot.
    pub fn build(&self, programs: &BTreeSet<&str>) -> Result<Result<(), String>, Error> {
        if programs.is_empty() {
            // Cargo would build all of them.
            return Ok(Ok(()));
        }
        let mut command = cargo::cargo("test");
        command.args([
            "--quiet",
            "--no-run",
            "--message-format=json-render-diagnostics",
            "--package",
            "stage4-runtime",
        ]);
        command.args(programs.iter().flat_map(|program| ["--test", program]));
        // Twenty times almost the same: what did not change is not compiled again.
        command.current_dir(self.path()).env("CARGO_TARGET_DIR", self.room.join("build"));
        command.envs([
            ("CARGO_INCREMENTAL", "1"),
            ("CARGO_PROFILE_DEV_DEBUG", "0"),
            ("CARGO_TERM_COLOR", "never"),
        ]);
        command.env("RUSTFLAGS", "--cap-lints=allow");
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed");
            return Ok(Err(first.to_owned()));
        }
        let messages = output.stdout.split(|byte| *byte == b'\n');
        let found = messages.filter_map(|line| serde_json::from_slice(line).ok()).filter_map(test_program);
        self.programs.borrow_mut().extend(found);
        Ok(Ok(()))
    }

    /// The test program of that name, as it was built last.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.programs.borrow().get(name).cloned()
    }

    /// How it ended and all it said. By a file: a container that goes on would hold a pipe open.
    pub fn said_by(&self, mut command: Command) -> Result<(ExitStatus, String), Error> {
        let path = self.room.join("said");
        let said = File::create(&path)?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        let ended = command.status()?;
        Ok((ended, String::from_utf8_lossy(&fs::read(&path)?).into_owned()))
    }
}

/// A message of cargo's about a test program: its name and where it is.
fn test_program(message: Value) -> Option<(String, PathBuf)> {
    let is_test = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "test");
    let (name, path) = (message["target"]["name"].as_str()?, message["executable"].as_str()?);
    is_test.then(|| (name.to_owned(), path.into()))
}

/// Copies one file where it is not the same.
fn same(from: &Path, to: &Path) -> io::Result<()> {
    match fs::read(from) {
        // Listed by git, and removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::remove_file(to).or(Ok(())),
        Ok(bytes) if fs::read(to).is_ok_and(|there| there == bytes) => Ok(()),
        _ => {
            to.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::copy(from, to).map(drop)
        }
    }
}

fn not_copied(path: &str, error: &io::Error) -> Error {
    Error::Failed(format!("{path}: {error}"))
}

/// Files as they were.
#[must_use = "it is broken as long as this is held"]
#[derive(Debug)]
pub(super) struct Mended(Vec<(PathBuf, String)>);

impl Drop for Mended {
    fn drop(&mut self) {
        // The last change first, should a file have had two. The next copy mends what cannot be written now.
        self.0.iter().rev().for_each(|(path, text)| drop(fs::write(path, text)));
    }
}
