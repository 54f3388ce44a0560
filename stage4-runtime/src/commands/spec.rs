//! `spec`: a config.json to begin with.
//!
//! open(2), O_EXCL. Book: "A bundle" (`bundle`).
//! Invariant: a file that is there is never written over.

use crate::config::spec;
use crate::{Error, Result};
use nix::unistd::{getegid, geteuid};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// Write a config.json to begin with
#[derive(Debug, clap::Args)]
pub struct SpecArgs {
    /// The directory that it is written to
    #[arg(long, short, default_value = ".", value_name = "DIR", hide_default_value = true)]
    bundle: PathBuf,
    /// For an ordinary user, who is root inside
    #[arg(long)]
    rootless: bool,
}

pub(super) fn spec(args: &SpecArgs) -> Result<u8> {
    let config = match args.rootless {
        true => spec::rootless(geteuid().as_raw(), getegid().as_raw()),
        false => spec::default(),
    };
    let path = args.bundle.join("config.json");
    let mut text =
        serde_json::to_vec_pretty(&config).map_err(|e| Error::refused(format!("config.json: {e}")))?;
    text.push(b'\n');
    let file = File::options().write(true).create_new(true).open(&path);
    file.and_then(|mut file| file.write_all(&text)).map_err(|e| {
        let error = Error::io(format!("open({path:?}, O_WRONLY|O_CREAT|O_EXCL)"), &e);
        match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                error.with_hint("remove it first, if it is not needed any more")
            }
            _ => error,
        }
    })?;
    Ok(0)
}
