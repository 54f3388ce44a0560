//! The bytes of a layer, summed and counted on their way.
//!
//! read(2); RFC 1952 (gzip), RFC 8878 (zstd). Book: "Images" (`images`).
//! Invariant: no byte reaches the disk that was not summed before; no more bytes than are allowed are ever made of few.

use super::digest::{Algorithm, Digest, Sum};
use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
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

/// What is asked after each chunk: may it go on?
pub type Watch<'a> = &'a dyn Fn(u64) -> Result<()>;

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
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Box::new(Frames { stream: Some(whole), frame: None }),
        _ => Box::new(whole),
    })
}

/// zstd, frame after frame; some builders append frames that are to be skipped.
struct Frames<R: Read> {
    /// Between frames.
    stream: Option<R>,
    frame: Option<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>,
}

impl<R: BufRead> Frames<R> {
    /// The next frame; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        let Some(mut stream) = self.stream.take() else { return Ok(false) };
        loop {
            if stream.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let mut decoder = ruzstd::decoding::FrameDecoder::new();
            match decoder.init(&mut stream) {
                Ok(()) => {
                    self.frame = StreamingDecoder::new_with_started(stream, decoder);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut stream.by_ref().take(length.into()), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(Error::refused(format!("zstd: {error}")))),
            }
        }
    }
}
