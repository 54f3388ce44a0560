//! The observer's side of every demo and test: what is promised, what the machine can do, what was seen.
//!
//! | Module | What it is |
//! |---|---|
//! | [`script`] | `demo.toml`: the one list of a stage's steps |
//! | [`part`] | a step as it is played here: by whom, and on which layout of control groups |
//! | [`scene`] | the place a step is played in: a directory, a canary file, a canary process |
//! | [`scratch`] | a test's own directory, which `clean` finds when the test was killed |
//! | [`play`] | a step's commands, run for real, and the verdict |
//! | [`rehearsal`] | a step as a stage's own tests play it |
//! | [`relation`] | the text of a run, normalised by relation to the host |
//! | [`disk`] | the disk below a directory, as control groups name it |
//! | [`need`] | what a step needs of the machine, tried out; reason and remedy |
//! | [`residue`] | the host before and after |
//! | [`sandbox`] | a machine within the machine, for what would be too heavy for the host |
//! | [`clients`] | podman, Docker and containerd with a runtime: what they are asked, and what was seen |
//! | [`tree`] | a directory, removed without crossing a mount |
//! | [`processes`] | who is whose child; the end of orphans |
//! | [`workspace`] | where the programs are, and how they are built |
//! | [`skip`](mod@skip) | a skip that nobody can overlook |
//!
//! Invariant: nothing here is part of a stage; a stage's library never depends on it.

pub mod clients;
pub mod disk;
pub mod need;
pub mod part;
pub mod play;
pub mod processes;
pub mod rehearsal;
pub mod relation;
pub mod residue;
pub mod sandbox;
pub mod scene;
pub mod scratch;
pub mod script;
pub mod skip;
pub mod tree;
pub mod workspace;

/// What went wrong on the observer's side (never what was observed).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be used.
    #[error("{call}({path}): {source}")]
    Path {
        /// What was tried.
        call: &'static str,
        /// On which path.
        path: String,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// A demo script is not what `ARCHITECTURE.md` describes.
    #[error("{path}: {reason}")]
    Script {
        /// The script.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A program of the workspace could not be built or found.
    #[error("{0}")]
    Build(String),
    /// The reader pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// The result of everything on the observer's side that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    fn path(call: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Path { call, path: path.display().to_string(), source }
    }
}
