//! How an image is to be run, on the command line: of `config` and of `commit`.
//!
//! config.md, `config`. Book: "Images" (`image-build`).
//! Invariant: what is not said stays as it was; lists grow, by name.

use crate::image::document::Parameters;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is to be different.
#[derive(Debug, clap::Args)]
pub(super) struct ParametersArgs {
    /// The command's first words, as an array of JSON
    #[arg(long, value_name = "JSON", value_parser = words)]
    entrypoint: Option<Value>,
    /// A variable, beside those of the image (repeat for more)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<String>,
    /// A label, beside those of the image (repeat for more)
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    label: Vec<String>,
    /// Who runs it
    #[arg(long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Where it starts
    #[arg(long, value_name = "PATH")]
    directory: Option<String>,
    /// A directory whose content is not the image's (repeat for more)
    #[arg(long, value_name = "PATH")]
    volume: Vec<String>,
    /// How it is told to end
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// The command, or its other words
    #[arg(last = true)]
    command: Vec<String>,
}

fn words(text: &str) -> Result<Value, String> {
    let words: Vec<String> = serde_json::from_str(text).map_err(|_| "[\"WORD\", …] is wanted".to_owned())?;
    Ok(json!(words))
}

fn pair(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.is_empty() => Ok(text.to_owned()),
        _ => Err("a name, = and a value are wanted".to_owned()),
    }
}

impl ParametersArgs {
    /// As properties of `config`, where it was `older`.
    pub(super) fn properties(&self, older: Parameters) -> Map<String, Value> {
        let mut told = Map::new();
        let mut tell = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                told.insert(key.to_owned(), value);
            }
        };
        tell("Entrypoint", self.entrypoint.clone());
        tell("Cmd", (!self.command.is_empty()).then(|| json!(self.command)));
        tell("User", self.user.as_ref().map(|user| json!(user)));
        tell("WorkingDir", self.directory.as_ref().map(|path| json!(path)));
        tell("StopSignal", self.stop_signal.as_ref().map(|signal| json!(signal)));
        let name = |entry: &String| entry.split('=').next().unwrap_or_default().to_owned();
        let new: Vec<String> = self.env.iter().map(name).collect();
        let env = older.env.into_iter().filter(|entry| !new.contains(&name(entry))).chain(self.env.clone());
        tell("Env", (!self.env.is_empty()).then(|| json!(env.collect::<Vec<_>>())));
        let labels = self.label.iter().filter_map(|label| label.split_once('='));
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let labels: BTreeMap<_, _> = older.labels.into_iter().chain(labels).collect();
        tell("Labels", (!self.label.is_empty()).then(|| json!(labels)));
        let volumes = self.volume.iter().map(|path| (path.clone(), json!({})));
        let volumes: BTreeMap<_, _> = older.volumes.into_iter().chain(volumes).collect();
        tell("Volumes", (!self.volume.is_empty()).then(|| json!(volumes)));
        told
    }

    /// As lines of a recipe.
    pub(super) fn lines(&self) -> Vec<String> {
        let each = |word: &str, values: &[String]| {
            values.iter().map(|it| format!("{word} {it}")).collect::<Vec<_>>()
        };
        let one = |word: &str, value: &Option<String>| {
            value.iter().map(|it| format!("{word} {it}")).collect::<Vec<_>>()
        };
        let command = (!self.command.is_empty()).then(|| json!(self.command).to_string());
        [
            each("ENV", &self.env),
            each("LABEL", &self.label),
            one("USER", &self.user),
            one("WORKDIR", &self.directory),
            each("VOLUME", &self.volume),
            one("STOPSIGNAL", &self.stop_signal),
            one("ENTRYPOINT", &self.entrypoint.as_ref().map(Value::to_string)),
            one("CMD", &command),
        ]
        .concat()
    }
}
