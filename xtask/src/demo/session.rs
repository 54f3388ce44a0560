//! One run of one stage's script: scenes made, steps played, what is left looked for.
//!
//! prctl(PR_SET_CHILD_SUBREAPER), waitpid(2). Book: "How to use this book".
//! Invariant: a step that is possible by its needs is played; one that is not is never half played.

use crate::Error;
use nix::{
    sys::{
        prctl,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use observe::{
    need::{self, Answer, Need},
    play::{self, Played},
    residue::{self, Residue},
    scene::Scene,
    script::{Script, Step},
    workspace::Programs,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

/// What came of a step.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// Observed as promised.
    Observed,
    /// Promises that were broken.
    Broken(Vec<String>),
    /// This machine cannot do it: what is missing.
    Impossible(Need, Answer),
}

/// A step and what came of it.
#[derive(Debug)]
pub(crate) struct Result {
    pub verdict: Verdict,
    pub played: Option<Played>,
    pub kept: Option<PathBuf>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    programs: Programs,
    rootless: bool,
    answers: BTreeMap<Need, Answer>,
    before: BTreeSet<Residue>,
    stop: Arc<AtomicBool>,
}

impl Session {
    /// Builds what the stage needs and remembers the host as it is.
    pub fn new(script: &Script) -> std::result::Result<Session, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        // Orphans of a step become our children, where the residue check sees them.
        prctl::set_child_subreaper(true).map_err(std::io::Error::from)?;
        let programs = Programs::build(&script.stage.package)?;
        let before = residue::find().into_iter().collect();
        Ok(Session { programs, rootless: need::rootless(), answers: BTreeMap::new(), before, stop })
    }

    /// Whether steps are played as an ordinary user plays them.
    pub fn rootless(&self) -> bool {
        self.rootless
    }

    /// What our directories are, for a reader who wants to type along.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Raised when the reader presses Ctrl-C.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// The first need of the step that this machine does not meet.
    pub fn missing(&mut self, step: &Step) -> Option<(Need, Answer)> {
        // Every step is played on the same ground.
        let needs = std::iter::once(&Need::Ground).chain(&step.needs);
        for need in needs {
            let answer = self.answers.entry(*need).or_insert_with(|| need.check(&self.programs));
            if !answer.possible {
                return Some((*need, answer.clone()));
            }
        }
        None
    }

    /// Plays one step in a scene of its own.
    pub fn play(&mut self, script: &Script, step: &Step, keep: bool) -> std::result::Result<Result, Error> {
        if let Some((need, answer)) = self.missing(step) {
            return Ok(Result { verdict: Verdict::Impossible(need, answer), played: None, kept: None });
        }
        let mut scene = Scene::new(&script.stage.name, &self.programs)?;
        play::set_up(script.setup(step), &mut scene, &self.stop)?;
        let played = play::play(script, step, self.rootless, &mut scene, &self.stop)?;
        let kept = keep.then(|| {
            scene.keep();
            scene.work()
        });
        let broken: Vec<_> = played.broken().map(str::to_owned).collect();
        let verdict = if broken.is_empty() { Verdict::Observed } else { Verdict::Broken(broken) };
        Ok(Result { verdict, played: Some(played), kept })
    }

    /// What the steps have left on the host, but for what was asked to be kept.
    pub fn left(&self, kept: &[PathBuf]) -> Vec<String> {
        let is_kept = |found: &Residue| match found {
            Residue::Directory(path) => kept.iter().any(|kept| kept.starts_with(path)),
            _ => false,
        };
        let fresh =
            residue::find().into_iter().filter(|found| !self.before.contains(found) && !is_kept(found));
        fresh.map(|found| found.to_string()).chain(orphans()).collect()
    }
}

/// Children that are still there: everything we started ourselves has been waited for.
fn orphans() -> Vec<String> {
    let mut left = Vec::new();
    while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            left.push("a process that a step started and nobody ended".to_owned());
            break;
        }
    }
    left
}
