//! A bundle that is becoming an image: what it came from, and what was done to it since.
//!
//! flock(2), rename(2); config.md, `history`. Book: "Images" (`image-build`).
//! Invariant: what is written down was done; a step that failed is not there. One at a time works on a bundle.

use super::document::{ImageConfig, Platform};
use super::{Image, Reference};
use crate::bundle::read_regular;
use crate::moment::now;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open, openat};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const RECORD: &str = "build.json";
const NEXT: &str = "build.json.next";
/// Where a step's own config.json is while it runs.
const STEP: &str = "step";

/// What a bundle of this kind has beside config.json and its root.
pub(super) const OWN: [&str; 3] = [RECORD, NEXT, STEP];

/// What is written down.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Build {
    /// None: from nothing.
    pub from: Option<Origin>,
    /// Of `config` in the configuration: what is to be different.
    pub config: Map<String, Value>,
    /// In their order.
    pub steps: Vec<Done>,
}

/// The image that it came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Origin {
    path: PathBuf,
    name: Option<String>,
    platform: Option<String>,
    /// The configuration's digest, by which it is known again.
    config: String,
}

/// One step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Done {
    created: String,
    created_by: String,
    /// Nothing of the root was changed.
    #[serde(default)]
    empty_layer: bool,
}

impl Origin {
    /// `image`, which was found by `reference`.
    pub fn of(image: &Image, reference: &Reference) -> Self {
        Origin {
            path: reference.path.clone(),
            name: reference.name.clone(),
            platform: reference.platform.as_ref().map(ToString::to_string),
            config: image.config.digest.to_string(),
        }
    }

    fn open(&self) -> Result<Image> {
        let platform =
            self.platform.as_deref().map(str::parse::<Platform>).transpose().map_err(Error::refused)?;
        let image = Image::open(&Reference { path: self.path.clone(), name: self.name.clone(), platform })?;
        match image.config.digest.to_string() == self.config {
            true => Ok(image),
            false => Err(Error::refused(format!(
                "the image in {:?} is another one than at the beginning",
                self.path
            ))
            .with_hint("its name has been given away: `image from` again, by a name that stays")),
        }
    }
}

impl Build {
    /// The image that it came from.
    ///
    /// # Errors
    /// It is there no more, or another one.
    pub fn image(&self) -> Result<Option<Image>> {
        self.from.as_ref().map(Origin::open).transpose()
    }

    /// How the image will be run, as far as is known.
    ///
    /// # Errors
    /// Parameters that are none.
    pub fn parameters(&self, image: Option<&Image>) -> Result<ImageConfig> {
        let mut says = image.map_or_else(nothing, |image| image.says.clone());
        if !says["config"].is_object() {
            says["config"] = json!({});
        }
        for (key, value) in &self.config {
            says["config"][key] = value.clone();
        }
        serde_json::from_value(says).map_err(|error| Error::refused(format!("{RECORD}: {error}")))
    }

    /// Another step.
    pub fn add(&mut self, created_by: String, changes_root: bool) {
        self.steps.push(Done { created: now(), created_by, empty_layer: !changes_root });
    }

    /// The steps as a history with exactly one layer: those that changed the root are one.
    pub fn history(&self, otherwise: &str) -> Vec<Value> {
        let words: Vec<_> =
            self.steps.iter().filter(|it| !it.empty_layer).map(|it| it.created_by.as_str()).collect();
        let last = self.steps.iter().rposition(|step| !step.empty_layer);
        let entry = |(number, Done { created, created_by, empty_layer }): (usize, &Done)| match empty_layer {
            true => Some(json!({ "created": created, "created_by": created_by, "empty_layer": true })),
            false if Some(number) == last => {
                Some(json!({ "created": created, "created_by": words.join("; ") }))
            }
            false => None,
        };
        let mut history: Vec<_> = self.steps.iter().enumerate().filter_map(entry).collect();
        if last.is_none() {
            history.push(json!({ "created": now(), "created_by": otherwise }));
        }
        history
    }
}

