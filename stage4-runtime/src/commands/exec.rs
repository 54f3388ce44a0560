//! `exec`: one more process in a container that runs.
//!
//! Book: "Another process" (`exec`).
//! Invariant: what is not said on the command line is as the container's own process has it.

use super::create::{Terminal, terminal_goes_to, write_pid};
use super::run::relay_to;
use super::{Desk, failed};
use crate::attendance::attend_until;
use crate::bundle::read_bounded;
use crate::config::check;
use crate::config::fault::At;
use crate::config::process::Capabilities;
use crate::config::{Config, Process, parse};
use crate::console::socket;
use crate::id::ContainerId;
use crate::log::Level;
use crate::plan::filter;
use crate::plan::process::ProcessPlan;
use crate::seccomp::Arch;
use crate::state::{Place, Record, Status};
use crate::visit::outside::{Inside, doors, require_there};
use crate::visit::{Visit, visit};
use crate::{Error, Failure, Result, capabilities, cgroup, exec, own_executable};
use nix::errno::Errno;
use stage1_chroot::descriptors::check_preserved;
use stage1_chroot::identity::User;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Run another process in a running container
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stage4-runtime exec --tty mine sh\n\nExit status: the process's own; 126 and 127 where there is none that can be executed, 255 for other errors."
)]
pub struct ExecArgs {
    /// The process as JSON, as `process` of config.json has it
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["command", "user", "env", "cwd", "cap", "additional_gids", "no_new_privs", "apparmor", "process_label"])]
    process: Option<PathBuf>,
    /// Give it a terminal of its own
    #[arg(long, short)]
    tty: bool,
    /// Return when it runs
    #[arg(long, short)]
    detach: bool,
    /// As whom
    #[arg(long, short, value_name = "UID[:GID]")]
    user: Option<User>,
    /// Supplementary groups
    #[arg(long, short = 'g', value_name = "GID")]
    additional_gids: Vec<u32>,
    /// A variable of its environment, beside the container's
    #[arg(long, short, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Its working directory
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// A capability beside the container's
    #[arg(long, short, value_name = "CAP_NAME")]
    cap: Vec<String>,
    /// Let execve(2) give it nothing that it has not
    #[arg(long)]
    no_new_privs: bool,
    /// Its AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    apparmor: Option<String>,
    /// Its SELinux label
    #[arg(long, value_name = "LABEL")]
    process_label: Option<String>,
    /// Write its pid to a file
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Send its terminal to whoever listens on this socket
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    /// Leave so many descriptors from 3 on open in it
    #[arg(long, default_value_t = 0, value_name = "N", hide_default_value = true)]
    preserve_fds: u16,
    /// Into a container that is paused, too: it waits until that is resumed
    #[arg(long)]
    ignore_paused: bool,
    /// In a group inside the container's
    #[arg(long, value_name = "NAME")]
    cgroup: Option<String>,
    /// The container's name
    #[arg(value_name = "ID")]
    id: ContainerId,
    /// What is run
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present = "process"
    )]
    command: Vec<String>,
}

/// What callers of runc expect where the process could not be set up.
const NOT_SET_UP: u8 = 255;

pub(super) fn exec(desk: &Desk, args: &ExecArgs) -> Result<u8, Failure> {
    go(desk, args).map_err(|failure| match failure.status {
        1 => Failure { status: NOT_SET_UP, ..failure },
        _ => failure,
    })
}

fn go(desk: &Desk, args: &ExecArgs) -> Result<u8, Failure> {
    own_executable::protect().map_err(failed)?;
    let listeners = exec::listeners();
    check_preserved(listeners.saturating_add(args.preserve_fds)).map_err(failed)?;
    let (place, record) = desk.container(&args.id).map_err(failed)?;
    require_running(desk, args, &place, &record).map_err(failed)?;
    let config = desk.config(&place).map_err(failed)?;
    let inside = inside(desk, args, &place, &record).map_err(failed)?;
    let process = plan(desk, args, &config, inside.users).map_err(failed)?;
    let native = Arch::native().map_err(failed)?;
    let (filter, agent) = filter(config.linux.seccomp.as_ref(), native).map_err(failed)?;
    let whose = if args.detach { Terminal::Sent } else { Terminal::Attended };
    let (console, terminal) =
        terminal_goes_to(process.terminal, args.console_socket.as_deref(), whose).map_err(failed)?;
    let (child, signals) = visit(Visit {
        record: &record,
        process: &process,
        filter: filter.as_ref(),
        agent: agent.as_ref(),
        inside,
        console,
        listeners,
        preserved: args.preserve_fds,
    })?;
    let attend = || {
        if let Some(socket) = terminal {
            let (master, _) = socket::receive(socket.as_fd())?;
            relay_to(&master, &child, &signals)?;
        }
        attend_until(child.pidfd.as_fd(), &child, &signals)
    };
    let told = write_pid(args.pid_file.as_deref(), child.pid.as_raw());
    match told.and_then(|()| if args.detach { Ok(()) } else { attend() }) {
        Ok(()) if args.detach => Ok(0),
        Ok(()) => child.wait().map_err(failed),
        Err(error) => {
            // Whoever is told of an error does not look for a process.
            child.signal(libc::SIGKILL).and_then(|()| child.wait()).ok();
            Err(failed(error))
        }
    }
}

