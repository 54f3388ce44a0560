//! The layers of an image as one flow: one thread reads, sums and decompresses what another one applies.
//!
//! No kernel calls of its own. Book: "Images" (`images`).
//! Invariant: the end of a layer is passed on only when its digest, its diff id and its size are what they are said to be;
//! so whoever reads until there has a layer that is proven. Not more than a few chunks are under way.

use super::digest::Algorithm;
use super::source::differs;
use super::stream::{Budget, CHUNK, Summed, Watch, plain};
use super::{Image, Layer, tape};
use crate::{Error, Result};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Chunks under way: enough that neither waits for every single one of the other's.
const UNDER_WAY: usize = 32;

/// A chunk; nothing, at the end of a layer; or what is wrong with it.
type Parcel = Result<Vec<u8>>;

/// What arrives.
#[derive(Debug)]
pub struct Flow {
    parcels: Receiver<Parcel>,
    chunk: Vec<u8>,
    read: usize,
    ended: bool,
}

/// Calls `apply` with the flow; it begins each layer with [`Flow::layer`] and reads it to its end. No more than `limit`
/// bytes are made of all layers.
///
/// # Errors
/// Those of `apply`, in which those of the flow arrive as well.
pub fn flow<T>(
    image: &Image,
    layers: &[Layer],
    limit: u64,
    watch: Watch<'_>,
    apply: impl FnOnce(&mut Flow) -> Result<T>,
) -> Result<T> {
    let (sender, parcels) = sync_channel(UNDER_WAY);
    let contents = layers.iter().map(|layer| image.content(layer).map(|content| (layer, content)));
    let contents = contents.collect::<Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let budget = Budget::new(limit);
            let mut before = 0;
            for (layer, content) in contents {
                let told = |read: u64| watch(before + read);
                match pass(layer, content.reader, &budget, &told, &sender) {
                    Ok(()) if sender.send(Ok(Vec::new())).is_err() => return None,
                    Ok(()) => before += layer.size,
                    // Where nobody listens any more, it is told by the thread's end.
                    Err(error) => {
                        return sender.send(Err(of(layer, error))).err().and_then(|unheard| unheard.0.err());
                    }
                }
            }
            None
        });
        let applied = apply(&mut Flow { parcels, chunk: Vec::new(), read: 0, ended: true });
        // What is wrong with an entry matters less than that the whole layer is another one.
        match (applied, reader.join()) {
            (Err(_), Ok(Some(error))) => Err(error),
            (applied, _) => applied,
        }
    })
}

/// Sends all of a layer, and checks it.
fn pass(
    layer: &Layer,
    content: impl Read,
    budget: &Budget,
    watch: Watch<'_>,
    sender: &SyncSender<Parcel>,
) -> Result<()> {
    let algorithm = layer.descriptor.as_ref().map_or(Algorithm::Sha256, |it| it.digest.algorithm());
    let mut packed = Summed::new(content, algorithm).watched(watch);
    let unpacked = unpack(&mut packed, layer, budget, sender);
    // What a decompressor stumbles over is told only where the content is at least what it is called.
    let rest = io::copy(&mut packed, &mut io::sink()).map_err(tape::failed);
    match &layer.descriptor {
        Some(descriptor) if rest.is_ok() && descriptor.digest != packed.digest() => {
            Err(differs(&descriptor.digest, &packed.digest()))
        }
        _ => unpacked.and(rest.map(drop)),
    }
}

fn unpack(packed: impl Read, layer: &Layer, budget: &Budget, sender: &SyncSender<Parcel>) -> Result<()> {
    let unpacked = plain(packed).map_err(damaged)?;
    let mut unpacked = Summed::new(unpacked, layer.diff_id.algorithm()).within(budget);
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        match unpacked.by_ref().take(CHUNK as u64).read_to_end(&mut chunk).map_err(damaged)? {
            0 => break,
            // Nobody listens any more: what is left of the layer is only summed.
            _ if sender.send(Ok(chunk)).is_err() => return Ok(()),
            _ => (),
        }
    }
    match unpacked.digest() {
        digest if digest == layer.diff_id => Ok(()),
        digest => Err(Error::refused(format!("the layer's diff id is {digest}, and not {}", layer.diff_id)).with_hint(
            "manifest and configuration speak of different layers: whoever made the image made it wrongly",
        )),
    }
}

/// What decompressors say of a stream that ends early, or is none.
fn damaged(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            Error::refused(format!("the compressed stream is damaged: {error}"))
        }
        _ => tape::failed(error),
    }
}

fn of(layer: &Layer, error: Error) -> Error {
    let name = layer.descriptor.as_ref().map_or(&layer.diff_id, |it| &it.digest);
    let told = Error::refused(format!("layer {}: {error}", name.short()));
    match error.hint() {
        Some(hint) => told.with_hint(hint),
        None => told,
    }
}

impl Flow {
    /// Begins the next layer.
    pub fn layer(&mut self) -> &mut Self {
        self.ended = false;
        self
    }
}

impl Read for Flow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.chunk.len() {
            if self.ended {
                return Ok(0);
            }
            self.chunk = match self.parcels.recv() {
                Ok(parcel) => parcel.map_err(io::Error::other)?,
                Err(_) => return Err(io::Error::other(Error::refused("there are no more layers"))),
            };
            self.read = 0;
            self.ended = self.chunk.is_empty();
        }
        let read = buffer.len().min(self.chunk.len() - self.read);
        buffer[..read].copy_from_slice(&self.chunk[self.read..self.read + read]);
        self.read += read;
        Ok(read)
    }
}
