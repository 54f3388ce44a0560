//! `image mount`: a bundle whose root is an overlay of layers that others share.
//!
//! clone3(2) with a mount namespace, and with a user namespace for who is not root. Book: "Images" (`image-mount`).
//! Invariant: what is mounted in namespaces of its own goes with the command; on the host only root mounts, and `image remove`
//! unmounts.

use super::super::{Desk, failed};
use super::Which;
use super::progress::Progress;
use super::unpack::{bytes, summary, warn};
use crate::config::Config;
use crate::config::edit::{self, Assignment, Edits};
use crate::image::Image;
use crate::image::interruption::Interruption;
use crate::image::overlay::{self, Marks};
use crate::image::store::Store;
use crate::image::unpack::{self, Order};
use crate::{Error, Failure, Result};
use stage2_namespaces::request::{Mounts, Request};
use stage2_namespaces::spawn::spawn;
use stage2_namespaces::users::Users;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const AFTER: &str = "\
Each layer is unpacked once, and lies in the store as long as a bundle needs it; what a container
writes goes to BUNDLE/upper. `image remove` unmounts the bundle and removes it, and the layers with
the last one that has them. A bundle that is there, of the same image, is mounted again.
With a COMMAND the root is mounted for it alone, in a mount namespace of its own, and gone when it
ends; an ordinary user, who mounts in a user namespace only, always needs one.

Examples:
  stage4-runtime image mount box.tar box && stage4-runtime run --bundle box mine
  stage4-runtime image mount box.tar box -- stage4-runtime run --bundle box mine
  stage4-runtime image mount box.tar box -- ls box/rootfs";

/// Make a bundle whose root is mounted: layers that bundles share
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct MountArgs {
    #[command(flatten)]
    which: Which,
    /// The directory that is made, or was
    bundle: PathBuf,
    /// Where the layers lie [default: /var/lib/stage4-runtime, or ~/.local/share/stage4-runtime]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// No more than so many bytes are unpacked (K, M, G, T: units of 1024)
    #[arg(long, value_name = "SIZE", default_value = "16G", value_parser = bytes)]
    limit: u64,
    /// Set a property of config.json (repeat for more)
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Assignment>,
    /// Remove a property or an entry (repeat for more)
    #[arg(long, value_name = "PATH")]
    remove: Vec<edit::Path>,
    /// What is run while the root is mounted
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn mount(desk: &Desk, args: &MountArgs) -> Result<u8, Failure> {
    let image = args.which.open().map_err(failed)?;
    let users = unpack::users().map_err(failed)?;
    let marks = if crate::rootless::is_root_of_the_machine() { Marks::Trusted } else { Marks::User };
    if users.is_some() && args.command.is_empty() {
        return Err(failed(
            Error::refused(
                "an ordinary user mounts only in a user namespace, which goes with its last process",
            )
            .with_hint("-- COMMAND is run in it; or `stage4-runtime image unpack`, which mounts nothing"),
        ));
    }
    let bundle = std::path::absolute(&args.bundle).map_err(|error| failed(Error::io("getcwd()", &error)))?;
    let store =
        args.store.clone().map_or_else(|| Store::usual(marks == Marks::Trusted), Ok).map_err(failed)?;
    let base = base(users.as_ref()).map_err(failed)?;
    let order = Order {
        image: &image,
        bundle: &bundle,
        limit: args.limit,
        base,
        edits: Edits { remove: &args.remove, set: &args.set, command: &[] },
    };
    let apart = Request { user: users, mnt: Some(Mounts::default()), ..Request::default() };
    let here = std::env::current_dir().map_err(|error| failed(Error::io("getcwd()", &error)))?;
    let work = || {
        prepared(desk, &order, &store, marks, args.command.is_empty())?;
        match args.command.split_first() {
            None => Ok(0),
            Some((program, rest)) => {
                overlay::attach(&bundle, marks)?;
                Err(execute(program, rest, &here))
            }
        }
    };
    let done = spawn(&apart, || work().map_err(failed)).map_err(failed)?.wait()?;
    if done == 0 && args.command.is_empty() {
        overlay::attach(&bundle, marks).map_err(failed)?;
    }
    Ok(done)
}

fn prepared(desk: &Desk, order: &Order<'_>, store: &Path, marks: Marks, alone: bool) -> Result<()> {
    if overlay::is_of(order.bundle, order.image)? {
        return Ok(());
    }
    let interruption = Interruption::hold()?;
    let progress = Progress::begin(Image::size(order.image));
    let watch = |read: u64| {
        progress.reached(read);
        interruption.check()
    };
    let made = overlay::prepare(order, store, marks, &watch);
    drop(progress);
    let made = made?;
    warn(desk, &made);
    // The output is the command's, where there is one.
    if alone { summary(order, &made) } else { Ok(()) }
}

/// What `spec` writes; in the user namespace that the root is mounted in, everybody has the number there that he is to have
/// in the container.
fn base(users: Option<&Users>) -> Result<Config> {
    let mut config = unpack::base(users)?;
    for mapping in config.linux.uid_mappings.iter_mut().chain(&mut config.linux.gid_mappings) {
        if users.is_some() {
            mapping.host_id = mapping.container_id;
        }
    }
    Ok(config)
}

fn execute(program: &str, arguments: &[String], here: &Path) -> Error {
    let error = Command::new(program).args(arguments).current_dir(here).exec();
    Error::io(format!("execve({program:?})"), &error)
}
