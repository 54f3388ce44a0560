//! `create`: the container is there, and its process waits for `start`.
//!
//! Book: "The life cycle" (`create`).
//! Invariant: an error leaves everything as it was before: no state, no group, no process.

use super::{Desk, failed, spec};
use crate::birth::{self, Begin, Born, Order};
use crate::bundle::{Bundle, CONFIG, Checked, ROOT};
use crate::config::check::Verb;
use crate::config::linux::NamespaceKind;
use crate::console::socket::{Peer, connect_to};
use crate::id::ContainerId;
use crate::log::Level;
use crate::plan::process::TerminalPlan;
use crate::plan::root::Way;
use crate::plan::{Facts, Plan};
use crate::rootless::is_initial_user_namespace;
use crate::seccomp::Arch;
use crate::state::{Home, Record, Traces, traces};
use crate::trace::Trace;
use crate::{Error, Failure, Result, capabilities, cgroup, death, exec, moment, own_executable};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::{geteuid, linkat};
use stage1_chroot::descriptors::check_preserved;
use stage3_cgroups::{Group, Layout};
use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Create a container; `start` executes its process
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stage4-runtime create --bundle box mine && stage4-runtime start mine")]
pub struct CreateArgs {
    #[command(flatten)]
    pub(super) making: Making,
}

/// What is made, and how.
#[derive(Debug, clap::Args)]
pub struct Making {
    /// The container's name
    #[arg(value_name = "ID")]
    pub(super) id: ContainerId,
    /// The bundle [default: the working directory]
    #[arg(long, short, default_value = ".", value_name = "DIR", hide_default_value = true)]
    bundle: PathBuf,
    /// Write the process's pid to a file
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Send the terminal to whoever listens on this socket (`recvtty`, an engine)
    #[arg(long, value_name = "SOCKET")]
    pub(super) console_socket: Option<PathBuf>,
    /// Do not pivot_root: for a host whose root is an initramfs; weaker
    #[arg(long)]
    no_pivot: bool,
    /// Leave the session keyring of the caller to the process
    #[arg(long)]
    no_new_keyring: bool,
    /// Leave so many descriptors from 3 on open in the process
    #[arg(long, default_value_t = 0, value_name = "N", hide_default_value = true)]
    preserve_fds: u16,
}

impl Making {
    /// With no option.
    pub(super) fn plain(id: ContainerId, bundle: PathBuf) -> Self {
        let (pid_file, console_socket) = (None, None);
        let (no_pivot, no_new_keyring, preserve_fds) = (false, false, 0);
        Making { id, bundle, pid_file, console_socket, no_pivot, no_new_keyring, preserve_fds }
    }
}

pub(super) fn create(desk: &Desk, args: &CreateArgs) -> Result<u8, Failure> {
    let (begin, terminal, trace) = (Begin::WhenRung, Terminal::Sent, &Trace::off());
    make(desk, &args.making, &Manner { begin, terminal, unwritten: None, trace }).map(|_| 0)
}

/// What becomes of the other end of the container's terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Terminal {
    /// It is sent to whoever listens at `--console-socket`.
    Sent,
    /// We attend it, between it and our own terminal.
    Attended,
}

/// How `create` and `run` differ.
pub(super) struct Manner<'a> {
    pub begin: Begin,
    pub terminal: Terminal,
    /// Where there is no config.json, what `spec` would write for this command. None: there must be one.
    pub unwritten: Option<&'a [String]>,
    pub trace: &'a Trace,
}

/// A container that was made, and what is needed to end it.
pub(super) struct Made {
    pub born: Born,
    pub home: Home,
    pub plan: Plan,
    /// By which its terminal comes, where we attend it.
    pub terminal: Option<OwnedFd>,
}

/// All that is known before anything is done.
struct Prepared {
    text: Vec<u8>,
    plan: Plan,
    record: Record,
    layout: Layout,
    groups: Vec<PathBuf>,
    console: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    listeners: u16,
}