fn require_running(desk: &Desk, args: &ExecArgs, place: &Place, record: &Record) -> Result<()> {
    match desk.status(place, record)? {
        Status::Created | Status::Running => Ok(()),
        Status::Paused if args.ignore_paused => Ok(()),
        Status::Paused => Err(Error::refused("cannot exec in a paused container")
            .with_hint("`stage4-runtime resume` it; or --ignore-paused, and the process waits for that")),
        status => Err(Error::refused(format!("cannot exec in a {status} container"))
            .with_hint("exec is for a container whose first process lives")),
    }
}

fn inside(desk: &Desk, args: &ExecArgs, place: &Place, record: &Record) -> Result<Inside> {
    let has_not_begun = || desk.status(place, record).is_ok_and(|status| status == Status::Created);
    let init = record.init.ok_or_else(|| Error::refused("container not running"))?;
    let doors = doors(&cgroup::layout()?, &place.traces()?.groups, args.cgroup.as_deref(), init)
        // Somebody who deletes it takes its groups away first.
        .or_else(|error| require_there(init).and(Err(error)))?;
    Inside::of(init, doors, record.keyring).map_err(|error| match error.errno() {
        // Not dumpable yet (ptrace(2), PTRACE_MODE_READ).
        Some(Errno::EACCES) if has_not_begun() => error.with_hint(
            "before its program begins only root may join it: `stage4-runtime start` it, and then exec",
        ),
        _ => error,
    })
}

/// From the command line, or the file; and from the container's own process.
fn plan(desk: &Desk, args: &ExecArgs, config: &Config, users: bool) -> Result<ProcessPlan> {
    let (process, file) = match &args.process {
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|e| Error::io(format!("open({path:?})"), &e))?;
            let text = read_bounded(file, path)?;
            let name = path.display().to_string();
            (parse::<Process>(&name, &text)?, name)
        }
        None => (like_the_first(args, config)?, "exec".to_owned()),
    };
    let process = Process { terminal: process.terminal && args.process.is_some() || args.tty, ..process };
    let mut warnings = check::process(&process).verdict(&file)?;
    let grantable = capabilities::grantable(users)?;
    let plan = ProcessPlan::of(&process, &config.linux, At::Top, grantable, &mut warnings)
        .map_err(|fault| Error::refused(format!("{file}: {fault}")))?;
    warnings.iter().for_each(|warning| desk.log.say(Level::Warning, &format!("{file}: {warning}")));
    Ok(plan)
}

fn like_the_first(args: &ExecArgs, config: &Config) -> Result<Process> {
    let mut process =
        config.process.clone().ok_or_else(|| Error::refused("config.json: process: is missing"))?;
    process.args.clone_from(&args.command);
    process.env.extend(args.env.iter().cloned());
    if let Some(user) = args.user {
        (process.user.uid, process.user.gid) = (user.uid.as_raw(), user.gid.as_raw());
    }
    process.user.additional_gids.extend(&args.additional_gids);
    if let Some(cwd) = &args.cwd {
        process.cwd.clone_from(cwd);
    }
    if !args.cap.is_empty() {
        // Not inheritable: what is so comes back with a file that has it (CVE-2022-29162).
        let Capabilities { bounding, effective, permitted, .. } =
            process.capabilities.get_or_insert_default();
        for set in [bounding, effective, permitted] {
            set.extend(args.cap.iter().filter(|cap| !set.contains(cap)).cloned().collect::<Vec<_>>());
        }
    }
    process.no_new_privileges |= args.no_new_privs;
    process.apparmor_profile = args.apparmor.clone().or(process.apparmor_profile);
    process.selinux_label = args.process_label.clone().or(process.selinux_label);
    Ok(process)
}
