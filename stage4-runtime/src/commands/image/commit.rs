//! `image commit`: an image from a bundle.
//!
//! clone3(2) with a user namespace, for who is not root. Book: "Images" (`images`).
//! Invariant: owners are told as the user namespace has them that unpacked the bundle.

use super::super::{failed, print};
use super::parameters::ParametersArgs;
use super::progress::Progress;
use super::target;
use crate::image::build::Site;
use crate::image::commit::{self, Order};
use crate::image::document::Platform;
use crate::image::interruption::Interruption;
use crate::image::{Image, Reference, unpack};
use crate::moment::now;
use crate::{Failure, Result};
use serde_json::json;
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
    /// What the bundle came from [default: as `image from` has it]
    #[arg(long, value_name = "IMAGE[:NAME]")]
    from: Option<String>,
    /// Of several images, that for this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", requires = "from")]
    platform: Option<Platform>,
    /// What is said of it in the history [default: the steps, where it was begun by `from`]
    #[arg(long, value_name = "TEXT")]
    created_by: Option<String>,
    #[command(flatten)]
    parameters: ParametersArgs,
}

pub(super) fn commit(args: &CommitArgs) -> Result<u8, Failure> {
    let site = Site::open(&args.bundle).map_err(failed)?;
    let mut build = site.build.clone().unwrap_or_default();
    let from = args.from.as_deref().map(|text| {
        let (path, name) = Reference::read(text);
        Image::open(&Reference { path, name, platform: args.platform.clone() })
    });
    let from = from.map_or_else(|| build.image(), |from| from.map(Some)).map_err(failed)?;
    let older = build.parameters(from.as_ref()).map_err(failed)?.config;
    build.config.extend(args.parameters.properties(older));
    let history = match &args.created_by {
        Some(text) => vec![json!({ "created": now(), "created_by": text })],
        None => {
            args.parameters
                .lines()
                .into_iter()
                .filter(|_| site.build.is_some())
                .for_each(|line| build.add(line, false));
            build.history("stage4-runtime image commit")
        }
    };
    let (layout, name) = target(&args.image);
    let name = name.unwrap_or("latest");
    let order = Order {
        bundle: site.path(),
        from: from.as_ref(),
        layout: Path::new(layout),
        name,
        history,
        created: now(),
        parameters: build.config,
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
