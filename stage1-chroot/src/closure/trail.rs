//! The way to a file, link by link.
//!
//! lstat(2), readlink(2); symbolic links, 4.2BSD (1983); path_resolution(7). Book: `build`.
//! Invariant: the parents in every step are free of links, so that steps can be repeated in any root.

use crate::{Error, Result};
use nix::errno::Errno;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows in one path (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// What a path passes, from `/` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// What must exist for the path to mean the same elsewhere.
    pub steps: Vec<Step>,
    /// Where the path ends, without any link in it.
    pub end: PathBuf,
}

/// One thing that must exist; the paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A directory that the path enters only to leave it by `..`.
    Directory(PathBuf),
    /// A symbolic link and the text in it.
    Link(PathBuf, PathBuf),
    /// What the path ends in.
    File(PathBuf),
    /// A file that has another place in the root, and where it is on the host.
    Moved(PathBuf, PathBuf),
}

impl Step {
    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Step::Directory(path) | Step::Link(path, _) | Step::File(path) | Step::Moved(path, _) => path,
        }
    }
}

impl Trail {
    /// Walks `path` as the kernel would, noting what it passes.
    pub fn follow(path: &Path) -> Result<Trail> {
        let start =
            std::path::absolute(path).map_err(|error| Error::io(format!("getcwd() for {path:?}"), &error))?;
        let mut left = components(&start);
        let mut here = PathBuf::from("/");
        let (mut steps, mut links) = (Vec::new(), 0);
        while let Some(part) = left.pop() {
            if part == ".." {
                steps.push(Step::Directory(here.clone()));
                here.pop();
                continue;
            }
            let next = here.join(&part);
            let meta =
                fs::symlink_metadata(&next).map_err(|error| unreachable(path, &next, &steps, &error))?;
            if !meta.is_symlink() {
                here = next;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                let error = Error::call(format!("stat({path:?})"), Errno::ELOOP);
                return Err(error.with_hint(format!("the links turn in a circle; one of them is {next:?}")));
            }
            let target =
                fs::read_link(&next).map_err(|error| Error::io(format!("readlink({next:?})"), &error))?;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            left.extend(components(&target));
            steps.push(Step::Link(next, target));
        }
        steps.push(Step::File(here.clone()));
        Ok(Trail { steps, end: here })
    }

    /// The same end, put at `place` in the root.
    #[must_use]
    pub fn moved(self, place: PathBuf) -> Trail {
        Trail { steps: vec![Step::Moved(place, self.end.clone())], end: self.end }
    }

    /// Whether it passes `path`, or ends there.
    pub fn passes(&self, path: &Path) -> bool {
        self.steps.iter().any(|step| step.path() == path)
    }

    /// The same trail without its end: the links, not what they lead to.
    #[must_use]
    pub fn only_links(mut self) -> Trail {
        self.steps.retain(|step| matches!(step, Step::Link(..)));
        self
    }
}

/// The components still to walk, the next one last.
fn components(path: &Path) -> Vec<OsString> {
    let walked = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    walked.map(|part| part.as_os_str().to_owned()).rev().collect()
}

fn unreachable(asked: &Path, at: &Path, steps: &[Step], error: &std::io::Error) -> Error {
    let error = Error::io(format!("lstat({at:?})"), error);
    match steps.iter().rev().find(|step| matches!(step, Step::Link(..))) {
        Some(link) => error.with_hint(format!("{asked:?} leads there by the link {:?}", link.path())),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn build_keeps_every_link_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(base.join("usr/bin")).unwrap();
        fs::write(base.join("usr/tool-1.0"), "").unwrap();
        symlink("usr/bin", base.join("bin")).unwrap();
        symlink("../tool-1", base.join("usr/bin/tool")).unwrap();
        symlink(base.join("usr/tool-1.0"), base.join("usr/tool-1")).unwrap();
        let trail = Trail::follow(&base.join("bin/./tool")).unwrap();
        let link = |path: &str, target: PathBuf| Step::Link(base.join(path), target);
        let expected = [
            link("bin", "usr/bin".into()),
            link("usr/bin/tool", "../tool-1".into()),
            Step::Directory(base.join("usr/bin")),
            link("usr/tool-1", base.join("usr/tool-1.0")),
            Step::File(base.join("usr/tool-1.0")),
        ];
        assert_eq!(trail.steps, expected);
        assert_eq!(trail.end, base.join("usr/tool-1.0"));
    }

    #[test]
    fn build_says_which_link_dangles_or_turns_in_a_circle() {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        symlink("b", base.join("a")).unwrap();
        symlink("a", base.join("b")).unwrap();
        symlink("gone", base.join("c")).unwrap();
        assert_eq!(Trail::follow(&base.join("a")).unwrap_err().errno(), Some(Errno::ELOOP));
        let dangling = Trail::follow(&base.join("c")).unwrap_err();
        assert_eq!(dangling.errno(), Some(Errno::ENOENT));
        assert!(dangling.hint().unwrap().contains(&format!("{:?}", base.join("c"))));
    }
}
