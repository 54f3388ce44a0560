//! A bundle becomes an image: what its root has beyond that of the image it came from is one layer more.
//!
//! No kernel calls of its own; manifest.md, config.md. Book: "Images" (`images`).
//! Invariant: the image is in the layout's index when all of it is there, or not at all; what the older image says and this
//! program does not know is kept.

use super::apply::Layers;
use super::build::nothing;
use super::difference::{self, Difference};
use super::digest::Algorithm;
use super::document::media;
use super::flow::flow;
use super::layout::Layout;
use super::pack::Pack;
use super::part::Part;
use super::stream::{Summed, Watch};
use super::tape::Tape;
use super::unpack::new_root;
use super::{Image, Layer};
use crate::beneath::ExactModes;
use crate::bundle::ROOT;
use crate::{Error, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What is to be made.
#[derive(Debug)]
pub struct Order<'a> {
    /// Whose root it is.
    pub bundle: &'a Path,
    /// What that root came from; None: everything is new.
    pub from: Option<&'a Image>,
    /// Where it goes.
    pub layout: &'a Path,
    /// Its name there.
    pub name: &'a str,
    /// What is said of the making; one entry, and no more, is of the layer.
    pub history: Vec<Value>,
    /// Now (RFC 3339).
    pub created: String,
    /// Of `config` in the configuration: what is different.
    pub parameters: Map<String, Value>,
}

// ANCHOR: image
/// Makes the image; its digest.
///
/// # Errors
/// A bundle or an image that cannot be read; a name that an image cannot hold; what the kernel refuses.
pub fn commit(order: &Order<'_>, watch: Watch<'_>) -> Result<String> {
    let path = order.bundle.join(ROOT);
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(&path, flags, Mode::empty()).map_err(|errno| {
        Error::call(format!("open({path:?}, O_DIRECTORY)"), errno)
            .with_hint("a bundle with a rootfs is wanted")
    })?;
    let layout = Layout::open(order.layout, watch)?;
    match fill(&layout, order, &root, watch) {
        Ok(digest) => Ok(digest),
        Err(error) => {
            // The first error is the one that is told.
            layout.undo().ok();
            Err(error)
        }
    }
}

fn fill(layout: &Layout, order: &Order<'_>, root: &OwnedFd, watch: Watch<'_>) -> Result<String> {
    let (layer, diff_id) = match order.from {
        None => packed(layout, None, root, watch)?,
        Some(image) => beside(order.bundle, image, watch, |old| packed(layout, Some(old), root, watch))?,
    };
    let older = order.from.map_or_else(|| Ok(Vec::new()), |image| brought_along(layout, image))?;
    let config = layout.document(media::CONFIGS[0], &config(order, diff_id))?;
    let layers = [older, vec![layer]].concat();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::MANIFESTS[0], "config": config, "layers": layers,
    });
    let manifest = layout.document(media::MANIFESTS[0], &manifest)?;
    let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
    layout.name(order.name, manifest).map(|()| digest)
}
// ANCHOR_END: image

/// The image's root, unpacked beside the bundle for as long as `work` takes.
fn beside<T>(
    bundle: &Path,
    image: &Image,
    watch: Watch<'_>,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T>,
) -> Result<T> {
    let _modes = ExactModes::begin();
    let mut name = bundle.as_os_str().to_owned();
    name.push(".from");
    let part = Part::begin(Path::new(&name))?;
    let unpacked = new_root(part.directory()).and_then(|root| {
        let copy = root.try_clone().map_err(|error| Error::io("fcntl(F_DUPFD_CLOEXEC)", &error))?;
        flow(image, &image.layers, u64::MAX, watch, |flow| {
            let mut layers = Layers::begin(copy)?;
            image.layers.iter().try_for_each(|_| layers.apply(&mut Tape::new(flow.layer())))
        })?;
        work(root.as_fd())
    });
    part.discard().and(unpacked)
}

/// The layer's descriptor, and its diff id.
fn packed(
    layout: &Layout,
    old: Option<BorrowedFd<'_>>,
    new: &OwnedFd,
    watch: Watch<'_>,
) -> Result<(Value, String)> {
    let encoder = GzEncoder::new(layout.blob(Algorithm::Sha256)?, Compression::default());
    let mut pack =
        Pack::new(Both { encoder, sum: super::digest::Sum::new(Algorithm::Sha256), count: 0, watch });
    let root = difference::root(new.as_fd())?;
    let was = old.map(difference::root).transpose()?;
    if was.is_none_or(|was| format!("{was:?}") != format!("{root:?}")) {
        pack.add(&root, io::empty())?;
    }
    Difference::new(&mut pack).walk(old, new.as_fd(), b"")?;
    let Both { encoder, sum, .. } = pack.end()?;
    let blob = encoder.finish().map_err(|error| Error::io("write()", &error))?;
    let (digest, size) = layout.keep(blob)?;
    let layer = json!({ "mediaType": media::LAYERS[1], "digest": digest.to_string(), "size": size });
    Ok((layer, sum.digest().to_string()))
}

/// What is summed before it is compressed.
struct Both<'a, W: Write> {
    encoder: GzEncoder<W>,
    sum: super::digest::Sum,
    count: u64,
    watch: Watch<'a>,
}

impl<W: Write> Write for Both<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.watch)(self.count).map_err(io::Error::other)?;
        let written = self.encoder.write(bytes)?;
        self.sum.update(&bytes[..written]);
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

/// The older image's layers, in this layout; held against their digests once more on the way.
fn brought_along(layout: &Layout, image: &Image) -> Result<Vec<Value>> {
    let one = |layer: &Layer| {
        let content = image.content(layer)?;
        let mut stream = Summed::new(content.reader, Algorithm::Sha256);
        let (digest, size) = layout.copy(&mut stream)?;
        match &layer.descriptor {
            Some(it) if it.digest.algorithm() == Algorithm::Sha256 && it.digest != digest => {
                Err(super::source::differs(&it.digest, &digest))
            }
            Some(it) => Ok(json!({ "mediaType": it.media_type, "digest": digest.to_string(), "size": size })),
            None => Ok(json!({ "mediaType": media::LAYERS[0], "digest": digest.to_string(), "size": size })),
        }
    };
    image.layers.iter().map(one).collect()
}

fn config(order: &Order<'_>, diff_id: String) -> Value {
    let mut says = order.from.map_or_else(nothing, |image| image.says.clone());
    says["created"] = json!(order.created);
    if !says["config"].is_object() {
        says["config"] = json!({});
    }
    for (key, value) in &order.parameters {
        says["config"][key] = value.clone();
    }
    order.history.iter().for_each(|step| push(&mut says["history"], step.clone()));
    push(&mut says["rootfs"]["diff_ids"], json!(diff_id));
    says
}

/// Behind the others, where there are some.
fn push(list: &mut Value, entry: Value) {
    match list.as_array_mut() {
        Some(list) => list.push(entry),
        None => *list = json!([entry]),
    }
}
