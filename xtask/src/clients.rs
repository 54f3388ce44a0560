//! `cargo xtask clients`: what users of podman, Docker and containerd do, with any OCI runtime below.
//!
//! Plays `stage4-runtime/clients.toml` in sandboxes. Book: "Under podman, Docker and containerd" (`clients`).
//! Invariant: every runtime is asked the same words; a client or runtime that is not here is named.

mod machine;
mod observed;
mod table;

use crate::{Error, Outcome, language, status, vm::Layout};
use clap::{Args, ValueEnum};
use nix::unistd::geteuid;
use observe::{
    clients::{self, CLIENTS, Client, Ground, Operation, Operations, Runtime, Seen},
    sandbox::Sandbox,
    scene::Scene,
    script::Lang,
    skip::{self, Runner},
    workspace::{self, Programs},
};
use observed::{Observed, Row};
use std::{
    collections::BTreeMap,
    io::{Write, stderr, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

/// The name of ours in the table.
const OURS: &str = "ours";

/// Show which operations of podman, Docker and containerd work with our runtime, and with others beside it.
#[derive(Debug, Args)]
#[command(after_help = "\
works: it says what is expected; differs: it ends well and says something else; fails: it fails.
A client plays in a sandbox, in which its daemon lives and ends; images are made from busybox.

Exit status: 0 all is as stage4-runtime/clients.toml expects; 1 something is worse; 77 not possible.

Examples:
  sudo target/debug/xtask clients
  sudo target/debug/xtask clients --client docker --runtime ours --runtime /usr/local/bin/youki
  cargo xtask clients --operation swarm --explain
  cargo xtask clients --vm v2 --client podman --operation pause")]
pub(crate) struct ClientsArguments {
    /// Only this client: podman, rootless, docker, containerd, cri; or machine, podman outside of the sandbox (repeatable)
    #[arg(long, value_name = "NAME")]
    client: Vec<String>,
    /// A runtime: `ours`, a program in PATH, or a path (repeatable) [default: ours runc crun]
    #[arg(long, value_name = "NAME|PATH")]
    runtime: Vec<String>,
    /// Only this operation, or those whose names begin so (repeatable)
    #[arg(long, value_name = "NAME")]
    operation: Vec<String>,
    /// Of each operation the commands, what was said, and how the client called the runtime
    #[arg(long)]
    explain: bool,
    /// Read what was seen from a file of `--format json`, and play nothing
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// podman, in a virtual machine, under this layout of control groups
    #[arg(long, value_enum, value_name = "LAYOUT", conflicts_with = "from")]
    vm: Option<Layout>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The language of the operations: en or ko
    #[arg(long, value_parser = language::parse)]
    lang: Option<Lang>,
}

/// How the table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// Everything that was seen
    Json,
    /// Tables of Markdown
    Md,
}

/// `cargo xtask clients`
pub(crate) fn clients(arguments: &ClientsArguments) -> Outcome {
    let operations = Operations::load()?;
    let lang = language::choose(arguments.lang);
    let clients = chosen(arguments)?;
    if let Some(layout) = arguments.vm {
        return machine::play(arguments, layout, lang);
    }
    if let Some(unknown) = arguments.operation.iter().find(|asked| !operations.any(asked)) {
        return Err(Error::Usage(format!("no operation's name begins with {unknown:?}")));
    }
    let observed = match &arguments.from {
        Some(file) => Observed::read(file)?,
        None => match observe(arguments, &operations, &clients)? {
            Some(observed) => observed,
            None => return Ok(ExitCode::from(status::IMPOSSIBLE)),
        },
    };
    let text = match arguments.format {
        Format::Json => observed.json(),
        Format::Md => table::markdown(&observed, &operations, lang),
        Format::Text if arguments.explain => table::explained(&observed, &operations, lang),
        Format::Text => table::text(&observed, &operations, lang),
    };
    writeln!(stdout(), "{}", text.trim_end())?;
    let unexpected = observed.unexpected(&operations);
    unexpected.iter().try_for_each(|line| writeln!(stderr(), "xtask: clients: {line}"))?;
    Ok(ExitCode::from(if unexpected.is_empty() { 0 } else { status::FAILED }))
}

/// The clients that are asked for; without a word the machine itself is left alone.
fn chosen(arguments: &ClientsArguments) -> Result<Vec<&'static Client>, Error> {
    let is_known = |asked: &String| CLIENTS.iter().any(|client| client.name == asked);
    if let Some(unknown) = arguments.client.iter().find(|asked| !is_known(asked)) {
        let names = CLIENTS.map(|client| client.name).join(", ");
        return Err(Error::Usage(format!("no client is called {unknown:?}: {names}")));
    }
    let is_asked = |client: &&Client| match arguments.client.is_empty() {
        true => client.in_sandbox,
        false => arguments.client.iter().any(|asked| asked == client.name),
    };
    Ok(CLIENTS.iter().filter(is_asked).collect())
}

