//! An image from a registry, into a layout.
//!
//! renameat(2); the distribution specification, "Pull". Book: "Images" (`images`).
//! Invariant: every byte is held against the digest that led to it; of an image that does not come whole, the layout has
//! nothing. What comes is stored as it is, Docker's types of content as well: a digest is of what was said, and a word
//! changed in it would be another image.

use super::super::digest::{Algorithm, Digest};
use super::super::document::{Descriptor, ImageConfig, Index, LONGEST, Manifest, Platform, media, read};
use super::super::layout::Layout;
use super::super::source::{Source, differs};
use super::super::stream::{CHUNK, Summed, Watch};
use super::super::{Reference, expect, one_each, select};
use super::answer::text;
use super::client::{Call, Client};
use super::transport::failed;
use crate::{Error, Result};
use serde::Deserialize;
use serde_json::json;
use std::io::{self, Read, Write};
use std::path::Path;
use ureq::http::{Method, StatusCode, header};

/// An image that is there, as far as it speaks of itself.
#[derive(Debug)]
pub struct Found {
    manifest: Descriptor,
    /// The configuration, and the manifest itself.
    documents: [(Digest, Vec<u8>); 2],
    layers: Vec<Descriptor>,
}

/// A document, before it is known what of.
struct Received {
    media_type: String,
    text: Vec<u8>,
    digest: Digest,
}

/// What a manifest and a list of them say of which they are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde_json::Value>,
    #[serde(default)]
    layers: Option<serde_json::Value>,
}

impl Found {
    /// All layers, in bytes.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add)
    }

    /// Of the manifest.
    pub fn digest(&self) -> &Digest {
        &self.manifest.digest
    }
}

/// Finds the image: through a list of several, that for the platform.
///
/// # Errors
/// None is there for it; a document that is not what its digest says; what the registry or the network says.
pub fn find(client: &Client<'_>, platform: Option<&Platform>) -> Result<Found> {
    let remote = client.remote;
    let mut received = receive(client, &remote.wanted(), remote.digest.as_ref())?;
    let mut depth = 0;
    while media::INDEXES.contains(&received.media_type.as_str()) {
        depth += 1;
        if depth > select::DEEPEST {
            return Err(select::too_deep());
        }
        let index: Index = read(&received.digest.short(), &received.text)?;
        select::second("the list", index.schema_version)?;
        let reference =
            Reference { path: remote.to_string().into(), name: None, platform: platform.cloned() };
        let chosen = select::one(index.manifests, &reference)
            .map_err(|error| error.with_hint("--platform OS/ARCH[/VARIANT] chooses, and so does @DIGEST"))?;
        received = receive(client, &chosen.digest.to_string(), Some(&chosen.digest))?;
        if received.text.len() as u64 != chosen.size || received.media_type != chosen.media_type {
            return Err(Error::refused(format!("manifest {} is not as the list says", chosen.digest)));
        }
    }
    manifest(client, received, platform)
}

fn manifest(client: &Client<'_>, received: Received, platform: Option<&Platform>) -> Result<Found> {
    let Received { media_type, text: says, digest } = received;
    let size = says.len() as u64;
    let (urls, annotations) = Default::default();
    let descriptor = Descriptor { media_type, digest, size, urls, annotations, platform: None };
    expect("what the registry has", &descriptor, &media::MANIFESTS)?;
    let name = format!("manifest {}", descriptor.digest.short());
    let manifest: Manifest = read(&name, &says)?;
    select::second(&name, manifest.schema_version)?;
    expect("the configuration", &manifest.config, &media::CONFIGS)?;
    manifest.layers.iter().try_for_each(|layer| expect("a layer", layer, &media::LAYERS))?;
    if manifest.config.size > LONGEST {
        return Err(Error::refused(format!("the configuration is longer than {} MiB", LONGEST >> 20)));
    }
    let mut config = Vec::new();
    blob(client, &manifest.config, &mut |bytes| {
        config.extend_from_slice(bytes);
        Ok(())
    })?;
    let parameters: ImageConfig = read("the configuration", &config)?;
    one_each(&parameters, manifest.layers.len())?;
    match platform {
        Some(wanted) if !wanted.accepts(&parameters.platform()) => Err(Error::refused(format!(
            "{} is for {}, and not for {wanted}",
            client.remote,
            parameters.platform()
        ))),
        _ => {
            let documents = [(manifest.config.digest, config), (descriptor.digest.clone(), says)];
            Ok(Found { manifest: descriptor, documents, layers: manifest.layers })
        }
    }
}

