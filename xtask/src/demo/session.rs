//! One run of one stage's script: scenes made, steps played, what is left looked for.
//!
//! prctl(PR_SET_CHILD_SUBREAPER), waitpid(2). Book: "How to use this book".
//! Invariant: a step that is possible by its needs is played; one that is not is never half played.

use crate::Error;
use nix::sys::prctl;
use observe::{
    need::{self, Answer, Need},
    part::{Layout, Part},
    play::{self, Played},
    processes::end_children,
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
    kept: Vec<PathBuf>,
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
        // Orphans of a step become our children, so that we see and end them.
        prctl::set_child_subreaper(true).map_err(std::io::Error::from)?;
        let programs = Programs::build(&script.stage.package)?;
        let before = residue::find()?.into_iter().collect();
        let (answers, kept) = (BTreeMap::new(), Vec::new());
        Ok(Session { programs, rootless: need::rootless(), answers, before, kept, stop })
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

    /// The step as it is played here.
    pub fn part<'a>(&mut self, step: &'a Step) -> Part<'a> {
        step.part(self.rootless, Layout::here(), |needs| self.first_missing(needs).is_none())
    }

    /// The first need of the step that this machine does not meet.
    pub fn missing(&mut self, step: &Step) -> Option<(Need, Answer)> {
        let needs = self.part(step).needs();
        // Every step is played on the same ground.
        self.first_missing(&[Need::Ground]).or_else(|| self.first_missing(needs))
    }

    fn first_missing(&mut self, needs: &[Need]) -> Option<(Need, Answer)> {
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
        let part = self.part(step);
        let mut scene = Scene::new(&script.stage.name, &self.programs)?;
        let played = play::set_up(script.setup(step), &mut scene, &self.stop)
            .and_then(|()| play::play(script, part, &mut scene, &self.stop));
        // Before the scene goes: what left its group has left neither us nor the scene.
        let orphans = end_children(Some(scene.canary_pid()));
        let played = played.inspect_err(|_| self.sweep())?;
        let kept = keep.then(|| {
            scene.keep();
            scene.work()
        });
        self.kept.extend(kept.clone());
        let broken = played.broken().map(str::to_owned);
        let broken: Vec<_> =
            broken.chain(orphans.iter().map(|orphan| format!("{orphan} was left behind"))).collect();
        let verdict = if broken.is_empty() { Verdict::Observed } else { Verdict::Broken(broken) };
        Ok(Result { verdict, played: Some(played), kept })
    }

    /// What outlives its processes, when a step was cut short: root's containers and their groups. What cannot be
    /// removed is told by `left`.
    fn sweep(&self) {
        let outlives = |found: &Residue| matches!(found, Residue::Container(_) | Residue::Cgroup(_));
        let found = residue::find().unwrap_or_default();
        let fresh = found.iter().filter(|found| !self.before.contains(found) && outlives(found));
        fresh.for_each(|found| drop(found.remove()));
    }

    /// The directories that were asked to be kept.
    pub fn kept(&self) -> &[PathBuf] {
        &self.kept
    }

    /// What the steps have left on the host, but for what was asked to be kept.
    pub fn left(&self) -> Vec<String> {
        let mut left = end_children(None);
        let is_kept = |found: &Residue| match found {
            Residue::Directory(path) => self.kept.iter().any(|kept| kept.starts_with(path)),
            _ => false,
        };
        match residue::find() {
            Ok(found) => {
                let fresh = found.iter().filter(|found| !self.before.contains(found) && !is_kept(found));
                left.extend(fresh.map(ToString::to_string));
            }
            Err(error) => left.push(format!("what this could not tell: {error}")),
        }
        left
    }

    /// An interruption, with what it left; any other error as it is.
    pub fn ended_by(&self, error: Error) -> Error {
        match error {
            Error::Observe(observe::Error::Interrupted) => Error::Interrupted(self.left()),
            other => other,
        }
    }
}
