//! A layer that is written: entries as a tar archive.
//!
//! No kernel calls of its own; POSIX.1-1988 (ustar), POSIX.1-2001 (pax). Book: "Images" (`images`).
//! Invariant: the same entries make the same bytes, whoever writes them and whenever; what the header has no room for is in
//! a pax record, and nothing is cut off.

use super::header::{BLOCK, blocks};
use super::tape::{Entry, Kind};
use crate::{Error, Result};
use std::io::{self, Read, Write};

/// The archive, as it grows.
#[derive(Debug)]
pub struct Pack<W>(W);

/// The largest number of so many octal digits.
fn fits(value: u64, digits: u32) -> bool {
    value < 1 << (3 * digits)
}

impl<W: Write> Pack<W> {
    /// To a stream.
    pub fn new(stream: W) -> Self {
        Pack(stream)
    }

    /// One entry, and of a file as many bytes as it says.
    ///
    /// # Errors
    /// The content is shorter than the entry says; what the kernel refuses.
    pub fn add(&mut self, entry: &Entry, content: impl Read) -> Result<()> {
        let records = records(entry);
        if !records.is_empty() {
            let block = header(b"pax", b'x', b"", &Entry { size: records.len() as u64, ..plain() });
            self.write(&block)?;
            self.padded(&records)?;
        }
        self.write(&header(&entry.path, kind(entry.kind), &entry.link, entry))?;
        let copied = io::copy(&mut content.take(entry.size), &mut self.0).map_err(failed)?;
        if copied < entry.size {
            return Err(
                Error::refused("it became shorter while it was read").with_hint("stop what writes to it")
            );
        }
        let padding = blocks(copied)? - copied;
        self.write(&vec![0; usize::try_from(padding).unwrap_or_default()])
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn end(mut self) -> Result<W> {
        self.write(&[0; 2 * BLOCK])?;
        Ok(self.0)
    }

    fn padded(&mut self, bytes: &[u8]) -> Result<()> {
        self.write(bytes)?;
        self.write(&vec![0; bytes.len().next_multiple_of(BLOCK) - bytes.len()])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(failed)
    }
}

/// An entry of a record of the archive's own.
fn plain() -> Entry {
    Entry {
        path: Vec::new(),
        kind: Kind::File,
        link: Vec::new(),
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: 0,
        mtime: (0, 0),
        device: (0, 0),
        xattrs: Vec::new(),
    }
}

fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::Character => b'3',
        Kind::Block => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    }
}

/// What does not fit; times are told in whole seconds, as other builders do.
fn records(entry: &Entry) -> Vec<u8> {
    let mut records = Vec::new();
    let mut add = |key: &[u8], value: &[u8]| {
        let rest = key.len() + value.len() + 3;
        // Its length counts its own digits.
        let length = (1..)
            .map(|digits| (digits, rest + digits))
            .find(|(digits, sum)| sum.to_string().len() == *digits);
        let length = length.map_or(rest, |(_, sum)| sum);
        records.extend([length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat());
    };
    let number = |value: u64| value.to_string().into_bytes();
    if entry.path.len() > 100 || !entry.path.is_ascii() {
        add(b"path", &entry.path);
    }
    if entry.link.len() > 100 || !entry.link.is_ascii() {
        add(b"linkpath", &entry.link);
    }
    for (key, value, digits) in
        [(&b"size"[..], entry.size, 11), (b"uid", entry.uid, 7), (b"gid", entry.gid, 7)]
    {
        if !fits(value, digits) {
            add(key, &number(value));
        }
    }
    if !u64::try_from(entry.mtime.0).is_ok_and(|seconds| fits(seconds, 11)) {
        add(b"mtime", entry.mtime.0.to_string().as_bytes());
    }
    for (name, value) in &entry.xattrs {
        add(&[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    records
}

fn header(path: &[u8], kind: u8, link: &[u8], entry: &Entry) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, length: usize, bytes: &[u8]| {
        let length = bytes.len().min(length);
        block[at..at + length].copy_from_slice(&bytes[..length]);
    };
    let octal = |value: u64, digits: u32| {
        let value = if fits(value, digits) { value } else { 0 };
        format!("{value:0width$o}", width = digits as usize).into_bytes()
    };
    put(0, 100, path);
    put(100, 7, &octal(entry.mode.into(), 7));
    put(108, 7, &octal(entry.uid, 7));
    put(116, 7, &octal(entry.gid, 7));
    put(124, 11, &octal(entry.size, 11));
    put(136, 11, &octal(entry.mtime.0.try_into().unwrap_or(0), 11));
    put(148, 8, b"        ");
    put(156, 1, &[kind]);
    put(157, 100, link);
    put(257, 8, b"ustar\x0000");
    put(329, 7, &octal(entry.device.0, 7));
    put(337, 7, &octal(entry.device.1, 7));
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn failed(error: io::Error) -> Error {
    Error::io("write()", &error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tape::Tape;

    #[test]
    fn images_entries_that_are_packed_are_read_as_they_were() {
        let long = "한글/".repeat(40);
        let rich = Entry {
            path: long.into_bytes(),
            kind: Kind::Symlink,
            link: b"x".repeat(300),
            mode: 0o7777,
            uid: 4_000_000_000,
            gid: 3_000_000,
            mtime: (-5, 0),
            xattrs: vec![(b"user.a".to_vec(), b"b\n=".to_vec()), (b"user.c".to_vec(), b"d".repeat(90))],
            ..plain()
        };
        let file = Entry { path: b"f".to_vec(), size: 5, mtime: (1_000_000_000, 0), ..plain() };
        let device = Entry { path: b"d".to_vec(), kind: Kind::Block, device: (259, 65_537), ..plain() };
        let mut pack = Pack::new(Vec::new());
        pack.add(&rich, io::empty()).unwrap();
        pack.add(&file, &b"hello, and more"[..]).unwrap();
        pack.add(&device, io::empty()).unwrap();
        assert!(pack.add(&Entry { size: 9, ..file.clone() }, &b"short"[..]).is_err());
        let mut pack = Pack::new(Vec::new());
        [&rich, &file, &device].iter().for_each(|entry| pack.add(entry, &b"hello"[..]).unwrap());
        let bytes = pack.end().unwrap();
        let mut tape = Tape::new(bytes.as_slice());
        for wanted in [rich, file, device] {
            assert_eq!(format!("{:?}", tape.entry().unwrap().unwrap()), format!("{wanted:?}"));
        }
        assert!(tape.entry().unwrap().is_none());
    }
}
