//! One image of what `docker save` wrote.
//!
//! No kernel calls of its own; Docker Image Specification v1.2, 2016. Book: "Images" (`images`).
//! Invariant: its layers have no digests of their own; what is in them is held against the configuration's diff_ids, and
//! the configuration against its own name, where that is a digest.

use super::digest::{Algorithm, Digest};
use super::document::{ImageConfig, read};
use super::source::Source;
use super::{Document, Image, Layer, Reference};
use crate::{Error, Result};
use serde::Deserialize;

/// The list of its images.
pub const LIST: &str = "manifest.json";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// The image that is meant.
pub fn image(source: Source, reference: &Reference) -> Result<Image> {
    let list: Vec<Saved> = read(LIST, &source.document(LIST)?)?;
    let saved = one(list, reference)?;
    let text = source.document(&saved.config)?;
    let config = Document::of(&text);
    let stem = saved.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if let Ok(named) = format!("sha256:{stem}").parse::<Digest>() {
        if named != Digest::of(Algorithm::Sha256, &text) {
            return Err(super::source::differs(&named, &config.digest));
        }
    }
    let parameters: ImageConfig = read(&saved.config, &text)?;
    let contents = saved.layers.unwrap_or_default();
    if contents.len() != parameters.rootfs.diff_ids.len() {
        return Err(Error::refused(format!(
            "the configuration has {} diff_ids for {} layers",
            parameters.rootfs.diff_ids.len(),
            contents.len()
        )));
    }
    let layers = contents.into_iter().zip(&parameters.rootfs.diff_ids).map(|(content, diff_id)| {
        let size = source.content(&content)?.size;
        Ok(Layer { content, size, descriptor: None, diff_id: diff_id.clone() })
    });
    Ok(Image {
        layers: layers.collect::<Result<_>>()?,
        source,
        names: saved.repo_tags.unwrap_or_default(),
        indexes: Vec::new(),
        manifest: None,
        config,
        parameters,
    })
}

/// Docker means `:latest` where nothing is said.
fn one(list: Vec<Saved>, reference: &Reference) -> Result<Saved> {
    let path = &reference.path;
    let tags = |saved: &Saved| saved.repo_tags.clone().unwrap_or_default();
    let known = list.iter().flat_map(tags).collect::<Vec<_>>().join(", ");
    let mut fitting: Vec<_> = match &reference.name {
        None => list,
        Some(name) => {
            let latest = format!("{name}:latest");
            list.into_iter().filter(|saved| tags(saved).iter().any(|tag| tag == name || *tag == latest)).collect()
        }
    };
    match (fitting.len(), &reference.name) {
        (1, _) => Ok(fitting.remove(0)),
        (0, Some(name)) => {
            Err(Error::refused(format!("{path:?} has no image {name:?}")).with_hint(format!("there are: {known}")))
        }
        (0, None) => Err(Error::refused(format!("{path:?} has no image"))),
        (count, _) => Err(Error::refused(format!("{path:?} has {count} images, and none was chosen"))
            .with_hint(format!("--ref NAME chooses; there are: {known}"))),
    }
}
