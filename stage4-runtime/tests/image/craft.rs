//! Images made by hand, byte by byte, so that they can be wrong in every way.
//!
//! Book: "Images" (`images`).
//! Invariant: what is not said to be wrong is right.

use flate2::{Compression, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A tar archive that grows.
#[derive(Clone, Default)]
pub struct Tar(Vec<u8>);

/// An entry's header, as it is written.
#[derive(Clone)]
pub struct Entry<'a> {
    pub path: &'a str,
    pub kind: u8,
    pub link: &'a str,
    pub mode: u32,
    pub owner: (u32, u32),
    pub size: u64,
    pub mtime: u64,
    pub device: (u32, u32),
}

impl Default for Entry<'_> {
    fn default() -> Self {
        let (kind, owner, device) = (b'0', (0, 0), (0, 0));
        Entry { path: "", kind, link: "", mode: 0o644, owner, size: 0, mtime: 1_000_000_000, device }
    }
}

impl Tar {
    pub fn entry(mut self, entry: &Entry<'_>, content: &[u8]) -> Self {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        let octal = |value: u64, width: usize| format!("{value:0width$o}\0").into_bytes();
        put(0, entry.path.as_bytes());
        put(100, &octal(entry.mode.into(), 7));
        put(108, &octal(entry.owner.0.into(), 7));
        put(116, &octal(entry.owner.1.into(), 7));
        put(124, &octal(entry.size, 11));
        put(136, &octal(entry.mtime, 11));
        put(148, b"        ");
        put(156, &[entry.kind]);
        put(157, entry.link.as_bytes());
        put(257, b"ustar\x0000");
        put(329, &octal(entry.device.0.into(), 7));
        put(337, &octal(entry.device.1.into(), 7));
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(block);
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, path: &str, content: &str) -> Self {
        let size = content.len() as u64;
        self.entry(&Entry { path, size, ..Entry::default() }, content.as_bytes())
    }

    pub fn directory(self, path: &str) -> Self {
        self.entry(&Entry { path, kind: b'5', mode: 0o755, ..Entry::default() }, b"")
    }

    pub fn symlink(self, path: &str, link: &str) -> Self {
        self.entry(&Entry { path, kind: b'2', link, mode: 0o777, ..Entry::default() }, b"")
    }

    pub fn hard_link(self, path: &str, link: &str) -> Self {
        self.entry(&Entry { path, kind: b'1', link, ..Entry::default() }, b"")
    }

    /// Attributes of what comes next.
    pub fn pax(self, records: &[(&str, &str)]) -> Self {
        let mut content = String::new();
        for (key, value) in records {
            let rest = format!(" {key}={value}\n");
            let digits = (1..).find(|digits| (rest.len() + digits).to_string().len() == *digits).unwrap();
            content += &format!("{}{rest}", rest.len() + digits);
        }
        self.entry(
            &Entry { path: "pax", kind: b'x', size: content.len() as u64, ..Entry::default() },
            content.as_bytes(),
        )
    }

    /// What follows is no tar any more.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// Without its last bytes.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.0.truncate(self.0.len() - bytes);
        self
    }

    pub fn end(self) -> Vec<u8> {
        self.bytes(&[0; 1024]).0
    }

    pub fn unended(self) -> Vec<u8> {
        self.0
    }
}

#[derive(Clone, Copy)]
pub enum Packed {
    Plain,
    Gzip,
    Zstd,
}

pub fn packed(how: Packed, bytes: &[u8]) -> Vec<u8> {
    match how {
        Packed::Plain => bytes.to_vec(),
        Packed::Zstd => compress_to_vec(bytes, CompressionLevel::Fastest),
        Packed::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// An OCI layout with one image.
pub struct Layout {
    pub path: PathBuf,
    pub config: Value,
    pub manifest: Value,
}

impl Layout {
    /// In an empty directory, with these layers as they are when nothing is compressed.
    pub fn new(path: &Path, layers: &[(Packed, Vec<u8>)]) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        let mut layout = Layout { path: path.to_owned(), config: Value::Null, manifest: Value::Null };
        let diff_ids: Vec<String> = layers.iter().map(|(_, layer)| digest(layer)).collect();
        layout.config = json!({
            "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let layers: Vec<Value> = layers
            .iter()
            .map(|(how, layer)| {
                let suffix = match how {
                    Packed::Plain => "",
                    Packed::Gzip => "+gzip",
                    Packed::Zstd => "+zstd",
                };
                layout.blob(&format!("application/vnd.oci.image.layer.v1.tar{suffix}"), &packed(*how, layer))
            })
            .collect();
        layout.manifest = json!({ "schemaVersion": 2, "layers": layers });
        layout
    }

    /// A blob, and its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        fs::write(self.path.join("blobs").join(digest.replace(':', "/")), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// The manifest's descriptor.
    pub fn finished(&mut self) -> Value {
        let text = self.config.to_string();
        self.manifest["config"] = self.blob("application/vnd.oci.image.config.v1+json", text.as_bytes());
        let text = self.manifest.to_string();
        self.blob("application/vnd.oci.image.manifest.v1+json", text.as_bytes())
    }

    pub fn index(&self, manifests: &Value) {
        fs::write(self.path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.path.join("index.json"), index.to_string()).unwrap();
    }

    pub fn write(&mut self) {
        let manifest = self.finished();
        self.index(&json!([manifest]));
    }
}
