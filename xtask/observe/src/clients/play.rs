//! A client's operations, played with one runtime, and what was seen of each.
//!
//! Starts the client in a sandbox, or on the machine. Book: "Under podman, Docker and containerd" (`clients`).
//! Invariant: what is made is below one directory of the caller's, or goes with the sandbox.

use super::{Client, Operation, Seen};
use crate::{Error, Result, sandbox::Sandbox};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const WORDS: &str = include_str!("words.sh");
const GROUND: &str = include_str!("ground.sh");
const CRI: &str = include_str!("cri.py");

/// For all operations of a client; each has a limit of its own.
const LIMIT: Duration = Duration::from_secs(600);

/// The variable that says how many times as long everything may take: on a machine that is emulated, ten times.
pub const PATIENCE: &str = "STAGES_PATIENCE";

/// A runtime as a client is told of it.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// What the list and the table call it.
    pub name: String,
    /// Its program.
    pub program: PathBuf,
}

/// Where a client plays: an empty directory of the caller's, in which ordinary users may look.
#[derive(Debug)]
pub struct Ground<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// Where clients are shut in.
    pub sandbox: &'a Sandbox,
    /// Whether what the client calls is written down.
    pub calls: bool,
}

/// Plays them one after the other; what was seen of each, in their order.
///
/// # Errors
/// When the client does not begin, or leaves something.
pub fn play(
    ground: &Ground<'_>,
    client: &Client,
    runtime: &Runtime,
    operations: &[&Operation],
) -> Result<Vec<Seen>> {
    let homes = ground.furnish(client, operations)?;
    let program = ground.install(runtime)?;
    let patience = std::env::var(PATIENCE).ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let limit = LIMIT * patience;
    let mut command = match client.in_sandbox {
        true => ground.sandbox.command("sh", limit),
        false => {
            let mut command = Command::new("timeout");
            command.args(["--kill-after=30", &limit.as_secs().to_string(), "sh"]);
            command
        }
    };
    command.arg(ground.directory.join("ground.sh")).stdin(Stdio::null());
    command.env("GROUND", ground.directory).env("RUNTIME", program);
    command.env(PATIENCE, patience.to_string());
    command.env("CLIENT", client.name).env("SCRIPT", client.script.0);
    command.env("ORDINARY", if client.ordinary { "stage4-client" } else { "" });
    let log = ground.directory.join("log");
    let file = fs::File::create(&log).map_err(Error::path("open", &log))?;
    let twin = file.try_clone().map_err(Error::path("dup", &log))?;
    let status =
        command.stdout(file).stderr(twin).status().map_err(Error::path("execve", Path::new("sh")))?;
    if !status.success() {
        let told = format!("{} with {}: {status}\n{}", client.name, runtime.name, text(&log)?);
        return Err(Error::Build(told));
    }
    operations.iter().zip(&homes).map(|(operation, home)| seen(operation, home)).collect()
}

impl Ground<'_> {
    /// Writes down what is played; the directory of each operation.
    fn furnish(&self, client: &Client, operations: &[&Operation]) -> Result<Vec<PathBuf>> {
        for (name, text) in [("words.sh", WORDS), ("ground.sh", GROUND), ("cri.py", CRI), client.script] {
            write(&self.directory.join(name), text)?;
        }
        fs::set_permissions(self.directory, fs::Permissions::from_mode(0o755))
            .map_err(Error::path("chmod", self.directory))?;
        let mut homes = Vec::new();
        for (number, operation) in operations.iter().enumerate() {
            let home = self.directory.join(format!("operations/{number:03}-{}", operation.name));
            fs::create_dir_all(&home).map_err(Error::path("mkdir", &home))?;
            write(&home.join("run"), &operation.run)?;
            homes.push(home);
        }
        Ok(homes)
    }

    /// The runtime where everybody may execute it, under its own name, for clients ask by that what it can.
    fn install(&self, runtime: &Runtime) -> Result<PathBuf> {
        let real = self.directory.join("bin");
        fs::create_dir_all(&real).map_err(Error::path("mkdir", &real))?;
        let name = runtime.program.file_name().unwrap_or(runtime.name.as_ref());
        let copy = real.join(name);
        fs::copy(&runtime.program, &copy).map_err(Error::path("open", &runtime.program))?;
        if !self.calls {
            return Ok(copy);
        }
        let listener = self.directory.join("listener");
        fs::create_dir_all(&listener).map_err(Error::path("mkdir", &listener))?;
        let path = listener.join(name);
        let calls = self.directory.join("calls");
        let script =
            format!("#!/bin/sh\necho \"$*\" >>{}\nexec {} \"$@\"\n", calls.display(), copy.display());
        write(&path, &script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(Error::path("chmod", &path))?;
        Ok(path)
    }
}

fn seen(operation: &Operation, home: &Path) -> Result<Seen> {
    let status = text(&home.join("status"))?.trim().parse().unwrap_or(-1);
    let of = |name: &str| text(&home.join(name));
    Ok(operation.judge(status, of("out")?.replace("\r\n", "\n"), of("err")?, of("calls")?))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Error::path("open", path))
}

fn text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(Error::path("open", path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