/// What is said of an image that is made from nothing.
pub(super) fn nothing() -> Value {
    let here = Platform::here();
    json!({ "architecture": here.architecture, "os": here.os, "rootfs": { "type": "layers", "diff_ids": [] } })
}

/// A bundle, while nobody else works on it.
#[derive(Debug)]
pub struct Site {
    path: PathBuf,
    lock: Flock<File>,
    /// What is written down of it.
    pub build: Option<Build>,
}

impl Site {
    /// The bundle at `path`.
    ///
    /// # Errors
    /// There is none; somebody else works on it.
    pub fn open(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|error| Error::io("getcwd()", &error))?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(&path, flags, Mode::empty())
            .map_err(|errno| Error::call(format!("open({path:?}, O_DIRECTORY)"), errno))?;
        let lock =
            Flock::lock(File::from(directory), FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
                match errno {
                    Errno::EAGAIN => {
                        Error::refused(format!("somebody else works on {path:?}")).with_hint("wait for it")
                    }
                    errno => Error::call(format!("flock({path:?}, LOCK_EX|LOCK_NB)"), errno),
                }
            })?;
        let build = match openat(
            &*lock,
            RECORD,
            OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
            Mode::empty(),
        ) {
            Err(Errno::ENOENT) => None,
            Err(errno) => return Err(Error::call(format!("openat({RECORD:?})"), errno)),
            Ok(file) => Some(
                serde_json::from_slice(&read_regular(file, &path.join(RECORD))?)
                    .map_err(|error| Error::refused(format!("{:?}: {error}", path.join(RECORD))))?,
            ),
        };
        Ok(Site { path, lock, build })
    }

    /// The same, of a bundle that is becoming an image.
    ///
    /// # Errors
    /// It is another bundle.
    pub fn begun(path: &Path) -> Result<(Self, Build)> {
        let mut site = Site::open(path)?;
        match site.build.take() {
            Some(build) => Ok((site, build)),
            None => Err(Error::refused(format!("{path:?} was not begun as an image"))
                .with_hint("`stage4-runtime image from IMAGE BUNDLE`, or `from scratch`")),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory.
    pub fn directory(&self) -> &File {
        &self.lock
    }

    /// Writes down what was done.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn keep(&self, build: &Build) -> Result<()> {
        let text =
            serde_json::to_vec_pretty(build).map_err(|error| Error::refused(format!("{RECORD}: {error}")))?;
        let next = self.path.join(NEXT);
        fs::write(&next, text).map_err(|error| Error::io(format!("write({next:?})"), &error))?;
        fs::rename(&next, self.path.join(RECORD))
            .map_err(|error| Error::io(format!("rename({next:?})"), &error))
    }

    /// A directory for one step, which goes with what is returned.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn step(&self) -> Result<Step> {
        let path = self.path.join(STEP);
        let failed = |call: &str, error| Error::io(format!("{call}({path:?})"), &error);
        // One whose maker was killed; nobody else has the lock.
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|error| failed("unlinkat", error))?;
        }
        fs::create_dir(&path).map_err(|error| failed("mkdir", error))?;
        Ok(Step(path))
    }
}

/// The directory of a step.
#[derive(Debug)]
pub struct Step(PathBuf);

impl Step {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        // What stays is removed by the next step, or with the bundle.
        fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_history_has_one_layer_whatever_was_done() {
        let mut build = Build::default();
        let told = |build: &Build| {
            let history = build.history("nothing").into_iter();
            history
                .map(|step| (step["created_by"].as_str().unwrap().to_owned(), step["empty_layer"] == true))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&build), [("nothing".to_owned(), false)]);
        for (words, changes) in
            [("ENV A=b", false), ("RUN one", true), ("USER ada", false), ("COPY two", true), ("CMD x", false)]
        {
            build.add(words.to_owned(), changes);
        }
        let wanted = [("ENV A=b", true), ("USER ada", true), ("RUN one; COPY two", false), ("CMD x", true)];
        assert_eq!(told(&build), wanted.map(|(words, empty)| (words.to_owned(), empty)));
    }
}
