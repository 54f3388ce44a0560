//! C strings as texts, where a plan is printed.
//!
//! No kernel calls. Book: "The process" (`process`).
//! Invariant: pure; what is shown is for eyes, and never read back.

use serde::Serializer;
use std::ffi::{CStr, CString};

pub fn one<S: Serializer>(text: &CStr, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&text.to_string_lossy())
}

pub fn optional<S: Serializer>(text: &Option<CString>, to: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => one(text, to),
        None => to.serialize_none(),
    }
}

pub fn list<S: Serializer>(texts: &[CString], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(texts.iter().map(|text| text.to_string_lossy()))
}
