//! `image commit`: an image from a bundle.
//!
//! clone3(2) with a user namespace, for who is not root. Book: "Images" (`images`).
//! Invariant: owners are told as the user namespace has them that unpacked the bundle.

use super::super::{failed, print};
use super::progress::Progress;
use crate::image::commit::{self, Order};
use crate::image::document::Platform;
use crate::image::interruption::Interruption;
use crate::image::{Image, Reference, unpack};
use crate::moment::now;
use crate::{Failure, Result};
use serde_json::{Map, Value, json};
use stage2_namespaces::request::Request;
use stage2_namespaces::spawn::spawn;
use std::path::{Path, PathBuf};

const AFTER: &str = "\
With --from, what the bundle's root has beyond that image becomes one layer more, with whiteouts
for what is gone; without it, all of the root is the only layer.

Examples:
  stage4-runtime image commit box layout:v1 -- sh                   from nothing (FROM scratch)
  stage4-runtime image commit box layout:v2 --from layout:v1 --created-by 'RUN make'
  stage4-runtime image commit box layout:v3 --from layout:v2 --env A=b --user ada";

/// Make an image from a bundle
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct CommitArgs {
    /// The directory with the root
    bundle: PathBuf,
    /// The OCI layout that it goes to, made where there is none, and its name there [default: latest]
    #[arg(value_name = "LAYOUT[:NAME]")]
    image: String,
    /// What the bundle came from
    #[arg(long, value_name = "IMAGE[:NAME]")]
    from: Option<String>,
    /// Of several images, that for this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", requires = "from")]
    platform: Option<Platform>,
    /// What is said of it in the history
    #[arg(long, value_name = "TEXT", default_value = "stage4-runtime image commit")]
    created_by: String,
    /// The command's first words, as an array of JSON
    #[arg(long, value_name = "JSON", value_parser = words)]
    entrypoint: Option<Value>,
    /// A variable, beside those of --from (repeat for more)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<String>,
    /// A label, beside those of --from (repeat for more)
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

pub(super) fn commit(args: &CommitArgs) -> Result<u8, Failure> {
    let from = args.from.as_deref().map(|text| {
        let (path, name) = Reference::read(text);
        Image::open(&Reference { path, name, platform: args.platform.clone() })
    });
    let from = from.transpose().map_err(failed)?;
    let (layout, name) = target(&args.image);
    let order = Order {
        bundle: &args.bundle,
        from: from.as_ref(),
        layout: Path::new(layout),
        name,
        created_by: &args.created_by,
        created: now(),
        parameters: parameters(args, from.as_ref()),
    };
    let work = || work(&order).map(|()| 0).map_err(failed);
    match unpack::users().map_err(failed)? {
        None => work(),
        Some(users) => {
            let request = Request { user: Some(users), ..Request::default() };
            spawn(&request, work).map_err(failed)?.wait()
        }
    }
}

fn work(order: &Order<'_>) -> Result<()> {
    let interruption = Interruption::hold()?;
    let progress = Progress::begin(order.from.map_or(0, Image::size));
    let watch = |read: u64| {
        progress.reached(read);
        interruption.check()
    };
    let digest = commit::commit(order, &watch);
    drop(progress);
    print(&format!("{}\n", digest?))
}

/// The name begins behind the last colon; a layout that is there may have some in its path.
fn target(text: &str) -> (&str, &str) {
    match text.rsplit_once(':') {
        Some((layout, name)) if !Path::new(text).exists() && !name.is_empty() => (layout, name),
        _ => (text, "latest"),
    }
}

fn parameters(args: &CommitArgs, from: Option<&Image>) -> Map<String, Value> {
    let older = from.map(|image| image.parameters.config.clone()).unwrap_or_default();
    let mut told = Map::new();
    let mut tell = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            told.insert(key.to_owned(), value);
        }
    };
    tell("Entrypoint", args.entrypoint.clone());
    tell("Cmd", (!args.command.is_empty()).then(|| json!(args.command)));
    tell("User", args.user.as_ref().map(|user| json!(user)));
    tell("WorkingDir", args.directory.as_ref().map(|path| json!(path)));
    tell("StopSignal", args.stop_signal.as_ref().map(|signal| json!(signal)));
    let name = |entry: &String| entry.split('=').next().unwrap_or_default().to_owned();
    let new: Vec<String> = args.env.iter().map(name).collect();
    let env = older.env.into_iter().filter(|entry| !new.contains(&name(entry))).chain(args.env.clone());
    tell("Env", (!args.env.is_empty()).then(|| json!(env.collect::<Vec<_>>())));
    let labels = args.label.iter().filter_map(|label| label.split_once('='));
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let labels: std::collections::BTreeMap<_, _> = older.labels.into_iter().chain(labels).collect();
    tell("Labels", (!args.label.is_empty()).then(|| json!(labels)));
    let volumes = args.volume.iter().map(|path| (path.clone(), json!({})));
    let volumes: std::collections::BTreeMap<_, _> = older.volumes.into_iter().chain(volumes).collect();
    tell("Volumes", (!args.volume.is_empty()).then(|| json!(volumes)));
    told
}
