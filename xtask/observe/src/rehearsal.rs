//! A step as a stage's own tests play it: promises asserted, the transcript handed back.
//!
//! Runs the step in a scene of its own. Book: "How to use this book".
//! Invariant: a step is skipped only for a need that this machine does not meet.

use crate::{
    need, part::Layout, play, relation, relation::Names, scene::Scene, script::Script, skip::skip,
    workspace::Programs,
};
use std::{path::Path, process::Command, sync::atomic::AtomicBool};

/// What a step has shown.
#[derive(Debug)]
pub struct Shown {
    /// The snapshot's name.
    pub name: String,
    /// The snapshot's text.
    pub transcript: String,
}

/// Plays the step `slug` of the script and asserts all its promises.
///
/// None where the step is not possible here (said as a SKIP), and where the snapshot's letters were recorded under
/// other circumstances: on another distribution, on other hierarchies of control groups, or by an ordinary user whom
/// no group was given. Its promises have been asserted all the same.
///
/// # Panics
/// When a promise is broken, or something else than the observation goes wrong.
pub fn rehearse(script: &Path, slug: &str, programs: &Programs) -> Option<Shown> {
    let script = Script::load(script).unwrap_or_else(|error| panic!("{error}"));
    let step = script.step(slug).unwrap_or_else(|| panic!("{}: no step {slug:?}", script.stage.name));
    let met = |needs: &[need::Need]| need::missing(needs, programs).is_none();
    let part = step.part(need::rootless(), Layout::here(), met);
    if let Some((need, answer)) = need::missing(part.needs(), programs) {
        skip(&format!("{} {slug} ({})", script.stage.name, need.name()), &answer.to_string());
        return None;
    }
    let mut scene = Scene::new(&script.stage.name, programs).unwrap_or_else(|error| panic!("{error}"));
    let stop = AtomicBool::new(false);
    let names = Names::new(&scene, &host_facts(programs));
    let played = play::set_up(script.setup(step), &mut scene, &stop)
        .and_then(|()| play::play(&script, part, &mut scene, &stop));
    let played = played.unwrap_or_else(|error| panic!("{slug}: {error}"));
    let transcript = relation::transcript(step, &played, &names);
    let broken: Vec<_> = played.broken().collect();
    assert!(broken.is_empty(), "{slug}: not as promised:\n{}\n\n{transcript}", broken.join("\n"));
    let recorded_here = step.recorded_on.as_ref().is_none_or(|distribution| *distribution == here());
    let mounted = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let given = part.is_refused_groups() && met(&[need::Need::Groups]);
    (recorded_here && part.is_recorded_on(&mounted) && !given)
        .then(|| Shown { name: part.snapshot(), transcript })
}

fn host_facts(programs: &Programs) -> serde_json::Value {
    let probe = programs.find("probe").unwrap_or_else(|| "probe".into());
    let output = Command::new(&probe).args(["facts", "--format", "json"]).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", probe.display()));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("probe facts: {error}"))
}

/// This distribution, as `recorded_on` writes it: `debian 12 x86_64` (os-release(5)).
fn here() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    format!("{} {} {}", value("ID"), value("VERSION_ID"), std::env::consts::ARCH)
}
