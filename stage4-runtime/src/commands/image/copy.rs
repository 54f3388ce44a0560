//! `image copy`: files of this machine go into an image that is being built.
//!
//! Book: "Images" (`image-build`).
//! Invariant: they belong to root there unless somebody else is named; nothing outside of the root is written.

use super::super::failed;
use super::unpack::as_root;
use crate::image::build::Site;
use crate::image::copy::{self, Order};
use crate::image::unpack;
use crate::{Failure, Result};
use std::path::PathBuf;

const AFTER: &str = "\
Of a directory its content is meant, as COPY means it. DEST is a directory where it is one
already, ends with a slash, or several sources are named; directories on the way are made.

Examples:
  stage4-runtime image copy new hello.sh /bin/hello
  stage4-runtime image copy new src/ LICENSE /usr/src/hello --chown ada:";

/// Copy files into an image that is being built
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct CopyArgs {
    /// The directory that `from` made
    bundle: PathBuf,
    /// Files and directories of this machine
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<PathBuf>,
    /// Where they go, in the image
    #[arg(value_name = "DEST")]
    destination: String,
    /// Whose they are, by names or by numbers of the image
    #[arg(long, value_name = "USER[:GROUP]", default_value = "0:0")]
    chown: String,
}

pub(super) fn copy(args: &CopyArgs) -> Result<u8, Failure> {
    let (site, mut build) = Site::begun(&args.bundle).map_err(failed)?;
    let order = Order { sources: &args.sources, destination: &args.destination, owner: &args.chown };
    let users = unpack::users().map_err(failed)?;
    let status = as_root(users, || copy::copy(site.directory(), &order).map(|_| 0).map_err(failed))?;
    if status == 0 {
        let sources: Vec<_> = args.sources.iter().map(|path| path.to_string_lossy()).collect();
        let chown = if args.chown == "0:0" { String::new() } else { format!("--chown={} ", args.chown) };
        build.add(format!("COPY {chown}{} {}", sources.join(" "), args.destination), true);
        site.keep(&build).map_err(failed)?;
    }
    Ok(status)
}
