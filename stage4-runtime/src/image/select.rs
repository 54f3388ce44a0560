//! One image of an OCI layout: through its index, and the indexes in that.
//!
//! No kernel calls of its own; image-layout.md, image-index.md. Book: "Images" (`images`).
//! Invariant: where more than one image fits, none is taken: whoever asks says which; lists in lists end somewhere.

use super::document::{Descriptor, ImageConfig, Index, LayoutMark, Manifest, media, read};
use super::source::Source;
use super::{Document, Image, Layer, Reference, expect};
use crate::{Error, Result};

/// The outermost list.
pub const INDEX: &str = "index.json";

/// What says that this is a layout.
const MARK: &str = "oci-layout";

/// Lists in lists, at most; one in another is usual.
pub const DEEPEST: usize = 4;

/// What names an image in the index; the second is containerd's, with the registry before it.
const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];

/// The image that is meant.
pub fn image(source: Source, reference: &Reference) -> Result<Image> {
    let mark: LayoutMark = read(MARK, &source.document(MARK)?)?;
    if !mark.image_layout_version.starts_with("1.") {
        return Err(Error::refused(format!("the layout is of version {:?}", mark.image_layout_version))
            .with_hint("image-layout.md: this program knows 1.0.0"));
    }
    let text = source.document(INDEX)?;
    let mut indexes = vec![Document::of(&text)];
    let named = named(index(INDEX, &text)?, reference)?;
    let mut chosen = one(named, reference)?;
    let names: Vec<_> = NAMES.iter().filter_map(|key| chosen.annotations.get(*key).cloned()).collect();
    while media::INDEXES.contains(&chosen.media_type.as_str()) {
        if indexes.len() > DEEPEST {
            return Err(too_deep());
        }
        let text = source.verified(&chosen)?;
        indexes.push(Document { digest: chosen.digest.clone(), size: chosen.size });
        chosen = one(index(&chosen.digest.short(), &text)?.manifests, reference)?;
    }
    manifest(source, &chosen, names, indexes)
}

/// A list that leads to more lists than there may be.
pub fn too_deep() -> Error {
    Error::refused(format!("lists in lists of images are more than {DEEPEST} deep"))
}

fn manifest(
    source: Source,
    chosen: &Descriptor,
    names: Vec<String>,
    indexes: Vec<Document>,
) -> Result<Image> {
    expect("what the index points at", chosen, &media::MANIFESTS)?;
    let name = format!("manifest {}", chosen.digest.short());
    let manifest: Manifest = read(&name, &source.verified(chosen)?)?;
    second(&name, manifest.schema_version)?;
    expect("the configuration", &manifest.config, &media::CONFIGS)?;
    let name = format!("configuration {}", manifest.config.digest.short());
    let text = source.verified(&manifest.config)?;
    let parameters: ImageConfig = read(&name, &text)?;
    super::one_each(&parameters, manifest.layers.len())?;
    let layers = manifest.layers.into_iter().zip(&parameters.rootfs.diff_ids);
    let layers = layers.map(|(descriptor, diff_id)| {
        expect("a layer", &descriptor, &media::LAYERS)?;
        source.blob(&descriptor)?;
        let (content, size) = (descriptor.digest.path(), descriptor.size);
        Ok(Layer { content, size, descriptor: Some(descriptor), diff_id: diff_id.clone() })
    });
    Ok(Image {
        layers: layers.collect::<Result<_>>()?,
        source,
        names,
        indexes,
        manifest: Some(Document { digest: chosen.digest.clone(), size: chosen.size }),
        config: Document { digest: manifest.config.digest.clone(), size: manifest.config.size },
        parameters,
        says: read(&name, &text)?,
    })
}

fn index(name: &str, text: &[u8]) -> Result<Index> {
    let index: Index = read(name, text)?;
    second(name, index.schema_version).map(|()| index)
}

/// The first version of the schema was Docker's alone, and has other properties.
pub fn second(name: &str, version: u64) -> Result<()> {
    match version {
        2 => Ok(()),
        _ => Err(Error::refused(format!("{name}: schemaVersion: is {version}, and must be 2"))),
    }
}

fn named(index: Index, reference: &Reference) -> Result<Vec<Descriptor>> {
    let Some(name) = &reference.name else { return Ok(index.manifests) };
    let is_named = |one: &Descriptor| NAMES.iter().any(|key| one.annotations.get(*key) == Some(name));
    let known = names(&index.manifests);
    let found: Vec<_> = index.manifests.into_iter().filter(is_named).collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(Error::refused(format!("{:?} has no image {name:?}", reference.path)).with_hint(known)),
    }
}

fn names(manifests: &[Descriptor]) -> String {
    let all = manifests.iter().filter_map(|one| NAMES.iter().find_map(|key| one.annotations.get(*key)));
    let all: Vec<&str> = all.map(String::as_str).collect();
    match all.is_empty() {
        true => "no image there has a name".to_owned(),
        false => format!("there are: {}", all.join(", ")),
    }
}

/// Of several, that which runs where it is wanted. One that says nothing of that, or is the only one, is taken as it is.
pub fn one(mut all: Vec<Descriptor>, reference: &Reference) -> Result<Descriptor> {
    let wanted = reference.wanted();
    if all.len() > 1 || reference.platform.is_some() {
        all.retain(|one| one.platform.as_ref().is_none_or(|platform| wanted.accepts(platform)));
    }
    // The same image may have several names.
    let first = all.first().cloned();
    match first {
        Some(first) if all.iter().all(|one| one.digest == first.digest) => Ok(first),
        Some(_) => Err(Error::refused(format!(
            "{:?} has {} images for {wanted}, and none was chosen",
            reference.path,
            all.len()
        ))
        .with_hint(format!("--ref NAME chooses; {}", names(&all)))),
        None => Err(Error::refused(format!("{:?} has no image for {wanted}", reference.path))
            .with_hint("--platform OS/ARCH asks for another")),
    }
}