/// From the command line to a container that is created.
pub(super) fn make(desk: &Desk, args: &Making, manner: &Manner<'_>) -> Result<Made, Failure> {
    own_executable::protect().map_err(failed)?;
    let prepared = prepare(desk, args, manner).map_err(failed)?;
    let Prepared { text, plan, record, layout, groups, console, terminal, listeners } = prepared;

    // Here the side effects begin.
    let home = desk.make_home().map_err(failed)?;
    let (place, lock) = home.claim(&args.id).map_err(failed)?;
    let ways = cgroup::missing_above(&groups);
    let mut order = Order {
        plan: &plan,
        place: &place,
        rootless: desk.rootless.applies(),
        traces: Traces { groups, init: None },
        record,
        layout: &layout,
        begin: manner.begin,
        console,
        listeners,
        preserved: args.preserve_fds,
        trace: manner.trace,
        told: false,
    };
    let lock = Cell::new(Some(lock));
    let kept = place.keep_config(&text).map_err(failed);
    let born = kept.and_then(|()| birth::create(&mut order, &lock)).and_then(|born| {
        write_pid(args.pid_file.as_deref(), born.child.pid.as_raw()).map_err(failed).map(|()| born)
    });
    match born {
        Ok(born) => {
            desk.log.say(Level::Debug, &format!("container {}: init is process {}", args.id, born.child.pid));
            Ok(Made { born, home, plan, terminal })
        }
        Err(failure) => {
            let undone = death::erase(&place);
            // What is left of them is somebody else's by now.
            Group::remove_empty(&ways);
            if order.told {
                death::tell_of_end(&plan.hooks, &order.record, &desk.log);
            }
            if let Err(error) = undone.and_then(|()| home.forget(&args.id, &place)) {
                desk.log.say(Level::Warning, &format!("{error}; `delete --force` removes the rest"));
            }
            Err(failure)
        }
    }
}

/// Reads, checks and plans.
fn prepare(desk: &Desk, args: &Making, manner: &Manner<'_>) -> Result<Prepared> {
    let listeners = exec::listeners();
    check_preserved(listeners + args.preserve_fds)?;
    let bundle = Bundle::open(&args.bundle)?;
    let Checked { config, text, mut warnings } = checked(&bundle, manner.unwritten)?;
    let way = if args.no_pivot { Way::Chroot } else { Way::Pivot };
    let mut plan = Plan::of(&config, &args.id, bundle.path(), way, facts(&config.linux)?, &mut warnings)?;
    warnings.iter().for_each(|warning| desk.log.say(Level::Warning, &format!("config.json: {warning}")));
    let (console, terminal) =
        terminal_goes_to(plan.process.terminal, args.console_socket.as_deref(), manner.terminal)?;
    let layout = cgroup::layout()?;
    plan.cgroup = cgroup::settled(&layout, plan.cgroup);
    let groups = cgroup::paths(&layout, &plan.cgroup);
    traces::check(&groups)?;
    let record = Record {
        oci_version: config.oci_version,
        id: args.id.to_string(),
        bundle: bundle.path().to_owned(),
        rootfs: plan.root.path.clone(),
        created: moment::now(),
        owner: geteuid().as_raw(),
        annotations: config.annotations,
        init: None,
        rdt: None,
        keyring: !args.no_new_keyring,
    };
    Ok(Prepared { text, plan, record, layout, groups, console, terminal, listeners })
}

