//! The files of the checkout, as text.
//!
//! Asks git which files there are, else walks. Book: none.
//! Invariant: paths are relative to the workspace's root, with `/`.

use crate::Error;
use observe::workspace;
use std::{fs, path::Path, process::Command};

/// A file: its path and its text (empty when it is not UTF-8).
#[derive(Debug)]
pub(super) struct Source {
    pub path: String,
    pub text: String,
}

/// Every file that git tracks or would track.
#[derive(Debug)]
pub(super) struct Sources {
    pub files: Vec<Source>,
}

impl Sources {
    pub fn read() -> Result<Sources, Error> {
        let root = workspace::root();
        let paths = paths(&root);
        let read = |path: String| {
            let text = fs::read_to_string(root.join(&path)).unwrap_or_default();
            Source { path, text }
        };
        Ok(Sources { files: paths.into_iter().filter(|path| root.join(path).exists()).map(read).collect() })
    }

    /// The Rust files, without tests.
    pub fn code(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.path.ends_with(".rs") && !file.path.contains("/tests/"))
    }

    /// The files below a directory.
    pub fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = &'a Source> {
        self.files.iter().filter(move |file| file.path.starts_with(directory))
    }

    pub fn find(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// The paths of all files that git tracks or would track.
pub(crate) fn paths(root: &Path) -> Vec<String> {
    let mut paths = listed(root).unwrap_or_else(|| walked(root));
    paths.sort();
    paths.dedup();
    paths
}

fn listed(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output =
        git.stderr(std::process::Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// A download without git: everything but what is built.
pub(crate) fn walked(root: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let built = path == root.join("target") || path == root.join(".git");
            if path.is_dir() && !built {
                left.push(path);
            } else if let (true, Ok(relative)) = (path.is_file(), path.strip_prefix(root)) {
                paths.push(relative.display().to_string());
            }
        }
    }
    paths
}
