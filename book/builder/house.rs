//! Where things are: the workspace, its stages, the book's text and its output.
//!
//! No kernel calls beyond stat(2) and readdir(2). Book: "How to use this book".
//! The binary may be started by cargo, by `cargo xtask book`, or by hand from a subdirectory.
//! Invariant: paths handed out are below the workspace; names in messages are relative to it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The workspace this book belongs to.
#[derive(Debug, Clone)]
pub struct House {
    root: PathBuf,
}

impl House {
    /// The workspace around the current directory; else the one this binary was built from.
    pub fn find() -> io::Result<Self> {
        let here = env::current_dir()?;
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors()
            .chain(built_from.ancestors().skip(1).take(1))
            .find(|dir| dir.join("book/book.toml").is_file())
            .map(Self::at)
            .ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, "no workspace here: book/book.toml not found")
            })
    }

    /// The workspace at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        House { root: root.into() }
    }

    /// The directory that holds `book.toml`, `src`, `theme` and `po`.
    pub fn book(&self) -> PathBuf {
        self.root.join("book")
    }

    /// A file or directory of the workspace, by its relative name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The text of a file of the workspace; the error says which file.
    pub fn read(&self, name: &str) -> Result<String, String> {
        fs::read_to_string(self.path(name)).map_err(|error| format!("{name}: {error}"))
    }

    /// The workspace's own name for `path`, for messages and captions.
    pub fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// Where cargo puts what it builds; the book goes there, too.
    pub fn output(&self, lang: &str) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from);
        target.join("book").join(lang)
    }

    /// The stages, oldest first, by the names of their directories (`stage1-chroot`, …).
    pub fn stages(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with("stage") && self.root.join(&name).join("Cargo.toml").is_file() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The directory of the stage that demos call `stage1`, `stage2`, ….
    pub fn stage(&self, name: &str) -> Result<String, String> {
        let stages = self.stages().map_err(|error| error.to_string())?;
        let prefix = format!("{name}-");
        stages
            .iter()
            .find(|dir| dir.starts_with(&prefix))
            .cloned()
            .ok_or_else(|| format!("no stage named {name:?}; there are {}", stages.join(", ")))
    }

    /// All Rust files below a directory of the workspace, by name; none where the directory is missing.
    pub fn rust_files(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut open = vec![self.path(dir)];
        while let Some(dir) = open.pop().filter(|dir| dir.is_dir()) {
            for entry in fs::read_dir(dir)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|it| it == "rs") {
                    found.push(self.name(&path));
                }
            }
        }
        found.sort();
        Ok(found)
    }
}
