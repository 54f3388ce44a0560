//! `stage2-namespaces run`: a command in new namespaces.
//!
//! clone3(2), 2019. Book: "The demo application" (`spawn`).
//! Invariant: what can fail for a plain reason has failed before anything is made.

use super::which::Which;
use super::{Inherit, become_command, checked, note, prepare};
use crate::birth::Way;
use crate::clocks::Offsets;
use crate::idmap::{Extent, IdMap};
use crate::kind::{Kind, Kinds};
use crate::mount::Propagation;
use crate::request::{Mounts, PidOne, Request, Uts};
use crate::spawn::spawn;
use crate::users::Users;
use crate::uts::Hostname;
use crate::{Error, Failure, Result, Rootfs, failed};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  stage2-namespaces run --uts --hostname inside -- hostname
  stage2-namespaces run --pid --mount-proc -- ps -ef
  stage2-namespaces run --user --map-root -- id
  stage2-namespaces run --user --uid-map 0:100000:65536 --gid-map 0:100000:65536 -- cat /proc/self/uid_map
  stage2-namespaces run --time --boottime 86400 -- uptime
  stage2-namespaces run --all --map-root --root new-root --mount-proc -- sh
  stage2-namespaces run --uts --hostname inside --pid-file pid -- sleep 60 &
  stage2-namespaces enter $(cat pid) --uts -- hostname

Exit status:
  that of the command, or 128 plus the number of the signal that ended it, as a shell says;
  127 if the command is not found, 126 if it cannot be executed, 1 for any error before that";

/// Run a command in new namespaces
///
/// Kinds that are not named stay shared with the host. With --pid a small init is pid 1: it reaps orphans and passes
/// signals on to the command, which is pid 2.
///
/// When this program is killed, so is the command; with --pid and its init, so is all that the command began. Without
/// --pid, what the command began lives on; and without that init, so does a command that has changed its ids.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "stage2-namespaces run [OPTIONS] [--] <CMD>...")]
pub struct RunArgs {
    #[command(flatten)]
    which: Which,

    /// The host name inside (needs --uts)
    #[arg(long, value_name = "NAME", value_parser = checked::<Hostname>)]
    hostname: Option<Hostname>,

    /// The command itself is pid 1, as with unshare(1): nobody reaps, nobody passes signals on (needs --pid)
    #[arg(long)]
    no_init: bool,

    /// Root inside is who you are outside (needs --user)
    #[arg(long, conflicts_with_all = ["map_subids", "uid_map", "gid_map"])]
    map_root: bool,

    /// The same, and from 1 on come the ids that /etc/subuid and /etc/subgid grant you (needs --user)
    #[arg(long, conflicts_with_all = ["uid_map", "gid_map"])]
    map_subids: bool,

    /// COUNT user ids from INSIDE on are those from OUTSIDE on (repeatable; needs --user)
    #[arg(long, value_name = "INSIDE:OUTSIDE:COUNT", requires = "gid_map", value_parser = checked::<Extent>)]
    uid_map: Vec<Extent>,

    /// The same for group ids
    #[arg(long, value_name = "INSIDE:OUTSIDE:COUNT", requires = "uid_map", value_parser = checked::<Extent>)]
    gid_map: Vec<Extent>,

    /// Seconds to add to the host's boot clock, which uptime shows (needs --time)
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    boottime: Option<i64>,

    /// Seconds to add to the host's monotonic clock (needs --time)
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    monotonic: Option<i64>,

    /// Make this directory / by pivot_root, and let the old root go (makes a mount namespace)
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Which mounts travel between the host and inside: private, slave, shared or unbindable (needs --mount)
    #[arg(long, value_name = "TYPE", value_parser = propagation())]
    propagation: Option<Propagation>,

    /// Mount a new /proc (makes a mount namespace)
    #[arg(long)]
    mount_proc: bool,