/// None where nothing can be seen here, which has been said.
fn observe(
    arguments: &ClientsArguments,
    operations: &Operations,
    clients: &[&'static Client],
) -> Result<Option<Observed>, Error> {
    const WHAT: &str = "the clients of a runtime";
    let sandbox = match Sandbox::here() {
        Ok(sandbox) => sandbox,
        Err(answer) => {
            match geteuid().is_root() {
                true => skip::skip(WHAT, &answer.to_string()),
                false => skip::skip_for(Runner::Root, WHAT, &answer.to_string()),
            }
            return Ok(None);
        }
    };
    let programs = Programs::build("stage4-runtime")?;
    let runtimes = runtimes(&arguments.runtime, &programs)?;
    let stage = Stage { sandbox: &sandbox, programs: &programs, calls: arguments.explain };
    let is_here = |client: &&&Client| match client.missing() {
        None => true,
        Some((program, package)) => {
            let reason = format!("{program} is not found in PATH; apt-get install {package}");
            skip::skip(client.name, &reason);
            false
        }
    };
    let here: Vec<_> = clients.iter().filter(is_here).copied().collect();
    let is_asked = |operation: &&Operation| {
        arguments.operation.is_empty()
            || arguments.operation.iter().any(|asked| match operations.find(asked) {
                Some(exactly) => exactly.name == operation.name,
                None => operation.name.starts_with(asked),
            })
    };
    let mut observed = Observed::new(&here, &runtimes)?;
    let rows = thread::scope(|scope| {
        let play = |client: &'static Client| {
            let asked: Vec<_> = operations.of(client).filter(is_asked).collect();
            let (stage, runtimes) = (&stage, &runtimes);
            scope.spawn(move || beside(client, runtimes, &asked, stage))
        };
        let players: Vec<_> = here.iter().map(|client| play(client)).collect();
        let ended = players.into_iter().map(|player| player.join());
        ended
            .map(|rows| rows.unwrap_or_else(|_| Err(Error::Failed("a client's thread panicked".into()))))
            .collect()
    });
    let rows: Result<Vec<_>, Error> = rows;
    observed.rows = rows?.into_iter().flatten().collect();
    Ok(Some(observed))
}

/// What all of them need.
struct Stage<'a> {
    sandbox: &'a Sandbox,
    programs: &'a Programs,
    /// Whether what is called is written down.
    calls: bool,
}

/// One client with all runtimes, one after the other.
fn beside(
    client: &'static Client,
    runtimes: &[Runtime],
    operations: &[&Operation],
    stage: &Stage<'_>,
) -> Result<Vec<Row>, Error> {
    let row = |operation: &&Operation| Row {
        client: client.name.to_owned(),
        operation: operation.name.clone(),
        cells: BTreeMap::new(),
    };
    let mut rows: Vec<_> = operations.iter().map(row).collect();
    if rows.is_empty() {
        return Ok(rows);
    }
    for runtime in runtimes {
        let seen = with(client, runtime, operations, stage)?;
        rows.iter_mut().zip(seen).for_each(|(row, seen)| drop(row.cells.insert(runtime.name.clone(), seen)));
        writeln!(stderr(), "{} with {}: played", client.name, runtime.name)?;
    }
    Ok(rows)
}

fn with(
    client: &Client,
    runtime: &Runtime,
    operations: &[&Operation],
    stage: &Stage<'_>,
) -> Result<Vec<Seen>, Error> {
    let scene = Scene::new("stage4", stage.programs)?;
    let ground = Ground { directory: &scene.work(), sandbox: stage.sandbox, calls: stage.calls };
    Ok(clients::play(&ground, client, runtime, operations)?)
}

/// Ours, and those that are named or usual and here.
fn runtimes(asked: &[String], programs: &Programs) -> Result<Vec<Runtime>, Error> {
    if asked.is_empty() {
        let is_here = |name: &&str| {
            let here = *name == OURS || workspace::installed(name);
            if !here {
                skip::skip(
                    &format!("{name} beside ours"),
                    &format!("it is not here; apt-get install {name}"),
                );
            }
            here
        };
        return [OURS, "runc", "crun"]
            .iter()
            .filter(|name| is_here(name))
            .map(|name| runtime(name, programs))
            .collect();
    }
    asked.iter().map(|name| runtime(name, programs)).collect()
}

fn runtime(asked: &str, programs: &Programs) -> Result<Runtime, Error> {
    if asked == OURS {
        let program = programs.find("stage4-runtime");
        let program = program.ok_or_else(|| Error::Failed("stage4-runtime is not built".into()))?;
        return Ok(Runtime { name: asked.to_owned(), program });
    }
    let path = Path::new(asked);
    let program = match asked.contains('/') {
        true => path.canonicalize().ok(),
        false => workspace::found(asked),
    };
    let program = program.ok_or_else(|| Error::Usage(format!("there is no runtime {asked:?} here")))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Runtime { name, program })
}
