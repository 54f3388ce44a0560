//! What an engine or a reader types: the verbs, their options and their help.
//!
//! No kernel calls of its own. Book: "The life cycle" (`state`).
//! Invariant: every verb is one thin file here; flags, output and exit codes are those that callers of runc rely on.

pub mod create;
pub mod delete;
pub mod events;
pub mod exec;
pub mod explain;
pub mod features;
pub mod image;
pub mod kill;
pub mod list;
pub mod pause;
pub mod ps;
pub mod recvtty;
pub mod run;
pub mod spec;
pub mod start;
pub mod state;
pub mod update;

use crate::config::Config;
pub(crate) use crate::conversation::failed;
use crate::id::ContainerId;
use crate::log::{Format, Level, Log};
use crate::rootless::Rootless;
use crate::state::{Home, Place, Record, Status};
use crate::{Error, Failure, Result, cgroup, identity};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use stage1_chroot::commands::generate::{GenerateArgs, generate};
use stage2_namespaces::signals::heed_children;
use stage3_cgroups::Group;
use std::io::{self, Write};
use std::path::PathBuf;

const EXAMPLES: &str = "\
A bundle is a directory with a config.json and a root:
  mkdir -p box/rootfs && stage1-chroot build box/rootfs sh ls
  stage4-runtime spec --bundle box                                writes box/config.json
  stage4-runtime run --bundle box mine                            and here is the shell

Or step by step:
  stage4-runtime create --bundle box mine
  stage4-runtime state mine
  stage4-runtime start mine
  stage4-runtime delete mine

Exit status: the process's own for run and exec; 1 for an error; 2 for a wrong command line.";

/// Behind the program's name, in the words that runc's has: Docker's daemon reads them and warns of others.
const TOLD_VERSION: &str = concat!("version ", env!("CARGO_PKG_VERSION"), "\nspec: 1.3.0");

/// 2013-now: the OCI runtime. Containers, as podman, Docker and containerd ask for them.
#[derive(Debug, Parser)]
#[command(name = "stage4-runtime", version = TOLD_VERSION, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// What is said before the verb.
// An own heading keeps them from standing among the options of each command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Where the state of containers is kept [default: /run/stage4-runtime, or in $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "DIR", global = true)]
    root: Option<PathBuf>,
    /// Append errors and warnings to a file, for the engine that calls
    #[arg(long, value_name = "FILE", global = true)]
    log: Option<PathBuf>,
    /// How lines of the log are written
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    /// Log what is done as well
    #[arg(long, global = true)]
    debug: bool,
    /// Do without control groups where none can be had; auto: unless root of the machine calls
    // Before the verb only: `spec --rootless` says something else.
    #[arg(id = "without_groups", long = "rootless", value_enum, value_name = "WHEN", default_value_t = RootlessWhen::Auto)]
    rootless: RootlessWhen,
    /// Ask systemd for the control group (refused: this runtime makes it itself)
    #[arg(long, global = true)]
    systemd_cgroup: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// time="…" level=… msg="…"
    Text,
    /// An object a line
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RootlessWhen {
    /// Whoever calls
    True,
    /// Never: an error where they cannot be had
    False,
    /// As who calls is root of the machine or not
    Auto,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Spec(spec::SpecArgs),
    Create(create::CreateArgs),
    Start(start::StartArgs),
    Run(run::RunArgs),
    Exec(exec::ExecArgs),
    State(state::StateArgs),
    List(list::ListArgs),
    Kill(kill::KillArgs),
    Delete(delete::DeleteArgs),
    Ps(ps::PsArgs),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Update(update::UpdateArgs),
    Events(events::EventsArgs),
    Features(features::FeaturesArgs),
    Recvtty(recvtty::RecvttyArgs),
    Explain(explain::ExplainArgs),
    Image(image::ImageArgs),
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// What every verb works with.
#[derive(Debug)]
pub struct Desk {
    home: Option<PathBuf>,
    log: Log,
    rootless: Rootless,
}

impl Cli {
    /// The verb, as typed.
    pub fn name(&self) -> &'static str {
        match self.verb {
            Verb::Spec(_) => "spec",
            Verb::Create(_) => "create",
            Verb::Start(_) => "start",
            Verb::Run(_) => "run",
            Verb::Exec(_) => "exec",
            Verb::State(_) => "state",
            Verb::List(_) => "list",
            Verb::Kill(_) => "kill",
            Verb::Delete(_) => "delete",
            Verb::Ps(_) => "ps",
            Verb::Pause(_) => "pause",
            Verb::Resume(_) => "resume",
            Verb::Update(_) => "update",
            Verb::Events(_) => "events",
            Verb::Features(_) => "features",
            Verb::Recvtty(_) => "recvtty",
            Verb::Explain(_) => "explain",
            Verb::Image(_) => "image",
            Verb::Generate(_) => "generate",
        }
    }

    /// Does what was asked, and gives the exit status. An error is logged as well, for who reads the log only.
    pub fn execute(&self) -> Result<u8, Failure> {
        heed_children();
        identity::require_own_rights().map_err(failed)?;
        let desk = self.global.desk().map_err(failed)?;
        desk.log.say(Level::Debug, &format!("{}: as user {}", self.name(), nix::unistd::geteuid()));
        let done = self.perform(&desk);
        match &done {
            Ok(status) => desk.log.say(Level::Debug, &format!("{}: done, exit status {status}", self.name())),
            Err(failure) => desk.log.say(Level::Error, &failure.error.to_string()),
        }
        done
    }

    fn perform(&self, desk: &Desk) -> Result<u8, Failure> {
        match &self.verb {
            Verb::Spec(args) => spec::spec(desk, args).map_err(failed),
            Verb::Create(args) => create::create(desk, args),
            Verb::Start(args) => start::start(desk, args),
            Verb::Run(args) => run::run(desk, args),
            Verb::Exec(args) => exec::exec(desk, args),
            Verb::State(args) => state::state(desk, args).map_err(failed),
            Verb::List(args) => list::list(desk, args).map_err(failed),
            Verb::Kill(args) => kill::kill(desk, args).map_err(failed),
            Verb::Delete(args) => delete::delete(desk, args).map_err(failed),
            Verb::Ps(args) => ps::ps(desk, args).map_err(failed),
            Verb::Pause(args) => pause::pause(desk, args).map_err(failed),
            Verb::Resume(args) => pause::resume(desk, args).map_err(failed),
            Verb::Update(args) => update::update(desk, args).map_err(failed),
            Verb::Events(args) => events::events(desk, args).map_err(failed),
            Verb::Features(args) => features::features(args).map_err(failed),
            Verb::Recvtty(args) => recvtty::recvtty(args).map_err(failed),
            Verb::Explain(args) => explain::explain(args).map_err(failed),
            Verb::Image(args) => image::image(desk, args),
            Verb::Generate(args) => generate(args, Cli::command()).map_err(failed),
        }
    }
}

