//! `image`: what bundles are made from.
//!
//! No kernel calls of its own. Book: "Images" (`images`).
//! Invariant: one word after `image` is one thin file here; which image is meant is said in the same way everywhere.

mod commit;
mod config;
mod copy;
mod from;
mod inspect;
mod mount;
mod parameters;
mod progress;
#[cfg(feature = "registry")]
mod pull;
#[cfg(feature = "registry")]
mod push;
mod remove;
mod run;
mod unpack;
#[cfg(not(feature = "registry"))]
mod without;

use super::Desk;
use crate::image::document::Platform;
use crate::image::{Image, Reference};
use crate::{Failure, Result};
use clap::Subcommand;
use std::path::Path;
#[cfg(not(feature = "registry"))]
use without as pull;
#[cfg(not(feature = "registry"))]
use without as push;

const EXAMPLES: &str = "\
IMAGE is an OCI layout (a directory or a tar file) or what `docker save` and `podman save` write.
:NAME behind it chooses one of several.

Examples:
  podman save --format oci-archive -o box.tar docker.io/library/busybox
  stage4-runtime image inspect box.tar
  stage4-runtime image unpack box.tar box
  stage4-runtime run --bundle box mine
  stage4-runtime image mount box.tar other
  stage4-runtime image from box.tar new && stage4-runtime image run new -- touch /made
  stage4-runtime image commit new layout:mine
  stage4-runtime image push layout:mine localhost:5000/ada/box:v1
  stage4-runtime image pull localhost:5000/ada/box:v1 other-layout
  stage4-runtime image remove box";

/// Take images apart, and make some
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ImageArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Pull(pull::PullArgs),
    Push(push::PushArgs),
    Inspect(inspect::InspectArgs),
    Unpack(unpack::UnpackArgs),
    Mount(mount::MountArgs),
    From(from::FromArgs),
    Run(run::StepArgs),
    Copy(copy::CopyArgs),
    Config(config::ConfigArgs),
    Commit(commit::CommitArgs),
    Remove(remove::RemoveArgs),
}

/// Which image.
#[derive(Debug, clap::Args)]
struct Which {
    /// A layout or an archive, and :NAME where it has more than one image
    #[arg(value_name = "IMAGE[:NAME]")]
    image: String,
    /// The image's name there, where it is not behind the path
    #[arg(long = "ref", value_name = "NAME")]
    name: Option<String>,
    /// What it is to run on [default: this machine, where there is a choice]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

impl Which {
    fn open(&self) -> Result<Image> {
        Image::open(&self.reference()?)
    }

    fn reference(&self) -> Result<Reference> {
        let (path, name) = Reference::read(&self.image);
        // Whoever mounts goes to other directories.
        let path = std::path::absolute(&path).map_err(|error| crate::Error::io("getcwd()", &error))?;
        let name = self.name.clone().or(name);
        Ok(Reference { path, name, platform: self.platform.clone() })
    }
}

pub(super) fn image(desk: &Desk, args: &ImageArgs) -> Result<u8, Failure> {
    match &args.verb {
        Verb::Pull(args) => pull::pull(args).map_err(super::failed),
        Verb::Push(args) => push::push(args).map_err(super::failed),
        Verb::Inspect(args) => inspect::inspect(args).map_err(super::failed),
        Verb::Unpack(args) => unpack::unpack(desk, args),
        Verb::Mount(args) => mount::mount(desk, args),
        Verb::From(args) => from::from(desk, args),
        Verb::Run(args) => run::run(desk, args),
        Verb::Copy(args) => copy::copy(args),
        Verb::Config(args) => config::config(args),
        Verb::Commit(args) => commit::commit(args),
        Verb::Remove(args) => remove::remove(args),
    }
}

/// The name begins behind the last colon; a layout that is there may have some in its path.
fn target(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((layout, name)) if !Path::new(text).exists() && !name.is_empty() => (layout, Some(name)),
        _ => (text, None),
    }
}

/// In units of 1024, for eyes.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut told = format!("{bytes} B");
    let mut value = bytes as f64;
    for unit in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        told = format!("{value:.1} {unit}");
    }
    told
}
