//! `image pull` and `image push`, where this program was built without registries.
//!
//! No kernel calls. Book: "Images" (`images`).
//! Invariant: what is not there is said, with the way to it; it is no unknown word.

use crate::{Error, Result};

/// Fetch an image from a registry (built without registries)
#[derive(Debug, clap::Args)]
pub(super) struct PullArgs {
    #[command(flatten)]
    words: Words,
}

/// Send an image to a registry (built without registries)
#[derive(Debug, clap::Args)]
pub(super) struct PushArgs {
    #[command(flatten)]
    words: Words,
}

#[derive(Debug, clap::Args)]
struct Words {
    /// Whatever is said
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    all: Vec<String>,
}

pub(super) fn pull(args: &PullArgs) -> Result<u8> {
    Err(absent(&args.words))
}

pub(super) fn push(args: &PushArgs) -> Result<u8> {
    Err(absent(&args.words))
}

fn absent(words: &Words) -> Error {
    Error::refused(format!("{}: this program was built without registries", words.all.join(" ")))
        .with_hint("cargo build --package stage4-runtime --features registry")
}
