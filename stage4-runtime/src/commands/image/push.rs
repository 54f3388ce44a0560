//! `image push`: an image to a registry.
//!
//! No kernel calls of its own. Book: "Images" (`images`).
//! Invariant: nothing here is changed; what is named there is whole.

use super::super::print;
use super::Which;
use super::progress::Progress;
use super::pull::HOSTS;
use crate::Result;
use crate::image::interruption::Interruption;
use crate::image::registry::client::{Access, Client};
use crate::image::registry::push;
use crate::image::registry::reference::Remote;

const AFTER: &str = "\
What the registry has already is not sent again. One image is pushed, as it lies here, byte for
byte; of a list for several platforms the one that --platform chooses, and not the list. What
`docker save` writes has no manifest that could be pushed. The digest of the manifest is
printed; it is the image's there, too.

Examples:
  stage4-runtime image push layout:mine localhost:5000/ada/box:v1
  stage4-runtime image push layout:mine q.io/ada/box";

/// Send an image to a registry
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{HOSTS}\n\n{AFTER}"))]
pub(super) struct PushArgs {
    #[command(flatten)]
    which: Which,
    /// What it is to be called, and where
    reference: Remote,
}

pub(super) fn push(args: &PushArgs) -> Result<u8> {
    let image = args.which.open()?;
    let interruption = Interruption::hold()?;
    let ends = |_| interruption.check();
    let client = Client::new(&args.reference, Access::Push, &ends)?;
    let progress = Progress::begin(image.size());
    let watch = |read: u64| {
        progress.reached(read);
        interruption.check()
    };
    let digest = client.guarded(|| push::push(&client, &image, &watch));
    drop(progress);
    print(&format!("{}\n", digest?)).map(|()| 0)
}
