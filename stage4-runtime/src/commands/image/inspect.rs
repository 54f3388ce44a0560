//! `image inspect`: what an image says of itself, and the recipe that it came from.
//!
//! No kernel calls of its own. Book: "Images" (`images`).
//! Invariant: what is told was held against its digest; the layers themselves are not read.

use super::super::print;
use super::{Which, size};
use crate::image::document::{Parameters, Step};
use crate::image::{Document, Image, Layer, recipe};
use crate::{Error, Result};
use clap::ValueEnum;
use serde_json::{Value, json};
use stage1_chroot::printable;

/// Show index, manifest, configuration, layers, and the recipe an image came from
#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    #[command(flatten)]
    which: Which,
    /// How it is told
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For eyes
    Text,
    /// For programs
    Json,
}

pub(super) fn inspect(args: &InspectArgs) -> Result<u8> {
    let image = args.which.open()?;
    match args.format {
        Form::Text => print(&text(&image)),
        Form::Json => {
            let told = serde_json::to_string_pretty(&json(&image));
            print(&(told.map_err(|error| Error::refused(format!("image: {error}")))? + "\n"))
        }
    }
    .map(|()| 0)
}

fn json(image: &Image) -> Value {
    let document = |it: &Document| json!({ "digest": it.digest.to_string(), "size": it.size });
    let layer = |it: &Layer| {
        let descriptor = it.descriptor.as_ref();
        json!({
            "digest": descriptor.map(|it| it.digest.to_string()),
            "mediaType": descriptor.map(|it| it.media_type.clone()),
            "size": it.size,
            "diffId": it.diff_id.to_string(),
        })
    };
    let lines = recipe::recipe(&image.parameters.history).into_iter();
    let lines = lines.map(|line| json!({ "words": line.words, "layer": line.layer })).collect::<Vec<_>>();
    json!({
        "names": image.names,
        "platform": image.parameters.platform().to_string(),
        "created": image.parameters.created,
        "author": image.parameters.author,
        "indexes": image.indexes.iter().map(document).collect::<Vec<_>>(),
        "manifest": image.manifest.as_ref().map(document),
        "config": document(&image.config),
        "layers": image.layers.iter().map(layer).collect::<Vec<_>>(),
        "parameters": image.parameters.config,
        "recipe": lines,
    })
}

fn text(image: &Image) -> String {
    let document = |it: &Document| format!("{}  {}", it.digest, size(it.size));
    let says = &image.parameters;
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut line = |key: &str, value: String| {
        if !value.is_empty() {
            lines.push((key.to_owned(), value));
        }
    };
    line("names", image.names.join(", "));
    line("platform", says.platform().to_string());
    line("created", says.created.clone().unwrap_or_default());
    line("author", says.author.clone().unwrap_or_default());
    image.indexes.iter().for_each(|index| line("index", document(index)));
    line("manifest", image.manifest.as_ref().map(document).unwrap_or_default());
    line("config", document(&image.config));
    parameters(&says.config).into_iter().for_each(|(key, value)| line(key, value));
    line("layers", format!("{}, {}", image.layers.len(), size(image.size())));
    for (number, layer) in image.layers.iter().enumerate() {
        let digest =
            layer.descriptor.as_ref().map_or("(as its diff id)".to_owned(), |it| it.digest.to_string());
        line(&format!("  {number}"), format!("{digest}  {}", size(layer.size)));
        line("", format!("diff id {}", layer.diff_id));
    }
    steps(&says.history, image.layers.len()).into_iter().for_each(|(key, value)| line(&key, value));
    let width = lines.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
    lines.iter().map(|(key, value)| format!("{key:width$}  {}\n", printable(value))).collect()
}

fn parameters(says: &Parameters) -> Vec<(&'static str, String)> {
    let words = |words: &[String]| match words.is_empty() {
        true => String::new(),
        false => json!(words).to_string(),
    };
    let keys =
        |map: &std::collections::BTreeMap<String, Value>| map.keys().cloned().collect::<Vec<_>>().join(", ");
    let labels = says.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let mut told = vec![
        ("user", says.user.clone()),
        ("entrypoint", words(&says.entrypoint)),
        ("command", words(&says.cmd)),
        ("directory", says.working_dir.clone()),
        ("volumes", keys(&says.volumes)),
        ("ports", keys(&says.exposed_ports)),
        ("stopped by", says.stop_signal.clone()),
    ];
    told.extend(says.env.iter().map(|entry| ("variable", entry.clone())));
    told.extend(labels.map(|label| ("label", label)));
    told
}

/// The recipe, each line with the layer that it made.
fn steps(history: &[Step], layers: usize) -> Vec<(String, String)> {
    let mut told: Vec<(String, String)> = Vec::new();
    if !history.is_empty() {
        let whole = recipe::layers(history) == layers;
        let doubt = if whole { "" } else { " (it speaks of another number of layers)" };
        told.push((
            "recipe".to_owned(),
            format!("{} lines{doubt}; in front, the layer each made", history.len()),
        ));
    }
    for line in recipe::recipe(history) {
        let layer = line.layer.map_or("-".to_owned(), |layer| layer.to_string());
        told.push((format!("  {layer}"), line.words));
    }
    told
}
