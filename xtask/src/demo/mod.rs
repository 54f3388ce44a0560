//! `cargo xtask demo`: a stage's script, played live.
//!
//! prctl(PR_SET_CHILD_SUBREAPER), sigaction(2). Book: "How to use this book".
//! Invariant: whatever way it ends, but for SIGKILL, the host is as it was; what is left is said.

mod inside;
mod json;
mod narrate;
mod session;

use crate::{
    Error, Outcome, language, stages, status,
    vm::{Account, Layout},
};
use clap::{Args, ValueEnum};
use observe::script::{Lang, Script, Step};
use std::{path::PathBuf, process::ExitCode};

pub(crate) use session::{Session, Verdict};

/// Show a stage live: what and why, the command, what is seen inside and on the host, the verdict.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask demo stage1                        everything stage 1 shows\n  cargo xtask demo stage1 --step double-chroot   one step\n  cargo xtask demo stage1 --pause                stop before each step and let a class predict\n  cargo xtask demo stage1 --lang ko              한국어로\n  cargo xtask demo stage3 --vm v2                in a virtual machine: Debian's kernel, v1, hybrid or v2\n\nExit status: 0 observed as promised, 1 an observation failed, 2 usage, 77 not possible here."
)]
pub(crate) struct DemoArguments {
    /// stage1, stage2, …; all in order when none is named
    stage: Option<String>,
    /// Only this step (repeat for more)
    #[arg(long, value_name = "SLUG")]
    step: Vec<String>,
    /// List the steps instead of playing them
    #[arg(long)]
    list: bool,
    /// Ask for a prediction before each step and wait for Enter
    #[arg(long, conflicts_with = "format")]
    pause: bool,
    /// The form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The language of the narration [default: from LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_parser = language::parse, value_name = "en|ko")]
    lang: Option<Lang>,
    /// Also write a recording (asciicast v2; play it with asciinema)
    #[arg(long, value_name = "FILE.cast", conflicts_with = "format")]
    record: Option<PathBuf>,
    /// Leave the steps' directories for you to look at
    #[arg(long)]
    keep: bool,
    /// Play it in a virtual machine with this layout of control groups
    #[arg(long, value_enum, value_name = "LAYOUT")]
    vm: Option<Layout>,
    /// Who plays it in the virtual machine
    #[arg(long, value_enum, default_value_t = Account::Root, requires = "vm")]
    user: Account,
}

/// The form of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// `cargo xtask demo`
pub(crate) fn demo(arguments: &DemoArguments) -> Outcome {
    let lang = language::choose(arguments.lang);
    let mut chosen = stages::chosen(arguments.stage.as_deref())?;
    for (_, script) in &mut chosen {
        select(script, &arguments.step);
    }
    let steps = || chosen.iter().flat_map(|(_, script)| &script.steps);
    let unknown = arguments.step.iter().find(|slug| !steps().any(|step| step.slug == **slug));
    if let Some(slug) = unknown {
        return Err(Error::Usage(format!("no step is called {slug:?}; see `cargo xtask demo --list`")));
    }
    if let Some(layout) = arguments.vm.filter(|_| !arguments.list) {
        inside::refuse(arguments)?;
        return inside::play(arguments, layout, lang);
    }
    let scripts: Vec<_> =
        chosen.into_iter().map(|(_, script)| script).filter(|s| !s.steps.is_empty()).collect();
    match (arguments.list, arguments.format) {
        (true, Format::Text) => narrate::list(&scripts, lang),
        (true, Format::Json) => json::list(&scripts, lang),
        (false, Format::Text) => narrate::play(&scripts, lang, arguments),
        (false, Format::Json) => json::play(&scripts, lang, arguments),
    }
}

fn select(script: &mut Script, slugs: &[String]) {
    script.steps.retain(|step: &Step| slugs.is_empty() || slugs.contains(&step.slug));
}

/// The exit status of verdicts and of what was left.
fn exit(verdicts: &[Verdict], left: bool) -> ExitCode {
    let impossible = |verdict: &Verdict| matches!(verdict, Verdict::Impossible(..));
    if left || verdicts.iter().any(|verdict| matches!(verdict, Verdict::Broken(_))) {
        ExitCode::from(status::FAILED)
    } else if !verdicts.is_empty() && verdicts.iter().all(impossible) {
        ExitCode::from(status::IMPOSSIBLE)
    } else {
        ExitCode::SUCCESS
    }
}
