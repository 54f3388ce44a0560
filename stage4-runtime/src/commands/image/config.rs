//! `image config`: how an image that is being built is to be run.
//!
//! Book: "Images" (`image-build`).
//! Invariant: the bundle's config.json says the same at once, so that the next step has it.

use super::super::failed;
use super::parameters::ParametersArgs;
use super::unpack::as_root;
use crate::image::build::Site;
use crate::image::unpack;
use crate::{Error, Failure, Result};
use std::os::fd::AsFd;
use std::path::PathBuf;

const AFTER: &str = "\
Example:
  stage4-runtime image config new --env LANG=C --user ada --directory /home/ada -- sh -l";

/// Say how an image that is being built is to be run
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct ConfigArgs {
    /// The directory that `from` made
    bundle: PathBuf,
    #[command(flatten)]
    parameters: ParametersArgs,
}

pub(super) fn config(args: &ConfigArgs) -> Result<u8, Failure> {
    let (site, mut build) = Site::begun(&args.bundle).map_err(failed)?;
    let lines = args.parameters.lines();
    if lines.is_empty() {
        return Err(failed(
            Error::refused("nothing is said").with_hint("`image config --help` lists what can be"),
        ));
    }
    let image = build.image().map_err(failed)?;
    let older = build.parameters(image.as_ref()).map_err(failed)?.config;
    build.config.extend(args.parameters.properties(older));
    let parameters = build.parameters(image.as_ref()).map_err(failed)?;
    let users = unpack::users().map_err(failed)?;
    let base = unpack::base(users.as_ref()).map_err(failed)?;
    let status = as_root(users, || {
        unpack::configure_again(site.directory().as_fd(), &base, &parameters).map(|()| 0).map_err(failed)
    })?;
    if status == 0 {
        lines.into_iter().for_each(|line| build.add(line, false));
        site.keep(&build).map_err(failed)?;
    }
    Ok(status)
}
