//! The documents of an image: indexes, manifests, configurations, and the recipe that one tells.
//!
//! No kernel calls; image-index.md, manifest.md, config.md. Book: "How this runtime is tested".
//! Invariant: a document is read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage4_runtime::image::document::{ImageConfig, Index, LayoutMark, Manifest, read};

fuzz_target!(|text: &[u8]| {
    drop(read::<Index>("index.json", text));
    drop(read::<LayoutMark>("oci-layout", text));
    drop(read::<Manifest>("the manifest", text));
    if let Ok(config) = read::<ImageConfig>("the configuration", text) {
        drop(config.platform().to_string());
    }
});