impl Global {
    fn desk(&self) -> Result<Desk> {
        let format = match self.log_format {
            LogFormat::Text => Format::Text,
            LogFormat::Json => Format::Json,
        };
        let log = Log::open(self.log.as_deref(), format, self.debug)?;
        if self.systemd_cgroup {
            let error = Error::refused("--systemd-cgroup: this runtime does not ask systemd for control groups")
                .with_hint("tell the engine to use cgroupfs: podman --cgroup-manager cgroupfs; Docker's daemon.json \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"]; containerd's SystemdCgroup = false");
            log.say(Level::Error, &error.to_string());
            return Err(error);
        }
        let home = match &self.root {
            Some(root) => Some(std::path::absolute(root).map_err(|e| Error::io("getcwd()", &e))?),
            None => None,
        };
        let rootless = match self.rootless {
            RootlessWhen::True => Rootless::Yes,
            RootlessWhen::False => Rootless::No,
            RootlessWhen::Auto => Rootless::Auto,
        };
        Ok(Desk { home, log, rootless })
    }
}

impl Desk {
    fn home_path(&self) -> Result<PathBuf> {
        self.home.clone().map_or_else(Home::default_path, Ok)
    }

    /// The directory of all containers, made where it is not there.
    fn make_home(&self) -> Result<Home> {
        Home::make(&self.home_path()?)
    }

    /// The same, where there is one: whoever only asks makes none.
    fn home(&self) -> Result<Option<Home>> {
        Home::open(&self.home_path()?)
    }

    /// The same, of a container that should be there.
    fn home_of(&self, id: &ContainerId) -> Result<Home> {
        let path = self.home_path()?;
        Home::open(&path)?.ok_or_else(|| Home::unknown_in(&path, id))
    }

    /// The directory of a container that there is, with its record.
    fn container(&self, id: &ContainerId) -> Result<(Place, Record)> {
        let place = self.home_of(id)?.find(id)?;
        let record = self.record(&place, id)?;
        Ok((place, record))
    }

    fn record(&self, place: &Place, id: &ContainerId) -> Result<Record> {
        place.read()?.ok_or_else(|| {
            Error::refused(format!("container {id} is not whole"))
                .with_hint("it is being made, or its maker was killed: `delete --force` removes it")
        })
    }

    /// The group of a container; it has none only where an ordinary user may have none.
    fn group(&self, place: &Place) -> Result<Group> {
        cgroup::open(&cgroup::layout()?, &place.traces()?.groups)?.ok_or_else(|| {
            Error::refused("the container has no control group").with_hint(
                "an ordinary user has groups only where some are delegated (cgroups(7), Delegation)",
            )
        })
    }

    /// What it does now.
    fn status(&self, place: &Place, record: &Record) -> Result<Status> {
        place.status(record, || {
            let group = cgroup::freezer(&place.traces()?.groups)?;
            group.as_ref().map_or(Ok(false), cgroup::is_frozen)
        })
    }

    /// The configuration as it was when the container was made.
    fn config(&self, place: &Place) -> Result<Config> {
        crate::config::parse("config.json", &place.config()?).map_err(Error::from)
    }
}

fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has read enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|e| Error::io("write(stdout)", &e)),
    }
}
