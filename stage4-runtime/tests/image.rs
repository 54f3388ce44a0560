//! Images: what comes out of good ones, and what nothing comes out of.
//!
//! Book: "Images" (`images`).
//! Invariant: every image is made here, or by a program that is asked to agree; what is asserted is what lies on the disk.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "image/applied.rs"]
mod applied;
#[path = "image/built.rs"]
mod built;
#[path = "image/committed.rs"]
mod committed;
#[path = "image/craft.rs"]
mod craft;
#[path = "image/ends.rs"]
mod ends;
mod ground;
#[path = "image/hostile.rs"]
mod hostile;
#[cfg(feature = "registry")]
#[path = "image/imposters.rs"]
mod imposters;
#[path = "image/mounted.rs"]
mod mounted;
#[path = "image/others.rs"]
mod others;
#[path = "image/ran.rs"]
mod ran;
#[cfg(feature = "registry")]
#[path = "image/registry.rs"]
mod registry;
#[cfg(feature = "registry")]
#[path = "image/secrets.rs"]
mod secrets;
#[cfg(feature = "registry")]
#[path = "image/server.rs"]
mod server;

use craft::{Layout, Packed, Tar};
use observe::scratch::Scratch;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory with a canary beside everything that is unpacked.
pub(crate) struct Place(Scratch);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Place(Scratch::new("stage4").unwrap());
        fs::create_dir(place.path("outside")).unwrap();
        fs::write(place.path("outside/canary"), "sings").unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn layout(&self, layers: &[Tar]) -> Layout {
        let layers: Vec<_> = layers.iter().map(|layer| (Packed::Gzip, layer.clone().end())).collect();
        Layout::new(&self.path("image"), &layers)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(ground::BINARY);
        command.arg("image").args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Status, output and errors.
    pub(crate) fn image(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// Unpacks `image` to `box`; what it warned of.
    pub(crate) fn unpacked(&self) -> String {
        let (status, output, errors) = self.image(&["unpack", "image", "box"]);
        assert_eq!(status, 0, "{errors}");
        assert!(output.starts_with("box: "), "{output}");
        errors
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path("box/rootfs").join(path))
            .unwrap_or_else(|error| format!("{path}: {error}"))
    }

    /// All below the root: type, mode, links, and what is in it or where it leads; owners, where we may give them.
    pub(crate) fn tree(&self) -> String {
        let root = self.path("box/rootfs");
        let mut lines = Vec::new();
        walk(&root, &root, &mut lines);
        lines.sort();
        lines.join("\n")
    }

    /// No bundle, nothing hidden, and the canary as it was.
    pub(crate) fn is_untouched(&self, told: &str) {
        let mut names: Vec<_> =
            fs::read_dir(self.0.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        names.retain(|name| name != "image");
        assert_eq!(names, ["outside"], "{told}");
        self.canary_sings(told);
    }

    pub(crate) fn canary_sings(&self, told: &str) {
        assert_eq!(fs::read_to_string(self.path("outside/canary")).unwrap(), "sings", "{told}");
        assert_eq!(fs::read_dir(self.path("outside")).unwrap().count(), 1, "{told}");
    }
}

impl Drop for Place {
    /// Files of subordinate ids are removed by who made them.
    fn drop(&mut self) {
        self.image(&["remove", "box"]);
    }
}

fn walk(root: &Path, directory: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let status = path.symlink_metadata().unwrap();
        let kind = status.file_type();
        let what = if kind.is_symlink() {
            format!("-> {}", fs::read_link(&path).unwrap().display())
        } else if kind.is_file() {
            format!("{:?}", fs::read_to_string(&path).unwrap_or_default())
        } else {
            String::new()
        };
        let letter = match status.mode() & libc::S_IFMT {
            libc::S_IFDIR => 'd',
            libc::S_IFLNK => 'l',
            libc::S_IFIFO => 'p',
            libc::S_IFCHR => 'c',
            libc::S_IFBLK => 'b',
            _ => '-',
        };
        let mode = if kind.is_symlink() { 0 } else { status.permissions().mode() & 0o7777 };
        let name = path.strip_prefix(root).unwrap().display();
        lines.push(format!("{name} {letter}{mode:o} {} {what}", status.mtime()).trim_end().to_owned());
        if kind.is_dir() {
            walk(root, &path, lines);
        }
    }
}
