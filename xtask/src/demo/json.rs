//! The same run as data.
//!
//! No kernel calls of its own. Book: "How to use this book".
//! Invariant: holds everything that the narration shows.

use super::{DemoArguments, Session, Verdict, exit, session};
use crate::{Error, Outcome};
use observe::{
    play::{Ran, without_notes},
    script::{Lang, Script, Step},
};
use serde_json::{Value, json};
use std::process::ExitCode;

/// `demo --list --format json`
pub(super) fn list(scripts: &[Script], lang: Lang) -> Outcome {
    let step = |step: &Step| json!({ "slug": step.slug, "title": step.title.get(lang), "series": step.series, "needs": step.needs });
    let stage = |script: &Script| json!({ "stage": script.stage.name, "steps": script.steps.iter().map(step).collect::<Vec<_>>() });
    print(&json!({ "stages": scripts.iter().map(stage).collect::<Vec<_>>() }))?;
    Ok(ExitCode::SUCCESS)
}

/// `demo --format json`
pub(super) fn play(scripts: &[Script], lang: Lang, arguments: &DemoArguments) -> Outcome {
    let (mut stages, mut verdicts, mut left_any) = (Vec::new(), Vec::new(), false);
    for script in scripts {
        let mut session = Session::new(script)?;
        let mut steps = Vec::new();
        for step in &script.steps {
            let result = session.play(script, step, arguments.keep);
            let result = result.map_err(|error| session.ended_by(error))?;
            steps.push(told(step, &result, lang));
            verdicts.push(result.verdict);
        }
        let left = session.left();
        left_any |= !left.is_empty();
        stages.push(json!({ "stage": script.stage.name, "rootless": session.rootless(), "steps": steps, "left": left }));
    }
    print(&json!({ "stages": stages }))?;
    Ok(exit(&verdicts, left_any))
}

fn told(step: &Step, result: &session::Result, lang: Lang) -> Value {
    let commands: Vec<_> = result.played.iter().flat_map(|played| &played.commands).map(ran).collect();
    let mut told = json!({
        "slug": step.slug, "title": step.title.get(lang), "series": step.series,
        "verdict": name(&result.verdict), "commands": commands,
    });
    match &result.verdict {
        Verdict::Observed => {}
        Verdict::Broken(promises) => told["broken"] = json!(promises),
        Verdict::Impossible(need, answer) => {
            told["missing"] = json!(need);
            told["reason"] = json!(answer.reason);
            told["remedy"] = json!(answer.remedy);
        }
    }
    if let Some(path) = &result.kept {
        told["kept"] = json!(path);
    }
    told
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Observed => "observed",
        Verdict::Broken(_) => "broken",
        Verdict::Impossible(..) => "impossible",
    }
}

fn ran(ran: &Ran) -> Value {
    let notes: Vec<_> = ran.output.lines().filter(|line| line.starts_with("note: ")).collect();
    json!({
        "run": ran.run, "on": ran.on, "status": ran.status,
        "output": without_notes(&ran.output), "notes": notes,
    })
}

fn print(value: &Value) -> Result<(), Error> {
    use std::io::Write;
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::Failed(error.to_string()))?;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