/// What config.json says; or, where a root alone is the bundle, what `spec` would have written for it.
pub(super) fn checked(bundle: &Bundle, unwritten: Option<&[String]>) -> Result<Checked> {
    let Some(command) = unwritten else { return bundle.config(Verb::Start) };
    // A link that leads nowhere is a file that is not there yet, and no leave to do without.
    let file = bundle.look(CONFIG, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    match (file.is_some(), bundle.look(ROOT, AtFlags::empty())?.is_some()) {
        (false, true) => {
            let (config, text) = spec::unwritten(bundle, command)?;
            Ok(Checked { config, text, warnings: Vec::new() })
        }
        (true, _) if !command.is_empty() => {
            Err(Error::refused("config.json says what is run, and a command is given as well")
                .with_hint("leave the command out; or remove config.json, and what `spec` writes applies"))
        }
        _ => bundle.config(Verb::Start),
    }
}

pub(super) fn facts(linux: &crate::config::Linux) -> Result<Facts> {
    // Whoever joins one has all of them in it as well (user_namespaces(7)).
    let other_users = linux.namespace(NamespaceKind::User).is_some();
    Ok(Facts {
        grantable: capabilities::grantable(other_users)?,
        native: Arch::native()?,
        within: !is_initial_user_namespace() || !geteuid().is_root(),
    })
}

/// A terminal needs somebody who takes its other end: by the socket that it is sent to, or by one of our own, of which
/// the second end is ours.
pub(super) fn terminal_goes_to(
    terminal: Option<TerminalPlan>,
    socket: Option<&Path>,
    whose: Terminal,
) -> Result<(Option<OwnedFd>, Option<OwnedFd>)> {
    match (terminal, socket, whose) {
        (None, None, _) => Ok((None, None)),
        (Some(_), Some(path), Terminal::Sent) => Ok((Some(connect_to(path, Peer::Console)?), None)),
        (Some(_), None, Terminal::Attended) => {
            socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)
                .map(|(its, ours)| (Some(its), Some(ours)))
                .map_err(|errno| Error::call("socketpair(AF_UNIX, SOCK_STREAM)", errno))
        }
        (Some(_), None, Terminal::Sent) => {
            Err(Error::refused("cannot allocate a terminal: nobody takes its other end").with_hint(
                "--console-socket SOCKET, on which `stage4-runtime recvtty SOCKET` listens; or process.terminal: false",
            ))
        }
        (None, Some(_), _) => Err(Error::refused("--console-socket: the process has no terminal")
            .with_hint("process.terminal is false")),
        (Some(_), Some(_), Terminal::Attended) => {
            Err(Error::refused("--console-socket: the terminal is attended here")
                .with_hint("add --detach, or leave the socket out"))
        }
    }
}

// ANCHOR: clients-podman
/// Whole or not there: engines read it as soon as they see it.
pub(super) fn write_pid(path: Option<&Path>, pid: i32) -> Result<()> {
    let hint = "--pid-file: the directory must be there, and writable for whoever calls";
    path.map_or(Ok(()), |path| write_whole(path, &pid.to_string()).map_err(|error| error.with_hint(hint)))
}

/// A file without a name, which gets one when it is whole: whoever is killed before that leaves nothing. False: there
/// is a file of that name, or none without a name here (open(2), O_TMPFILE).
fn link_whole(path: &Path, text: &str) -> Result<bool> {
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let nameless = File::options().write(true).mode(0o666).custom_flags(libc::O_TMPFILE).open(directory);
    let Ok(mut file) = nameless else { return Ok(false) };
    file.write_all(text.as_bytes()).map_err(|e| Error::io(format!("write({path:?})"), &e))?;
    let ours = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(AT_FDCWD, ours.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW).is_ok())
}

/// Instead of one that is there: under another name first, which goes if there is no room.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<()> {
    if link_whole(path, text)? {
        return Ok(());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".next");
    let next = path.with_file_name(name);
    let written = fs::write(&next, text).map_err(|e| Error::io(format!("write({next:?})"), &e));
    let rename = || fs::rename(&next, path).map_err(|e| Error::io(format!("rename({next:?}, {path:?})"), &e));
    written.and_then(|()| rename()).inspect_err(|_| drop(fs::remove_file(&next)))
}
// ANCHOR_END: clients-podman
