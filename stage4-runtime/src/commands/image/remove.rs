//! `image remove`: a bundle goes, with files that belong to users of a user namespace.
//!
//! clone3(2) with a user namespace, for who is not root. Book: "Images" (`images`).
//! Invariant: only what is a bundle, and nothing that is mounted in it.

use super::super::failed;
use crate::image::unpack;
use crate::{Failure, Result};
use stage2_namespaces::request::Request;
use stage2_namespaces::spawn::spawn;
use std::path::PathBuf;

/// Remove a bundle that was unpacked
#[derive(Debug, clap::Args)]
#[command(after_help = "An ordinary user's `rm` cannot remove files of subordinate ids; this can.")]
pub(super) struct RemoveArgs {
    /// The directory with config.json and rootfs
    bundle: PathBuf,
}

pub(super) fn remove(args: &RemoveArgs) -> Result<u8, Failure> {
    let work = || unpack::remove(&args.bundle).map(|()| 0).map_err(failed);
    match unpack::users().map_err(failed)? {
        None => work(),
        Some(users) => {
            let request = Request { user: Some(users), ..Request::default() };
            spawn(&request, work).map_err(failed)?.wait()
        }
    }
}
