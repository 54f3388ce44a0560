//! `image unpack`: a bundle from an image.
//!
//! clone3(2) with a user namespace, for who is not root. Book: "Images" (`images`).
//! Invariant: whoever is not root gives files to users of his own user namespace, and of no other.

use super::super::{Desk, failed, print};
use super::progress::Progress;
use super::{Which, size};
use crate::config::edit::{self, Assignment, Edits};
use crate::image::attributes::{Loss, Losses};
use crate::image::interruption::Interruption;
use crate::image::unpack::{self, Order, Unpacked};
use crate::log::Level;
use crate::{Failure, Result};
use stage2_namespaces::request::Request;
use stage2_namespaces::spawn::spawn;
use stage2_namespaces::users::Users;
use std::path::PathBuf;

const AFTER: &str = "\
BUNDLE is made whole or not at all, and is its owner's alone (0700). Every layer is held against its
digest and its diff id while it is unpacked. An ordinary user's subordinate ids (/etc/subuid) become
the image's users; without some, all files are his own, which is said.
What config.json is to have otherwise: --set, --remove and a command, as with `spec`.

Examples:
  stage4-runtime image unpack box.tar box
  stage4-runtime image unpack layout:v2 box -- sh -c 'cat /etc/os-release'
  stage4-runtime image unpack box.tar box --set process.terminal=false";

/// Make a bundle from an image
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct UnpackArgs {
    #[command(flatten)]
    which: Which,
    /// The directory that is made
    bundle: PathBuf,
    /// No more than so many bytes are unpacked (K, M, G, T: units of 1024)
    #[arg(long, value_name = "SIZE", default_value = "16G", value_parser = bytes)]
    limit: u64,
    /// Set a property of config.json (repeat for more)
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Assignment>,
    /// Remove a property or an entry (repeat for more)
    #[arg(long, value_name = "PATH")]
    remove: Vec<edit::Path>,
    /// What is run instead of the image's command, and without a terminal
    #[arg(last = true)]
    command: Vec<String>,
}

pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'K')) => (&text[..at], 10),
        Some((at, 'M')) => (&text[..at], 20),
        Some((at, 'G')) => (&text[..at], 30),
        Some((at, 'T')) => (&text[..at], 40),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| "a number is wanted, as in 20G".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".to_owned())
}

pub(super) fn unpack(desk: &Desk, args: &UnpackArgs) -> Result<u8, Failure> {
    let image = args.which.open().map_err(failed)?;
    let users = unpack::users().map_err(failed)?;
    let order = Order {
        image: &image,
        bundle: &args.bundle,
        limit: args.limit,
        base: unpack::base(users.as_ref()).map_err(failed)?,
        edits: Edits { remove: &args.remove, set: &args.set, command: &args.command },
    };
    let work = || work(desk, &order).map(|()| 0).map_err(failed);
    as_root(users, work)
}

/// As somebody who may give files to the image's users.
pub(super) fn as_root(
    users: Option<Users>,
    work: impl FnOnce() -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    match users {
        None => work(),
        Some(users) => {
            let request = Request { user: Some(users), ..Request::default() };
            spawn(&request, work).map_err(failed)?.wait()
        }
    }
}

pub(super) fn work(desk: &Desk, order: &Order<'_>) -> Result<()> {
    let interruption = Interruption::hold()?;
    let progress = Progress::begin(order.image.size());
    let watch = |read: u64| {
        progress.reached(read);
        interruption.check()
    };
    let unpacked = unpack::unpack(order, &watch);
    drop(progress);
    let unpacked = unpacked?;
    warn(desk, &unpacked);
    summary(order, &unpacked)
}

/// What was made.
pub(super) fn summary(order: &Order<'_>, unpacked: &Unpacked) -> Result<()> {
    let (layers, bytes) = (order.image.layers.len(), size(order.image.size()));
    print(&format!("{}: {layers} layers, {bytes}, {} entries\n", order.bundle.display(), unpacked.entries))
}

/// What of it is less than the image says.
pub(super) fn warn(desk: &Desk, Unpacked { losses, warnings, .. }: &Unpacked) {
    warnings.iter().for_each(|warning| desk.log.say(Level::Warning, &format!("config.json: {warning}")));
    told(losses).iter().for_each(|loss| desk.log.say(Level::Warning, loss));
}

fn told(losses: &Losses) -> Vec<String> {
    let one = |loss: &Loss, what: &str, hint: &str| {
        (loss.count > 0).then(|| format!("{} {what}, the first: {}; {hint}", loss.count, loss.first))
    };
    [
        one(
            &losses.owners,
            "files are yours, and not their owners'",
            "subordinate ids would keep them: subuid(5), newuidmap(1)",
        ),
        one(&losses.devices, "devices were not made", "only root of the machine may make some"),
        one(
            &losses.attributes,
            "extended attributes were not set",
            "this machine or this user may not have them",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn images_limits_have_units() {
        assert_eq!(bytes("16G"), Ok(16 << 30));
        assert_eq!(bytes("512"), Ok(512));
        for wrong in ["", "G", "-1", "1X", "99999999T"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
