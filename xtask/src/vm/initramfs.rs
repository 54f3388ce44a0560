//! The machine's first root: Debian's programs, busybox, our programs, the command.
//!
//! No kernel calls; the kernel unpacks it. Book: "How it is tested".
//! Invariant: init finds all that it needs in /vm and in busybox.

use super::{Order, Trouble, cpio::Archive, programs, userland};
use std::{fs, path::PathBuf};

const INIT: &str = include_str!("init.sh");

/// Mount points, and places that programs expect.
const DIRECTORIES: [&str; 14] = [
    "dev",
    "etc",
    "home/learner",
    "mnt",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp",
    "usr/local/bin",
    "var/tmp",
    "vm/bin",
    "opt",
];

/// What a machine's first root is made of.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    pub busybox: PathBuf,
    pub userland: PathBuf,
    /// Clients of a runtime, where the order wants them.
    pub clients: Option<PathBuf>,
    /// (path, contents)
    pub modules: Vec<(String, Vec<u8>)>,
    pub order: &'a Order,
}

impl Contents<'_> {
    /// Builds the programs and packs all.
    pub fn pack(&self) -> Result<Vec<u8>, Trouble> {
        let mut archive = Archive::merged();
        for directory in DIRECTORIES {
            archive.directory(directory);
        }
        userland::add(&mut archive, &self.userland)?;
        if let Some(clients) = &self.clients {
            userland::add_clients(&mut archive, clients)?;
        }
        archive.program("/init", INIT.as_bytes());
        archive.program("/bin/busybox", &fs::read(&self.busybox)?);
        archive.symlink("/sbin/modprobe", "/bin/busybox"); // the kernel's own word for it
        for (path, contents) in &self.modules {
            archive.file(path, contents);
        }
        programs::add(&mut archive, &self.order.programs)?;
        programs::add_texts(&mut archive)?;
        archive.file("/vm/command", &self.order.told());
        Ok(archive.finish())
    }
}
