//! Images: what a bundle is made from.
//!
//! openat2(2), 2020; the OCI image specification 2017, docker save 2013. Book: "Images" (`images`).
//! Invariant: what an image says is held against its digest before it is believed, and nothing outside of the bundle is
//! ever written; the image itself is only read.
//!
//! | Module | What it is |
//! |---|---|
//! | `source`, `archive` | a layout as a directory, a layout or docker save's as a tar file: names to contents |
//! | `select`, `docker` | which image of those that are there |
//! | `document`, `digest`, `recipe` | what it says of itself |
//! | `tape`, `header`, `pax`, `name`, `stream`, `flow` | a layer, checked as it goes by |
//! | `apply`, `tree`, `attributes`, `removal` | a layer, applied beneath a root that is held open |
//! | `overlay`, `store` | layers that bundles share, mounted one over the other |
//! | `users`, `convert` | its configuration as config.json |
//! | `difference`, `pack`, `layout`, `commit` | the other way: a root becomes a layer, and an image |
//! | `registry` | the same blobs over HTTP, where it is built with it |
//! | `build`, `copy` | what was done to a bundle that is becoming an image |
//! | `unpack`, `part`, `interruption` | all of it together, wholly or not at all |

mod apply;
mod archive;
pub mod attributes;
pub mod build;
pub mod commit;
mod convert;
pub mod copy;
mod difference;
pub mod digest;
mod docker;
pub mod document;
mod flow;
mod header;
pub mod interruption;
mod layout;
mod name;
pub mod overlay;
mod pack;
mod part;
mod pax;
pub mod recipe;
#[cfg(feature = "registry")]
pub mod registry;
mod removal;
mod select;
mod source;
pub mod store;
pub mod stream;
pub mod tape;
mod tree;
pub mod unpack;
pub mod users;

use crate::{Error, Result};
use digest::{Algorithm, Digest};
use document::{Descriptor, ImageConfig, Platform};
use source::{Content, Source};
use std::path::{Path, PathBuf};

/// Where an image is, and which one it is.
#[derive(Debug, Clone)]
pub struct Reference {
    /// A directory or a file.
    pub path: PathBuf,
    /// Its name there; without one, the only one that fits.
    pub name: Option<String>,
    /// What it is to run on; without one, this machine where there is a choice.
    pub platform: Option<Platform>,
}

/// One layer, from the lowest.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Where it is.
    content: String,
    /// What it is as it lies there, where anybody says so.
    pub descriptor: Option<Descriptor>,
    /// As it lies there, in bytes.
    pub size: u64,
    /// Of what it is when nothing is compressed.
    pub diff_id: Digest,
}

/// A document, and what it is called.
#[derive(Debug, Clone)]
pub struct Document {
    /// Of the document.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
}

/// An image, with all that it says of itself, checked; its layers are not read yet.
#[derive(Debug)]
pub struct Image {
    source: Source,
    /// The names it has there.
    pub names: Vec<String>,
    /// What led to it, from the outermost list; docker save has none.
    pub indexes: Vec<Document>,
    /// The list of its contents; docker save has none.
    pub manifest: Option<Document>,
    /// What it says of itself.
    pub config: Document,
    /// The same, read.
    pub parameters: ImageConfig,
    /// The same, with what is not read.
    pub says: serde_json::Value,
    /// From the lowest.
    pub layers: Vec<Layer>,
}

impl Image {
    /// Finds an image, and reads what it says of itself.
    ///
    /// # Errors
    /// No image there; several, and none was chosen; a document that is not what its digest says.
    pub fn open(reference: &Reference) -> Result<Self> {
        let source = Source::open(&reference.path)?;
        let image = if source.has(select::INDEX) {
            select::image(source, reference)
        } else if source.has(docker::LIST) {
            docker::image(source, reference)
        } else {
            Err(Error::refused(format!("{:?} holds no image", reference.path)).with_hint(
                "an OCI layout has index.json, what `docker save` writes has manifest.json; `skopeo copy` makes either",
            ))
        }?;
        image.check()
    }

    fn check(self) -> Result<Self> {
        let rootfs = &self.parameters.rootfs;
        if rootfs.kind != "layers" {
            return Err(Error::refused(format!("the configuration's rootfs.type is {:?}", rootfs.kind))
                .with_hint("config.md of the image specification: it must be \"layers\""));
        }
        Ok(self)
    }

    /// What a layer is, as it lies there.
    fn content(&self, layer: &Layer) -> Result<Content> {
        match &layer.descriptor {
            Some(descriptor) => self.source.blob(descriptor),
            None => self.source.content(&layer.content),
        }
    }

    /// All layers as they lie there, in bytes.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add)
    }
}

/// Before they are paired: of two lists the longer one would lose its end.
fn one_each(says: &ImageConfig, layers: usize) -> Result<()> {
    match says.rootfs.diff_ids.len() {
        diff_ids if diff_ids == layers => Ok(()),
        diff_ids => {
            Err(Error::refused(format!("the configuration has {diff_ids} diff_ids for {layers} layers")))
        }
    }
}

impl Document {
    fn of(text: &[u8]) -> Self {
        Document { digest: Digest::of(Algorithm::Sha256, text), size: text.len() as u64 }
    }
}

/// # Errors
/// Another type than one of these.
fn expect(what: &str, descriptor: &Descriptor, types: &[&str]) -> Result<()> {
    match types.contains(&descriptor.media_type.as_str()) {
        true => Ok(()),
        false => Err(Error::refused(format!("{what} is of the type {:?}", descriptor.media_type))
            .with_hint(format!("{} is wanted; an artifact that is no image cannot be unpacked", types[0]))),
    }
}

impl Reference {
    /// Reads `PATH[:NAME]`: of several ways to read it, that with the shortest path that is there.
    pub fn read(text: &str) -> (PathBuf, Option<String>) {
        if Path::new(text).exists() {
            return (text.into(), None);
        }
        let splits = text.match_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..]));
        let mut there = splits.filter(|(path, _)| !path.is_empty() && Path::new(path).exists());
        there.next().map_or((text.into(), None), |(path, name)| (path.into(), Some(name.to_owned())))
    }

    /// What is wanted, where it is not said.
    pub fn wanted(&self) -> Platform {
        self.platform.clone().unwrap_or_else(Platform::here)
    }
}
