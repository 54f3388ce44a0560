//! The archive a kernel unpacks as its first root: cpio, format newc.
//!
//! No kernel calls; the kernel reads it since 2.5.46 (2002). Book: "How it is tested".
//! Invariant: all belongs to root and is as old as the epoch, so that the same contents are the same bytes.
//!
//! Source: Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's tree.

use std::collections::BTreeSet;

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_777;

/// Debian keeps these below /usr, and leaves a link in their place.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// An archive that grows; a directory is there before what lies in it.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// An archive with the directories that every Debian has.
    pub fn merged() -> Archive {
        let mut archive = Archive::default();
        for name in MERGED {
            archive.directory(name);
            archive.entry(name, SYMLINK, format!("usr/{name}").as_bytes());
        }
        archive
    }

    /// A directory and those above it.
    pub fn directory(&mut self, path: &str) {
        let path = place(path);
        if path.is_empty() || !self.directories.insert(path.clone()) {
            return;
        }
        self.parents(&path);
        self.entry(&path, DIRECTORY, b"");
    }

    /// A file to be read.
    pub fn file(&mut self, path: &str, contents: &[u8]) {
        self.with_mode(path, 0o644, contents);
    }

    /// A file to be executed.
    pub fn program(&mut self, path: &str, contents: &[u8]) {
        self.with_mode(path, 0o755, contents);
    }

    /// A file with these twelve bits of permissions.
    pub fn with_mode(&mut self, path: &str, mode: u32, contents: &[u8]) {
        let path = place(path);
        self.parents(&path);
        self.entry(&path, FILE | mode & 0o7777, contents);
    }

    /// A symbolic link to `target`.
    pub fn symlink(&mut self, path: &str, target: &str) {
        let path = place(path);
        self.parents(&path);
        self.entry(&path, SYMLINK, target.as_bytes());
    }

    /// The finished archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, b"");
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        self.entries += 1;
        // The field has 32 bits; a larger file has no place in a first root.
        let size = u32::try_from(contents.len()).unwrap_or(u32::MAX);
        let links = if mode == DIRECTORY { 2 } else { 1 };
        let name_size = name.len() as u32 + 1;
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    /// Header with name, and contents, each begin at a multiple of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Where it is once links are followed: a directory in a link's place would replace the link.
fn place(path: &str) -> String {
    let path = path.trim_matches('/');
    let merged = MERGED.contains(&path.split('/').next().unwrap_or(path));
    if merged { format!("usr/{path}") } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_bytes_that_the_format_names() {
        let mut archive = Archive::default();
        archive.program("/init", b"hello");
        let bytes = archive.finish();
        let expected = "070701\
             00000001000081ed00000000000000000000000100000000\
             000000050000000000000000000000000000000000000005\
             00000000";
        assert_eq!(expected.len(), 110);
        assert_eq!(&bytes[..110], expected.replace("0000000500000000\n", "").as_bytes());
        assert_eq!(&bytes[110..124], b"init\0\0hello\0\0\0");
        assert!(bytes.ends_with(b"TRAILER!!!\0\0\0\0"));
    }

    #[test]
    fn every_entry_begins_at_a_multiple_of_four_and_after_its_directory() {
        let mut archive = Archive::default();
        archive.file("/a/b/c", b"1");
        archive.symlink("/a/b/link", "../c");
        archive.directory("a/b");
        let bytes = archive.finish();
        let starts: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"070701")).collect();
        assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
        let names: Vec<_> = starts
            .iter()
            .map(|at| bytes[at + 110..].split(|&byte| byte == 0).next().unwrap())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        assert_eq!(names, ["a", "a/b", "a/b/c", "a/b/link", "TRAILER!!!"]);
    }

    #[test]
    fn what_debian_merged_lies_below_usr() {
        assert_eq!(
            ["/bin/sh", "lib64", "/usr/bin/x", "bind/x"].map(place),
            ["usr/bin/sh", "usr/lib64", "usr/bin/x", "bind/x"]
        );
    }
}
