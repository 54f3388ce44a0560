//! `image pull`: an image from a registry.
//!
//! No kernel calls of its own. Book: "Images" (`images`).
//! Invariant: the image is in the layout, whole, or the layout is as it was; ^C is waited for by nobody.

use super::super::print;
use super::progress::Progress;
use super::target;
use super::unpack::bytes;
use crate::image::document::Platform;
use crate::image::interruption::Interruption;
use crate::image::registry::client::{Access, Client};
use crate::image::registry::pull;
use crate::image::registry::reference::Remote;
use crate::{Error, Result};
use std::path::Path;

pub(super) const HOSTS: &str = "\
REFERENCE is [HOST[:PORT]/]PATH[:TAG][@DIGEST]; without a host it is docker.io's, without a tag
`latest`. Registries are spoken to over HTTPS, with the certificates that this machine trusts or
those of $SSL_CERT_FILE; over plain HTTP only on this machine (localhost, 127.0.0.0/8, [::1]).
Name and password, where they are asked for, are those of $REGISTRY_AUTH_FILE, or of
$XDG_RUNTIME_DIR/containers/auth.json and ~/.docker/config.json; helper programs are not
started. $HTTPS_PROXY and $NO_PROXY are honoured.";

const AFTER: &str = "\
Every document and every layer is held against its digest, and an image that does not come whole
leaves nothing. Layers that are in the layout already are not fetched again. Of an image for
several platforms one is fetched. The digest of its manifest is printed.
What comes is kept byte for byte, so that its digest stays true: an image of Docker's types of
content stays one. This program reads it; skopeo and umoci may find no image in such a layout,
and `skopeo copy docker://REFERENCE oci:LAYOUT:NAME` makes another image of it that they read.

Examples:
  stage4-runtime image pull debian:12 layout                        its name is 12
  stage4-runtime image pull localhost:5000/ada/box layout:mine
  stage4-runtime image pull q.io/ada/box:v1 layout --platform linux/arm64";

/// Fetch an image from a registry
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{HOSTS}\n\n{AFTER}"))]
pub(super) struct PullArgs {
    /// The image, as its registry has it
    reference: Remote,
    /// The OCI layout that it goes to, made where there is none, and its name there [default: the tag]
    #[arg(value_name = "LAYOUT[:NAME]")]
    image: String,
    /// What it is to run on [default: this machine, where there is a choice]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// No more than so many bytes are fetched (K, M, G, T: units of 1024)
    #[arg(long, value_name = "SIZE", default_value = "16G", value_parser = bytes)]
    limit: u64,
}

pub(super) fn pull(args: &PullArgs) -> Result<u8> {
    let (layout, name) = target(&args.image);
    let name = name.or(args.reference.tag.as_deref()).unwrap_or("latest");
    let interruption = Interruption::hold()?;
    let ends = |_| interruption.check();
    let client = Client::new(&args.reference, Access::Pull, &ends)?;
    let digest = client.guarded(|| {
        let found = pull::find(&client, args.platform.as_ref())?;
        if found.size() > args.limit {
            return Err(Error::refused(format!(
                "the image has {} bytes, more than {}",
                found.size(),
                args.limit
            ))
            .with_hint("if it may be that large: --limit BYTES"));
        }
        let progress = Progress::begin(found.size());
        let watch = |read: u64| {
            progress.reached(read);
            interruption.check()
        };
        pull::fetch(&client, &found, Path::new(layout), name, &watch).map(|()| found.digest().clone())
    })?;
    print(&format!("{digest}\n")).map(|()| 0)
}