    /// Write into FILE, once the command runs, the pid that the first process inside has out here
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

fn propagation() -> impl TypedValueParser<Value = Propagation> {
    let named = |name: String| {
        Propagation::ALL.iter().find(|(n, _)| *n == name).map_or_else(Default::default, |p| p.1)
    };
    PossibleValuesParser::new(Propagation::ALL.map(|(name, _)| name)).map(named)
}

/// Runs the command and gives its status.
pub fn run(args: &RunArgs) -> Result<u8, Failure> {
    let request = args.request().map_err(failed)?;
    let inherit = if args.root.is_some() { Inherit::Nothing } else { Inherit::Everything };
    let command = prepare(&args.command, inherit).map_err(failed)?;
    // Before anything runs: a pid that cannot be written is a plain reason.
    let pid_file = args.pid_file.as_deref().map(PidFile::create).transpose().map_err(failed)?;
    let mut running = spawn(&request, || become_command(&command, inherit)).map_err(failed)?;
    if let Way::Clone(errno) = running.way() {
        note(&format!("clone3: {errno}; used clone instead (Linux before 5.3, or a system call filter)"));
    }
    if let Some(file) = pid_file {
        running.started()?;
        file.write(running.pid()).map_err(failed)?;
    }
    running.wait()
}

/// The file that will hold the pid, under another name until it does: whoever sees it sees a whole number in it.
struct PidFile {
    file: PathBuf,
    part: PathBuf,
    open: File,
}

impl PidFile {
    fn create(file: &Path) -> Result<Self> {
        let mut part = file.as_os_str().to_owned();
        part.push(format!(".{}", std::process::id()));
        let part = PathBuf::from(part);
        // Never through a link that somebody has put there.
        let open = OpenOptions::new().write(true).create_new(true).open(&part);
        let open = open.map_err(|error| Error::io(format!("open({part:?}, O_CREAT|O_EXCL)"), &error))?;
        Ok(PidFile { file: file.to_owned(), part, open })
    }

    fn write(mut self, pid: Pid) -> Result<()> {
        let failed = |call: String| move |error| Error::io(call, &error);
        writeln!(self.open, "{pid}").map_err(failed(format!("write({:?})", self.part)))?;
        std::fs::rename(&self.part, &self.file).map_err(failed(format!("rename({:?})", self.file)))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Gone already, where it was renamed.
        std::fs::remove_file(&self.part).ok();
    }
}

impl RunArgs {
    fn request(&self) -> Result<Request> {
        let own_mounts = self.root.is_some() || self.mount_proc;
        let kinds = self.which.kinds().with(Kind::Mnt, own_mounts || self.which.kinds().has(Kind::Mnt));
        self.refuse_what_lacks_its_kind(kinds)?;
        Ok(Request {
            mnt: kinds.has(Kind::Mnt).then(|| self.mounts()).transpose()?,
            uts: kinds.has(Kind::Uts).then(|| Uts { hostname: self.hostname.clone() }),
            ipc: kinds.has(Kind::Ipc),
            pid: kinds.has(Kind::Pid).then_some(if self.no_init { PidOne::Command } else { PidOne::Init }),
            net: kinds.has(Kind::Net),
            user: kinds.has(Kind::User).then(|| self.users()).transpose()?,
            cgroup: kinds.has(Kind::Cgroup),
            time: kinds.has(Kind::Time).then_some(Offsets {
                boottime: self.boottime.map(Into::into),
                monotonic: self.monotonic.map(Into::into),
            }),
        })
    }

    /// A host name for the host, or clocks for everybody: never what was meant.
    fn refuse_what_lacks_its_kind(&self, kinds: Kinds) -> Result<()> {
        let maps = self.map_root || self.map_subids || !self.uid_map.is_empty();
        let wanted = [
            (self.hostname.is_some(), Kind::Uts, "--hostname", "--uts"),
            (self.no_init, Kind::Pid, "--no-init", "--pid"),
            (maps, Kind::User, "a map of ids", "--user"),
            (self.boottime.is_some() || self.monotonic.is_some(), Kind::Time, "a clock offset", "--time"),
            (self.propagation.is_some(), Kind::Mnt, "--propagation", "--mount"),
        ];
        match wanted.into_iter().find(|(asked, kind, ..)| *asked && !kinds.has(*kind)) {
            Some((_, kind, option, needs)) => {
                Err(Error::refused(format!("{option} needs a {kind} namespace"))
                    .with_hint(format!("add {needs}")))
            }
            None => Ok(()),
        }
    }

    fn mounts(&self) -> Result<Mounts> {
        let root = self.root.as_deref().map(Rootfs::open).transpose()?;
        Ok(Mounts { propagation: self.propagation.unwrap_or_default(), root, proc: self.mount_proc })
    }

    fn users(&self) -> Result<Users> {
        match (self.map_root, self.map_subids) {
            (true, _) => Ok(Users::root_is_me()),
            (_, true) => Users::with_subordinates(),
            _ if self.uid_map.is_empty() => Ok(Users::Unmapped),
            _ => Ok(Users::Mapped {
                uids: IdMap::new(self.uid_map.clone())?,
                gids: IdMap::new(self.gid_map.clone())?,
            }),
        }
    }
}
