//! An image of a layout, to a registry.
//!
//! pread(2); the distribution specification, "Push". Book: "Images" (`images`).
//! Invariant: the manifest goes last, when all it speaks of is there; it goes as it lies here, byte for byte, so that its
//! digest is the same there.

use super::super::Image;
use super::super::digest::Digest;
use super::super::document::{Descriptor, Manifest, media, read};
use super::super::source::differs;
use super::super::stream::{Summed, Watch};
use super::address::Address;
use super::client::{Call, Client, Load};
use crate::{Error, Result};
use serde_json::Value;
use std::cell::RefCell;
use std::io::Read;
use ureq::http::{Method, StatusCode, header};

/// Sends what is not there yet, and names it; the manifest's digest.
///
/// # Errors
/// An image without a manifest, or with another than is named; a blob that is not what it is called; what the registry,
/// the network or the kernel says.
pub fn push(client: &Client<'_>, image: &Image, watch: Watch<'_>) -> Result<Digest> {
    let Some(document) = &image.manifest else {
        return Err(Error::refused("what docker save writes has no manifest that could be pushed")
            .with_hint("skopeo copy docker-archive:FILE oci:LAYOUT:NAME makes a layout of it"));
    };
    let digest = &document.digest;
    if let Some(wanted) = client.remote.digest.as_ref().filter(|wanted| *wanted != digest) {
        return Err(Error::refused(format!("the image's manifest is {digest}, and not {wanted}")));
    }
    let says = image.source.document(&digest.path())?;
    let is = Digest::of(digest.algorithm(), &says);
    if is != *digest {
        return Err(differs(digest, &is));
    }
    let manifest: Manifest = read("the manifest", &says)?;
    let mut before = 0;
    let mut sent = Vec::new();
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        let told = |read: u64| watch(before + read);
        told(0)?;
        if !sent.contains(&&blob.digest) && !is_there(client, blob)? {
            send(client, image, blob, &told)?;
        }
        sent.push(&blob.digest);
        before += blob.size;
    }
    name(client, &says, digest)
}

/// Under its tag, or under its digest alone.
fn name(client: &Client<'_>, says: &[u8], digest: &Digest) -> Result<Digest> {
    let value: Value = read("the manifest", says)?;
    // Docker's always says what it is; the OCI's need not.
    let media_type = value["mediaType"].as_str().unwrap_or(media::MANIFESTS[0]);
    let tag = client.remote.tag.clone().unwrap_or_else(|| digest.to_string());
    let address = client.address(&format!("manifests/{tag}"))?;
    let headers = [(header::CONTENT_TYPE.as_str(), media_type)];
    let call = Call { method: Method::PUT, address, headers: &headers, load: Some(Load::Text(says)) };
    client.ask(&call, &[StatusCode::CREATED]).map(|_| digest.clone())
}

fn is_there(client: &Client<'_>, blob: &Descriptor) -> Result<bool> {
    let address = client.address(&format!("blobs/{}", blob.digest))?;
    let call = Call { method: Method::HEAD, address, headers: &[], load: None };
    Ok(client.ask(&call, &[StatusCode::OK, StatusCode::NOT_FOUND])?.status() == StatusCode::OK)
}

/// A place for it, and then all of it at once.
fn send(client: &Client<'_>, image: &Image, blob: &Descriptor, watch: Watch<'_>) -> Result<()> {
    let address = place(client)?.asking(&format!("digest={}", blob.digest));
    let stream = RefCell::new(None);
    let open = || -> Result<Box<dyn Read + '_>> {
        let content = image.source.blob(blob)?;
        let begun = Summed::new(content.reader, blob.digest.algorithm()).watched(watch);
        stream.replace(Some(begun));
        Ok(Box::new(Lent(&stream)))
    };
    let headers = [(header::CONTENT_TYPE.as_str(), "application/octet-stream")];
    let load = Some(Load::Content(blob.size, &open));
    let sent =
        client.ask(&Call { method: Method::PUT, address, headers: &headers, load }, &[StatusCode::CREATED]);
    // A registry says of a damaged blob only that it does not want it.
    match stream.borrow().as_ref().filter(|it| it.count() == blob.size).map(Summed::digest) {
        Some(digest) if digest != blob.digest => Err(differs(&blob.digest, &digest)),
        _ => sent.map(drop),
    }
}

/// A stream that is asked for its sum afterwards.
struct Lent<'a, R>(&'a RefCell<Option<R>>);

impl<R: Read> Read for Lent<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().as_mut().map_or(Ok(0), |stream| stream.read(buffer))
    }
}

fn place(client: &Client<'_>) -> Result<Address> {
    let address = client.address("blobs/uploads/")?;
    let call = Call { method: Method::POST, address, headers: &[], load: Some(Load::Text(b"")) };
    let answer = client.ask(&call, &[StatusCode::ACCEPTED])?;
    let location = answer.headers().get(header::LOCATION).and_then(|it| it.to_str().ok());
    let location = location.ok_or_else(|| {
        Error::refused(format!("POST {}: the answer names no place to send to", call.address))
    })?;
    call.address.led_to(location)
}
