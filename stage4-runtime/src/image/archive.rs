//! A tar file whose members are found by name.
//!
//! pread(2). Book: "Images" (`images`).
//! Invariant: every member lies inside the file; a name is there once, and a link leads to a member or nowhere.

use super::source::cut;
use super::tape::{Kind, Tape};
use crate::{Error, Result};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// More than any image has contents.
const MEMBERS: usize = 100_000;

/// docker save writes a layer that it has twice as a link to the first.
const LINKS: usize = 8;

/// A part of a file, read from its beginning; others read other parts of the same file.
#[derive(Debug, Clone)]
pub struct Window {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Window {
    /// From one byte to another.
    pub fn new(file: Arc<File>, at: u64, size: u64) -> Self {
        Window { file, at, end: at.saturating_add(size) }
    }

    /// So many bytes are not read yet.
    pub fn left(&self) -> u64 {
        self.end - self.at
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        match bytes <= self.left() {
            true => {
                self.at += bytes;
                Ok(())
            }
            false => Err(cut()),
        }
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left()).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        match self.file.read_at(&mut buffer[..wanted], self.at)? {
            // It has become shorter since it was looked at.
            0 => Err(cut()),
            read => {
                self.at += read as u64;
                Ok(read)
            }
        }
    }
}

#[derive(Debug)]
enum Member {
    Content(Window),
    Link(Vec<String>),
}

/// The file.
#[derive(Debug)]
pub struct Archive {
    members: HashMap<Vec<String>, Member>,
}

impl Archive {
    /// Reads the headers, and passes over what is between them.
    ///
    /// # Errors
    /// No tar file, or a damaged one.
    pub fn read(file: File) -> Result<Self> {
        let size = file.metadata().map_err(|error| Error::io("fstat()", &error))?.len();
        let file = Arc::new(file);
        let mut tape = Tape::passing(Window::new(file.clone(), 0, size), Window::pass);
        let mut members = HashMap::new();
        while let Some(entry) = tape.entry()? {
            // A name that is no text is none of an image's.
            let Some(name) = steps(&[], &entry.path) else { continue };
            let member = match entry.kind {
                Kind::File => Member::Content(Window::new(file.clone(), tape.stream().at, entry.size)),
                Kind::Symlink => match steps(&name[..name.len().saturating_sub(1)], &entry.link) {
                    Some(target) => Member::Link(target),
                    None => continue,
                },
                Kind::HardLink => match steps(&[], &entry.link) {
                    Some(target) => Member::Link(target),
                    None => continue,
                },
                _ => continue,
            };
            if members.len() == MEMBERS {
                return Err(Error::refused(format!("more than {MEMBERS} members")));
            }
            let text = name.join("/");
            if members.insert(name, member).is_some() {
                return Err(Error::refused(format!("member {text:?} is there twice")));
            }
        }
        Ok(Archive { members })
    }

    /// None: no such member.
    pub fn member(&self, name: &str) -> Result<Option<Window>> {
        let Some(mut name) = steps(&[], name.as_bytes()) else { return Ok(None) };
        for _ in 0..LINKS {
            match self.members.get(&name) {
                None => return Ok(None),
                Some(Member::Content(window)) => return Ok(Some(window.clone())),
                Some(Member::Link(target)) => name.clone_from(target),
            }
        }
        Err(Error::refused(format!("member {:?} is a link in a circle", name.join("/"))))
    }
}

/// The names from the top to `path`, which is seen from `directory`. None: out of the archive, or no text.
fn steps(directory: &[String], path: &[u8]) -> Option<Vec<String>> {
    let mut steps = directory.to_vec();
    for part in std::str::from_utf8(path).ok()?.split('/') {
        match part {
            "" | "." => (),
            ".." => drop(steps.pop()?),
            part => steps.push(part.to_owned()),
        }
    }
    Some(steps)
}
