//! The JSON of an image: index, manifest, configuration.
//!
//! No kernel calls; image-index.md, manifest.md, config.md of the image specification 1.1. Book: "Images" (`images`).
//! Invariant: types only; a property that may be absent may be null as well, as the specification has it; what is read is
//! of a bounded length.

use super::digest::Digest;
use crate::{Error, Result};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// No document may be longer: registries take no manifest that is (distribution-spec, "Pushing Manifests").
pub const LONGEST: u64 = 4 << 20;

/// Types of content that are understood (media-types.md).
pub mod media {
    /// A list of manifests.
    pub const INDEXES: [&str; 2] = [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ];
    /// An image.
    pub const MANIFESTS: [&str; 2] = [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ];
    /// What an image says of itself.
    pub const CONFIGS: [&str; 2] =
        ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
    /// A change of the file system. The suffix is only a label: the content itself says how it is compressed, and tools
    /// are known to label it wrongly.
    pub const LAYERS: [&str; 9] = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ];
}

/// Absent, null, or there.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(value: D) -> Result<T, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

/// Points at a content (descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default, deserialize_with = "nullable")]
    pub media_type: String,
    /// What it is called, and held against.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Where else it is.
    #[serde(default, deserialize_with = "nullable")]
    pub urls: Vec<String>,
    /// Anything; the name of an image is in it.
    #[serde(default, deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
    /// What it runs on.
    #[serde(default)]
    pub platform: Option<Platform>,
}

/// What an image runs on (image-index.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// As Go calls it: `amd64`.
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// Of the processor: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Of this machine.
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Platform { architecture: architecture.to_owned(), os: "linux".to_owned(), variant: None }
    }

    /// Is the other one what is wanted here? A variant that was not asked for is as good as another.
    pub fn accepts(&self, other: &Platform) -> bool {
        let variant = self.variant.is_none() || self.variant == other.variant;
        self.os == other.os && self.architecture == other.architecture && variant
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            parts if parts.iter().any(|part| part.is_empty()) => {
                Err("OS/ARCH[/VARIANT] is wanted".to_owned())
            }
            [os, architecture, variant @ ..] if variant.len() < 2 => Ok(Platform {
                architecture: (*architecture).to_owned(),
                os: (*os).to_owned(),
                variant: variant.first().map(|variant| (*variant).to_owned()),
            }),
            _ => Err("OS/ARCH[/VARIANT] is wanted, as in linux/arm64".to_owned()),
        }
    }
}

/// The file that says that a directory is a layout (image-layout.md).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutMark {
    /// 1.0.0.
    pub image_layout_version: String,
}

/// A list of manifests, or of such lists (image-index.md).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u64,
    /// In the order of preference.
    #[serde(default, deserialize_with = "nullable")]
    pub manifests: Vec<Descriptor>,
}

/// An image: one configuration, and layers (manifest.md).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u64,
    /// What the image says of itself.
    pub config: Descriptor,
    /// From the lowest.
    #[serde(default, deserialize_with = "nullable")]
    pub layers: Vec<Descriptor>,
}

/// What an image says of itself (config.md).
#[derive(Debug, Clone, Deserialize)]
pub struct ImageConfig {
    /// As Go calls it.
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// Of the processor.
    #[serde(default)]
    pub variant: Option<String>,
    /// Of the operating system.
    #[serde(default, rename = "os.version")]
    pub os_version: Option<String>,
    /// What it must have.
    #[serde(default, rename = "os.features", deserialize_with = "nullable")]
    pub os_features: Vec<String>,
    /// When it was made.
    #[serde(default)]
    pub created: Option<String>,
    /// By whom.
    #[serde(default)]
    pub author: Option<String>,
    /// How it is run.
    #[serde(default, deserialize_with = "nullable")]
    pub config: Parameters,
    /// What it consists of.
    pub rootfs: RootfsOf,
    /// How it was made.
    #[serde(default, deserialize_with = "nullable")]
    pub history: Vec<Step>,
}

impl ImageConfig {
    /// What it runs on.
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            variant: self.variant.clone(),
        }
    }
}

/// How an image is run (config.md, `config`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Parameters {
    /// `user`, `uid`, either with `:group` or `:gid`.
    #[serde(deserialize_with = "nullable")]
    pub user: String,
    /// `8080/tcp`.
    #[serde(deserialize_with = "nullable")]
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
    /// `NAME=value`.
    #[serde(deserialize_with = "nullable")]
    pub env: Vec<String>,
    /// The command's first words.
    #[serde(deserialize_with = "nullable")]
    pub entrypoint: Vec<String>,
    /// Its other words.
    #[serde(deserialize_with = "nullable")]
    pub cmd: Vec<String>,
    /// Directories whose content is not the image's.
    #[serde(deserialize_with = "nullable")]
    pub volumes: BTreeMap<String, serde_json::Value>,
    /// Where the command starts.
    #[serde(deserialize_with = "nullable")]
    pub working_dir: String,
    /// Anything.
    #[serde(deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// How it is told to end.
    #[serde(deserialize_with = "nullable")]
    pub stop_signal: String,
}

/// What an image consists of (config.md, `rootfs`).
#[derive(Debug, Clone, Deserialize)]
pub struct RootfsOf {
    /// `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The digests of the layers as they are when nothing is compressed.
    #[serde(default, deserialize_with = "nullable")]
    pub diff_ids: Vec<Digest>,
}

/// One step of the making (config.md, `history`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Step {
    /// When.
    pub created: Option<String>,
    /// By whom.
    pub author: Option<String>,
    /// By which command.
    #[serde(deserialize_with = "nullable")]
    pub created_by: String,
    /// What was said to it.
    #[serde(deserialize_with = "nullable")]
    pub comment: String,
    /// Without a layer?
    #[serde(deserialize_with = "nullable")]
    pub empty_layer: bool,
}

/// Reads a document; `name` is what errors call it.
///
/// # Errors
/// No JSON, or not what it ought to be: where, and why.
pub fn read<T: DeserializeOwned>(name: &str, text: &[u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." { String::new() } else { format!("{place}: ") };
        Error::refused(format!("{name}: {place}{}", error.inner()))
    })?;
    deserializer.end().map(|()| parsed).map_err(|error| Error::refused(format!("{name}: {error}")))
}
