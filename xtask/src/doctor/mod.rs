//! `cargo xtask doctor`: what will work on this machine, what will not, and what mends it.
//!
//! Asks the same needs as the demo. Book: "How to use this book".
//! Invariant: the prediction equals what the demo then does; `tests/doctor.rs` holds both together.

mod machine;

use crate::{
    Error, Outcome,
    demo::{Format, Session},
    language::{self, Word},
    page::{Ink, Page, pad},
    stages::{STAGES, Stage},
};
use clap::Args;
use machine::Finding;
use observe::{
    need::{Answer, Need},
    script::Lang,
    workspace::Programs,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, process::ExitCode};

/// Say for each stage whether it works here, why not, and the command that mends it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask doctor                 what works here, what does not, what mends it\n  cargo xtask doctor --format json   the same as data, step by step"
)]
pub(crate) struct DoctorArguments {
    /// The form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The language [default: from LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_parser = language::parse, value_name = "en|ko")]
    lang: Option<Lang>,
}

/// What is predicted of one stage.
#[derive(Debug)]
struct Prediction {
    stage: &'static Stage,
    written: bool,
    steps: Vec<(String, Option<(Need, Answer)>)>,
}

impl Prediction {
    fn verdict(&self) -> Word {
        let impossible = self.steps.iter().filter(|(_, missing)| missing.is_some()).count();
        match impossible {
            0 if !self.written => Word::Ready,
            0 => Word::Works,
            number if number < self.steps.len() => Word::Degraded,
            _ => Word::NotPossible,
        }
    }

    /// Which steps each missing thing takes away.
    fn missing(&self) -> BTreeMap<Need, (&Answer, Vec<&str>)> {
        let mut missing: BTreeMap<Need, (&Answer, Vec<&str>)> = BTreeMap::new();
        for (slug, (need, answer)) in self.steps.iter().filter_map(|(slug, m)| Some((slug, m.as_ref()?))) {
            missing.entry(*need).or_insert_with(|| (answer, Vec::new())).1.push(slug);
        }
        missing
    }
}

/// `cargo xtask doctor`
pub(crate) fn doctor(arguments: &DoctorArguments) -> Outcome {
    let lang = language::choose(arguments.lang);
    let predictions = STAGES.iter().map(predict).collect::<Result<Vec<_>, _>>()?;
    let programs = Programs::build(STAGES[0].package)?;
    let findings = machine::examine(&programs);
    match arguments.format {
        Format::Text => tell(&findings, &predictions, lang)?,
        Format::Json => {
            use std::io::Write;
            let all: Vec<_> = predictions.iter().map(data).collect();
            let told =
                json!({ "machine": findings.iter().map(Finding::data).collect::<Value>(), "stages": all });
            writeln!(std::io::stdout(), "{told:#}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn predict(stage: &'static Stage) -> Result<Prediction, Error> {
    let Some(script) = stage.script()? else { return foretell(stage) };
    let mut session = Session::new(&script)?;
    let steps = script.steps.iter().map(|step| (step.slug.clone(), session.missing(step))).collect();
    Ok(Prediction { stage, written: true, steps })
}

/// A stage without a script is judged by what nothing of it will work without.
fn foretell(stage: &'static Stage) -> Result<Prediction, Error> {
    let programs = Programs::build(STAGES[0].package)?;
    let missing = observe::need::missing(stage.needs, &programs);
    Ok(Prediction { stage, written: false, steps: vec![(stage.name.to_owned(), missing)] })
}

fn tell(findings: &[Finding], predictions: &[Prediction], lang: Lang) -> Result<(), Error> {
    let mut page = Page::new(None)?;
    page.heading(Word::Machine.say(lang), "")?;
    for finding in findings {
        page.line(&format!("  {}{}", pad(finding.what.say(lang), 22), finding.seen))?;
        let remedy = finding.remedy.as_deref().map(|remedy| format!("{}: {remedy}", Word::Remedy.say(lang)));
        remedy.iter().try_for_each(|remedy| page.paragraph(24, remedy))?;
    }
    page.line("")?;
    for prediction in predictions {
        stage(&mut page, prediction, lang)?;
    }
    Ok(())
}

fn stage(page: &mut Page, prediction: &Prediction, lang: Lang) -> Result<(), Error> {
    let verdict = prediction.verdict();
    let (mark, ink) = match verdict {
        Word::Works => ("✔", Ink::Good),
        Word::Ready => ("·", Ink::Faint),
        Word::Degraded => ("◐", Ink::Warn),
        _ => ("∅", Ink::Bad),
    };
    let told = page.ink(ink, &format!("{mark} {}", verdict.say(lang)));
    page.line(&format!("{}{told}", pad(prediction.stage.package, 20)))?;
    for (need, (answer, slugs)) in prediction.missing() {
        let reason = answer.reason.as_deref().unwrap_or_default();
        page.paragraph(4, &format!("{}: {reason} ({})", need.name(), slugs.join(", ")))?;
        let remedy = answer.remedy.as_deref().map(|remedy| format!("{}: {remedy}", Word::Remedy.say(lang)));
        remedy.iter().try_for_each(|remedy| page.paragraph(6, remedy))?;
    }
    Ok(())
}

fn data(prediction: &Prediction) -> Value {
    let step = |(slug, missing): &(String, Option<(Need, Answer)>)| match missing {
        None => json!({ "slug": slug, "possible": true }),
        Some((need, answer)) => {
            json!({ "slug": slug, "possible": false, "missing": need, "reason": answer.reason, "remedy": answer.remedy })
        }
    };
    let steps: Vec<_> =
        if prediction.written { prediction.steps.iter().map(step).collect() } else { Vec::new() };
    json!({
        "stage": prediction.stage.name, "package": prediction.stage.package, "written": prediction.written,
        "verdict": prediction.verdict().say(Lang::En), "steps": steps,
    })
}
