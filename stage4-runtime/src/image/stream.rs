//! The bytes of a layer, summed and counted on their way.
//!
//! read(2); RFC 1952 (gzip), RFC 8878 (zstd). Book: "Images" (`images`).
//! Invariant: no byte reaches the disk that was not summed before; no more bytes than are allowed are ever made of few.

use super::digest::{Algorithm, Digest, Sum};
use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Cursor, Read};

/// What is read at once.
pub const CHUNK: usize = 64 << 10;

/// What may still be unpacked, of all layers together.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    left: Cell<u64>,
}

impl Budget {
    /// So many bytes.
    pub fn new(limit: u64) -> Self {
        Budget { limit, left: Cell::new(limit) }
    }

    fn spend(&self, bytes: u64) -> io::Result<()> {
        let left = self.left.get().checked_sub(bytes).ok_or_else(|| {
            io::Error::other(
                Error::refused(format!("the image becomes larger than {} bytes", self.limit))
                    .with_hint("if it may be that large: --limit BYTES"),
            )
        })?;
        self.left.set(left);
        Ok(())
    }
}

/// What is asked after each chunk, from whichever thread: with so many bytes read, may it go on?
pub type Watch<'a> = &'a (dyn Fn(u64) -> Result<()> + Sync);

/// A stream, and the sum of what has been read of it.
pub struct Summed<'a, R> {
    stream: R,
    sum: Sum,
    count: u64,
    budget: Option<&'a Budget>,
    watch: Option<Watch<'a>>,
}

impl<'a, R: Read> Summed<'a, R> {
    /// Nothing has been read yet.
    pub fn new(stream: R, algorithm: Algorithm) -> Self {
        Summed { stream, sum: Sum::new(algorithm), count: 0, budget: None, watch: None }
    }

    /// No more than is left of this.
    pub fn within(self, budget: &'a Budget) -> Self {
        Summed { budget: Some(budget), ..self }
    }

    /// Who is told how far it is.
    pub fn watched(self, watch: Watch<'a>) -> Self {
        Summed { watch: Some(watch), ..self }
    }

    /// So many bytes were read.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Of all that was read.
    pub fn digest(&self) -> Digest {
        self.sum.digest()
    }
}

impl<R: Read> Read for Summed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.sum.update(&buffer[..read]);
        self.count += read as u64;
        self.budget.map_or(Ok(()), |budget| budget.spend(read as u64))?;
        self.watch.map_or(Ok(()), |watch| watch(self.count)).map_err(io::Error::other)?;
        Ok(read)
    }
}

/// Decompresses what says that it is compressed, by its first bytes; anything else is passed on.
pub fn plain<'a>(mut stream: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut magic = Vec::new();
    stream.by_ref().take(4).read_to_end(&mut magic)?;
    let whole = BufReader::with_capacity(CHUNK, Cursor::new(magic.clone()).chain(stream));
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Box::new(Frames::new(whole)),
        _ => Box::new(whole),
    })
}

/// zstd, frame after frame; some builders append frames that are to be skipped.
struct Frames<R> {
    stream: R,
    decoder: FrameDecoder,
    /// In the middle of a frame.
    within: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(stream: R) -> Self {
        Frames { stream, decoder: FrameDecoder::new(), within: false }
    }

    /// Reads the next frame's header; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.stream.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.stream) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = io::copy(&mut self.stream.by_ref().take(length.into()), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(damaged(&error)),
            }
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 {
            if !self.within && !self.begin()? {
                return Ok(0);
            }
            self.within = !self.decoder.is_finished();
            if self.within {
                let wanted = BlockDecodingStrategy::UptoBytes(CHUNK);
                self.decoder.decode_blocks(&mut self.stream, wanted).map_err(|error| damaged(&error))?;
                self.within = !self.decoder.is_finished();
            }
        }
        self.decoder.read(buffer)
    }
}

fn damaged(error: &FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {error}"))
}
