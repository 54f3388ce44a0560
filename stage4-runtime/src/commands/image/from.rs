//! `image from`: a bundle that is to become an image.
//!
//! Book: "Images" (`image-build`).
//! Invariant: it is written down what it came from, so that `commit` knows what is new.

use super::super::{Desk, failed};
use super::Which;
use super::unpack::{as_root, work};
use crate::config::edit::Edits;
use crate::image::build::{Build, Origin, Site};
use crate::image::unpack::{self, Order};
use crate::{Failure, Result};
use std::path::PathBuf;

const AFTER: &str = "\
An image is built as a recipe says it, one step a command; `scratch` is the image of nothing.

Examples:
  stage4-runtime image from layout:v1 new                 FROM layout:v1
  stage4-runtime image copy new hello.sh /bin/            COPY hello.sh /bin/
  stage4-runtime image run new -- chmod 755 /bin/hello.sh RUN chmod 755 /bin/hello.sh
  stage4-runtime image config new -- /bin/hello.sh        CMD [\"/bin/hello.sh\"]
  stage4-runtime image commit new layout:v2               its name is v2
  stage4-runtime image remove new";

/// Begin an image from another one, or from `scratch`
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct FromArgs {
    #[command(flatten)]
    which: Which,
    /// The directory that is made
    bundle: PathBuf,
}

pub(super) fn from(desk: &Desk, args: &FromArgs) -> Result<u8, Failure> {
    let users = unpack::users().map_err(failed)?;
    let base = unpack::base(users.as_ref()).map_err(failed)?;
    let mut build = Build::default();
    let nothing = args.which.image == "scratch" && args.which.name.is_none();
    let status = if nothing {
        let parameters = build.parameters(None).map_err(failed)?;
        as_root(users, || unpack::empty(&args.bundle, &base, &parameters).map(|()| 0).map_err(failed))?
    } else {
        let reference = args.which.reference().map_err(failed)?;
        let image = args.which.open().map_err(failed)?;
        build.from = Some(Origin::of(&image, &reference));
        let order =
            Order { image: &image, bundle: &args.bundle, limit: u64::MAX, base, edits: Edits::default() };
        as_root(users, || work(desk, &order).map(|()| 0).map_err(failed))?
    };
    if status == 0 {
        Site::open(&args.bundle).and_then(|site| site.keep(&build)).map_err(failed)?;
    }
    Ok(status)
}
