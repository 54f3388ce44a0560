//! The place a step is played in: an empty directory, a canary file and a canary process.
//!
//! mkdir(2), flock(2), kill(2). Book: "How to use this book".
//! Invariant: a scene takes everything it made with it when it is dropped, and nothing that was mounted
//! into it; `clean` finds what a killed one could not take.

use crate::{Error, Result, disk, residue::containers::RUNTIME_DIRECTORY, tree, workspace::Programs};
use nix::{
    sys::statvfs::{FsFlags, statvfs},
    unistd::mkdtemp,
};
use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// What the canary file says. Whoever reads it from inside has got out.
pub const CANARY: &str = "the host's canary sings";

/// The variable by which a process that a scene started is known: the scene's directory.
pub const SCENE: &str = "STAGES_SCENE";

/// The file in a scene's directory that is locked as long as somebody uses it.
pub const LOCK: &str = ".lock";

/// What stands between the stage and the random letters of its name.
pub(crate) const MARK: &str = "-demo.";

/// A scene; see the module.
#[derive(Debug)]
pub struct Scene {
    directory: PathBuf,
    // Held as long as the scene lives: `clean` leaves alone what somebody still uses.
    _lock: File,
    canary: Child,
    programs: Programs,
    keep: bool,
}

impl Scene {
    /// A new scene for `stage`, below `$TMPDIR`.
    ///
    /// # Errors
    /// When a directory cannot be made there or programs must not be executed there.
    pub fn new(stage: &str, programs: &Programs) -> Result<Scene> {
        let parent = ground()?;
        // Under a name that `clean` leaves alone until the lock is held.
        let template = parent.join(format!(".{stage}{MARK}XXXXXX"));
        let directory = mkdtemp(&template).map_err(|e| Error::path("mkdtemp", &template)(e.into()))?;
        let made = Scene::furnish(&directory, programs);
        made.inspect_err(|_| drop(remove(&directory)))
    }

    fn furnish(hidden: &Path, programs: &Programs) -> Result<Scene> {
        // A jail's ordinary user must be able to walk through it, as through /tmp itself.
        fs::set_permissions(hidden, fs::Permissions::from_mode(0o755))
            .map_err(Error::path("chmod", hidden))?;
        let path = hidden.join(LOCK);
        let lock = File::create(&path).map_err(Error::path("open", &path))?;
        lock.try_lock().map_err(|e| Error::path("flock", &path)(std::io::Error::other(e.to_string())))?;
        let name = hidden.file_name().unwrap_or_default().to_string_lossy();
        let directory = hidden.with_file_name(name.trim_start_matches('.'));
        fs::rename(hidden, &directory).map_err(Error::path("rename", hidden))?;
        let made = Scene::fill(&directory, lock, programs);
        made.inspect_err(|_| drop(remove(&directory)))
    }

    fn fill(directory: &Path, lock: File, programs: &Programs) -> Result<Scene> {
        let canary = directory.join("canary");
        fs::write(&canary, format!("{CANARY}\n")).map_err(Error::path("write", &canary))?;
        let work = directory.join("work");
        fs::create_dir(&work).map_err(Error::path("mkdir", &work))?;
        let run = directory.join(RUNTIME_DIRECTORY);
        fs::create_dir(&run).map_err(Error::path("mkdir", &run))?;
        // Others are kept out of it (XDG Base Directory Specification).
        fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).map_err(Error::path("chmod", &run))?;
        let canary = start_canary(directory, programs)?;
        Ok(Scene {
            directory: directory.to_path_buf(),
            _lock: lock,
            canary,
            programs: programs.clone(),
            keep: false,
        })
    }

    /// Where commands are typed: `$WORK`.
    pub fn work(&self) -> PathBuf {
        self.directory.join("work")
    }

    /// The whole scene's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file of the host, outside of every jail: `$CANARY`.
    pub fn canary_file(&self) -> PathBuf {
        self.directory.join("canary")
    }

    /// A process of the host: `$CANARY_PID`.
    pub fn canary_pid(&self) -> u32 {
        self.canary.id()
    }

    /// Leaves the directory where it is.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// `sh -c LINE` in this scene, not started yet.
    pub fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.work()).stdin(Stdio::null());
        command
            .env("PATH", self.programs.path())
            .env("LC_ALL", "C")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "76");
        // An ordinary user's containers are remembered here, and so none of their own is met.
        command.env("XDG_RUNTIME_DIR", self.directory.join(RUNTIME_DIRECTORY));
        command.env("WORK", self.work()).env("CANARY", self.canary_file());
        command.env("CANARY_PID", self.canary_pid().to_string()).env(SCENE, &self.directory);
        command.envs(disk::below(&self.directory).map(|disk| ("DISK", disk)));
        command
    }

    /// The host's programs that the scene's commands find first.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Collects the canary if somebody has killed it, so that the host no longer lists it.
    pub fn bury_canary(&mut self) {
        drop(self.canary.try_wait());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Both fail only when the canary is dead already, which is what is wanted.
        drop(self.canary.kill());
        drop(self.canary.wait());
        if !self.keep {
            // What cannot be removed is found by the residue check, which says so.
            drop(remove(&self.directory));
        }
    }
}

/// Removes a scene's directory, the lock last: without it, a scene is known by its age only.
///
/// # Errors
/// EXDEV when something is mounted in it.
pub fn remove(directory: &Path) -> std::io::Result<()> {
    tree::remove(directory, c".lock").map_err(Into::into)
}

/// The directory that scenes are made in.
///
/// # Errors
/// When it forbids executing programs, as a hardened `/tmp` does.
pub fn ground() -> Result<PathBuf> {
    let asked = std::env::temp_dir();
    // What is typed later is typed in other directories: a relative TMPDIR would lead elsewhere.
    let missing = |error| Error::Script {
        path: asked.display().to_string(),
        reason: format!("realpath: {error}; set TMPDIR to a directory that is there"),
    };
    let parent = asked.canonicalize().map_err(missing)?;
    let flags = statvfs(&parent).map_err(|e| Error::path("statvfs", &parent)(e.into()))?.flags();
    if flags.contains(FsFlags::ST_NOEXEC) {
        let reason =
            "mounted noexec: programs cannot run from there; set TMPDIR to a directory where they can";
        return Err(Error::Script { path: parent.display().to_string(), reason: reason.into() });
    }
    Ok(parent)
}

fn start_canary(directory: &Path, programs: &Programs) -> Result<Child> {
    let probe = programs.find("probe").ok_or_else(|| Error::Build("probe: not built".into()))?;
    let mut command = Command::new(&probe);
    command.args(["canary", "600"]).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null());
    command.env("CANARY_SECRET", CANARY).env(SCENE, directory).spawn().map_err(Error::path("execve", &probe))
}
