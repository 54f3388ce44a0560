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
    match format!("sha256:{stem}").parse::<Digest>() {
        Ok(named) if named != Digest::of(Algorithm::Sha256, &text) => {
            return Err(super::source::differs(&named, &config.digest));
        }
        _ => (),
    }
    let parameters: ImageConfig = read(&saved.config, &text)?;
    let contents = saved.layers.unwrap_or_default();
    super::one_each(&parameters, contents.len())?;
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
        says: read(&saved.config, &text)?,
    })
}

fn one(list: Vec<Saved>, reference: &Reference) -> Result<Saved> {
    let path = &reference.path;
    let tags = |saved: &Saved| saved.repo_tags.clone().unwrap_or_default();
    let known = list.iter().flat_map(tags).collect::<Vec<_>>().join(", ");
    let mut fitting: Vec<_> = match &reference.name {
        None => list,
        Some(name) => {
            let wanted = familiar(name);
            list.into_iter().filter(|saved| tags(saved).iter().any(|tag| familiar(tag) == wanted)).collect()
        }
    };
    match (fitting.len(), &reference.name) {
        (1, _) => Ok(fitting.remove(0)),
        (0, Some(name)) => Err(Error::refused(format!("{path:?} has no image {name:?}"))
            .with_hint(format!("there are: {known}"))),
        (0, None) => Err(Error::refused(format!("{path:?} has no image"))),
        (count, _) => Err(Error::refused(format!("{path:?} has {count} images, and none was chosen"))
            .with_hint(format!("--ref NAME chooses; there are: {known}"))),
    }
}

/// As Docker means a name: of its own registry and its own library, and the latest, where nothing is said.
fn familiar(name: &str) -> String {
    let short = name.strip_prefix("docker.io/").unwrap_or(name);
    let short = short.strip_prefix("library/").unwrap_or(short);
    let tagged = short.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if tagged { short.to_owned() } else { format!("{short}:latest") }
}

#[cfg(test)]
mod tests {
    use super::familiar;

    #[test]
    fn images_have_the_names_that_docker_shows() {
        for (name, shown) in [
            ("docker.io/library/box:v3", "box:v3"),
            ("box", "box:latest"),
            ("docker.io/ada/box", "ada/box:latest"),
            ("localhost:5000/box", "localhost:5000/box:latest"),
        ] {
            assert_eq!(familiar(name), shown);
            assert_eq!(familiar(shown), shown);
        }
    }
}
