//! What a registry answers.
//!
//! read(2); the distribution specification, "Error Codes". Book: "Images" (`images`).
//! Invariant: no more of it is read than it may be long; what it says is shown as text that moves no cursor.

use super::super::document::LONGEST;
use super::address::Address;
use super::transport::failed;
use crate::{Error, Result};
use serde::Deserialize;
use std::io::Read;
use ureq::Body;
use ureq::http::{Method, Response, StatusCode};

/// Of what a registry says of an error, in bytes.
const COMPLAINT: u64 = 8 << 10;

#[derive(Deserialize)]
struct Complaints {
    errors: Vec<Complaint>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Complaint {
    code: String,
    message: String,
}

/// All of a document.
///
/// # Errors
/// One that is too long; what the network says.
pub fn text(what: &str, answer: Response<Body>) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = answer.into_body().into_reader().take(LONGEST + 1).read_to_end(&mut text);
    read.map_err(|error| failed(what, error.into()))?;
    match text.len() as u64 > LONGEST {
        true => Err(Error::refused(format!("{what}: the document is longer than {} MiB", LONGEST >> 20))),
        false => Ok(text),
    }
}

/// An answer that was not wanted, with what the registry says of it.
pub fn refusal(method: &Method, address: &Address, answer: Response<Body>) -> Error {
    let status = answer.status();
    let mut said = Vec::new();
    // Nothing to be read is no reason to tell less than the status.
    answer.into_body().into_reader().take(COMPLAINT).read_to_end(&mut said).ok();
    let complaint =
        serde_json::from_slice::<Complaints>(&said).ok().and_then(|it| it.errors.into_iter().next());
    let complaint = complaint.map_or(String::new(), |it| format!(": {}: {}", it.code, it.message));
    let error = Error::refused(format!("{method} {address}: {status}{complaint}"));
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => error.with_hint(
            "no such repository, or not for you; name and password are those of `podman login` and `docker login`: $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json, ~/.docker/config.json",
        ),
        StatusCode::NOT_FOUND => error.with_hint("the registry has nothing of this name"),
        _ => error,
    }
}