fn receive(client: &Client<'_>, wanted: &str, digest: Option<&Digest>) -> Result<Received> {
    let address = client.address(&format!("manifests/{wanted}"))?;
    let what = format!("GET {address}");
    let accepted = [media::MANIFESTS, media::INDEXES].concat().join(", ");
    let headers = [("accept", accepted.as_str())];
    let answer = client
        .ask(&Call { method: Method::GET, address, headers: &headers, load: None }, &[StatusCode::OK])?;
    let word = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let named = word("docker-content-digest").and_then(|text| text.parse::<Digest>().ok());
    let content_type = word(header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_owned();
    let text = text(&what, answer)?;
    let held = digest.or(named.as_ref());
    let is = Digest::of(held.map_or(Algorithm::Sha256, Digest::algorithm), &text);
    match held {
        Some(held) if *held != is => Err(differs(held, &is)),
        _ => Ok(Received { media_type: kind(&what, content_type, &text)?, text, digest: is }),
    }
}

/// One document must not be a manifest for one reader and a list for another (CVE-2021-41190).
fn kind(what: &str, content_type: String, text: &[u8]) -> Result<String> {
    let kind: Kind = read(what, text)?;
    if kind.manifests.is_some() && kind.layers.is_some() {
        return Err(Error::refused(format!("{what}: it is a manifest and a list of manifests at once")));
    }
    match kind.media_type {
        Some(said) if said != content_type => Err(Error::refused(format!(
            "{what}: it says to be of the type {said:?}, and is sent as {content_type:?}"
        ))),
        _ => Ok(content_type),
    }
}

/// Fetches what is not there yet, and gives the image its name.
///
/// # Errors
/// A blob that is not what it is called; what the registry, the network or the kernel says. The layout is as it was.
pub fn fetch(client: &Client<'_>, found: &Found, layout: &Path, name: &str, watch: Watch<'_>) -> Result<()> {
    let layout = Layout::open(layout, watch)?;
    match fill(client, found, &layout, name, watch) {
        Ok(()) => Ok(()),
        Err(error) => {
            // The first error is the one that is told.
            layout.undo().ok();
            Err(error)
        }
    }
}

// ANCHOR: image
fn fill(client: &Client<'_>, found: &Found, layout: &Layout, name: &str, watch: Watch<'_>) -> Result<()> {
    let mut before: u64 = 0;
    for layer in &found.layers {
        let told = |read: u64| watch(before.saturating_add(read));
        if !is_there(layout, layer, &told)? {
            let mut blob = layout.blob(layer.digest.algorithm())?;
            let mut count = 0;
            self::blob(client, layer, &mut |bytes| {
                blob.write_all(bytes).map_err(|error| Error::io("write()", &error))?;
                count += bytes.len() as u64;
                told(count)
            })?;
            layout.keep(blob)?;
        }
        before = before.saturating_add(layer.size);
    }
    for (digest, text) in &found.documents {
        let mut blob = layout.blob(digest.algorithm())?;
        blob.write_all(text).map_err(|error| Error::io("write()", &error))?;
        layout.keep(blob)?;
    }
    watch(before)?;
    let Descriptor { media_type, digest, size, .. } = &found.manifest;
    layout.name(name, json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size }))
}

// ANCHOR_END: image

/// Is it there, and what it is called?
fn is_there(layout: &Layout, layer: &Descriptor, watch: Watch<'_>) -> Result<bool> {
    let Ok(content) = Source::open(layout.path())?.blob(layer) else { return Ok(false) };
    let mut summed = Summed::new(content.reader, layer.digest.algorithm()).watched(watch);
    io::copy(&mut summed, &mut io::sink()).map_err(super::super::tape::failed)?;
    Ok(summed.digest() == layer.digest)
}

/// Passes on all of a blob; an error at its end, where it was another one.
fn blob(client: &Client<'_>, wanted: &Descriptor, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let address = client.address(&format!("blobs/{}", wanted.digest))?;
    let what = format!("GET {address}");
    let answer =
        client.ask(&Call { method: Method::GET, address, headers: &[], load: None }, &[StatusCode::OK])?;
    let another = |size: &str| {
        Error::refused(format!(
            "blob {} has {size} bytes, and is said to have {}",
            wanted.digest, wanted.size
        ))
    };
    match answer.body().content_length() {
        Some(size) if size != wanted.size => return Err(another(&size.to_string())),
        _ => (),
    }
    // One byte more than there may be shows that there are more.
    let stream = answer.into_body().into_reader().take(wanted.size.saturating_add(1));
    let mut stream = Summed::new(stream, wanted.digest.algorithm());
    let (mut chunk, mut count) = (vec![0; CHUNK], 0);
    loop {
        let read = stream.read(&mut chunk).map_err(|error| failed(&what, error.into()))?;
        count += read as u64;
        match read {
            _ if count > wanted.size => return Err(another("more")),
            0 if count < wanted.size => return Err(another(&count.to_string())),
            0 => break,
            read => take(&chunk[..read])?,
        }
    }
    match stream.digest() {
        digest if digest == wanted.digest => Ok(()),
        digest => Err(differs(&wanted.digest, &digest)),
    }
}
