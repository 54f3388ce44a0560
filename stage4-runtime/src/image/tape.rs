//! A tar archive, entry by entry, as the stream goes by.
//!
//! No kernel calls; tar 1979, POSIX.1-2001 (pax), GNU's long names. Book: "Images" (`images`).
//! Invariant: nothing is kept but the entry at hand, whose names and attributes are bounded; a stream that ends early, or
//! goes on after its end, is refused. Entries are told as they are written: what they mean is decided elsewhere.
//!
//! Why not a crate: those at hand read a long name into memory however long, and end silently where a stream is cut.

use super::header::{BLOCK, Header, blocks};
use super::pax::Records;
use crate::{Error, Result};
use std::io::{self, Read};

/// All attributes of one entry together, names included.
const ATTRIBUTES: u64 = 1 << 20;

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// Another name of a file.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A device of characters.
    Character,
    /// A device of blocks.
    Block,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As it is written.
    pub path: Vec<u8>,
    /// What it makes.
    pub kind: Kind,
    /// Where a link leads, as it is written.
    pub link: Vec<u8>,
    /// Permissions, set-id bits and the sticky bit.
    pub mode: u32,
    /// The owner.
    pub uid: u64,
    /// The group.
    pub gid: u64,
    /// Of the content.
    pub size: u64,
    /// Seconds since 1970, and nanoseconds.
    pub mtime: (i64, u32),
    /// Major and minor number.
    pub device: (u64, u64),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The archive, read from a stream.
#[derive(Debug)]
pub struct Tape<R> {
    stream: R,
    /// How what nobody wants is passed over.
    pass: fn(&mut R, u64) -> io::Result<()>,
    /// Of the content at hand, and of its padding.
    left: (u64, u64),
}

impl<R: Read> Tape<R> {
    /// What is passed over is read.
    pub fn new(stream: R) -> Self {
        Tape::passing(stream, |stream, bytes| match io::copy(&mut stream.take(bytes), &mut io::sink())? {
            read if read < bytes => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        })
    }

    /// What is passed over is passed over so.
    pub fn passing(stream: R, pass: fn(&mut R, u64) -> io::Result<()>) -> Self {
        Tape { stream, pass, left: (0, 0) }
    }

    /// Where it stands now.
    pub fn stream(&self) -> &R {
        &self.stream
    }

    /// The next entry; its content is then to be read, or not. None: the archive has ended, and all behind it is zero.
    pub fn entry(&mut self) -> Result<Option<Entry>> {
        let mut records = Records::default();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            let Some(header) = self.header()? else {
                return match (records.is_empty(), &long_name, &long_link) {
                    (true, None, None) => Ok(None),
                    _ => Err(Error::refused("the archive ends behind the attributes of an entry")),
                };
            };
            match header.kind_byte() {
                b'x' => records = Records::read(&self.attributes(&header)?)?,
                // Attributes of all that follow: no builder of images writes them but as a comment.
                b'g' => drop(Records::read(&self.attributes(&header)?)?),
                b'L' => long_name = Some(self.name(&header)?),
                b'K' => long_link = Some(self.name(&header)?),
                _ => {
                    let entry = entry(&header, records, long_name, long_link)?;
                    self.left = (entry.size, blocks(entry.size)? - entry.size);
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// None at the end.
    fn header(&mut self) -> Result<Option<Header>> {
        let (body, padding) = std::mem::take(&mut self.left);
        (self.pass)(&mut self.stream, body + padding).map_err(failed)?;
        match self.block()? {
            None => Ok(None),
            Some(block) if block == [0; BLOCK] => self.end().map(|()| None),
            Some(block) => Header::read(block).map(Some),
        }
    }

    /// None where the stream has ended: an archive without its two blocks of zeros is whole, too.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.stream.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(Some(block))
    }

    /// A second reader might take what is behind the end for entries.
    fn end(&mut self) -> Result<()> {
        let mut buffer = [0; 16 * BLOCK];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) if buffer[..read].iter().all(|byte| *byte == 0) => (),
                Ok(_) => return Err(Error::refused("something follows the end of the archive")),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn attributes(&mut self, header: &Header) -> Result<Vec<u8>> {
        let size = header.size()?;
        if size > ATTRIBUTES {
            return Err(Error::refused(format!(
                "attributes of one entry are {size} bytes long, more than {ATTRIBUTES}"
            )));
        }
        let mut bytes = vec![0; usize::try_from(blocks(size)?).unwrap_or(usize::MAX)];
        self.stream.read_exact(&mut bytes).map_err(failed)?;
        bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(bytes)
    }

    /// GNU's long name ends with NUL.
    fn name(&mut self, header: &Header) -> Result<Vec<u8>> {
        let mut name = self.attributes(header)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }
}

/// The content of the entry at hand.
impl<R: Read> Read for Tape<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (body, _) = &mut self.left;
        if *body == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let wanted = usize::try_from(*body).unwrap_or(usize::MAX).min(buffer.len());
        match self.stream.read(&mut buffer[..wanted])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                *body -= read as u64;
                Ok(read)
            }
        }
    }
}

/// What went wrong with a stream; an error of ours that came through it is told as it was.
pub fn failed(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::refused("the stream ends in the middle of the archive: it is truncated");
    }
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) => Error::io("read()", &error),
    }
}

fn entry(header: &Header, records: Records, name: Option<Vec<u8>>, link: Option<Vec<u8>>) -> Result<Entry> {
    let path = records.path.or(name).unwrap_or_else(|| header.path());
    let mut kind = match header.kind_byte() {
        b'0' | b'\0' | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::Character,
        b'4' => Kind::Block,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        b'S' => return Err(sparse(&path)),
        other => {
            let path = String::from_utf8_lossy(&path).into_owned();
            return Err(Error::refused(format!(
                "entry {path:?} is of a type that images do not have: {:?}",
                char::from(other)
            )));
        }
    };
    if records.sparse {
        return Err(sparse(&path));
    }
    // Of version 7 of Unix, which had no type for directories.
    if kind == Kind::File && path.ends_with(b"/") {
        kind = Kind::Directory;
    }
    let size = records.size.map_or_else(|| header.size(), Ok)?;
    Ok(Entry {
        kind,
        link: records.link.or(link).unwrap_or_else(|| header.link()),
        mode: u32::try_from(header.mode()? & 0o7777).unwrap_or_default(),
        uid: records.uid.map_or_else(|| header.uid(), Ok)?,
        gid: records.gid.map_or_else(|| header.gid(), Ok)?,
        // What is not a file has no content, whatever its header says; Go's reader has it so.
        size: if kind == Kind::File { size } else { 0 },
        mtime: records.mtime.map_or_else(|| header.mtime().map(|seconds| (seconds, 0)), Ok)?,
        device: if matches!(kind, Kind::Character | Kind::Block) { header.device()? } else { (0, 0) },
        xattrs: records.xattrs,
        path,
    })
}

fn sparse(path: &[u8]) -> Error {
    Error::refused(format!("entry {:?} is a sparse file", String::from_utf8_lossy(path)))
        .with_hint("layer.md: sparse files should not be used; pack it without --sparse")
}
