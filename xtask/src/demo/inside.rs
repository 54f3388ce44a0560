//! The same demo in a virtual machine: another kernel, and the layout of control groups that is asked for.
//!
//! Boots a machine in which this program runs again. Book: "How to use this book".
//! Invariant: what the reader sees is what is seen inside, as it happens.

use super::{DemoArguments, Format};
use crate::{
    Error, Outcome, page,
    vm::{self, Account, Layout, Order, Output},
};
use observe::script::Lang;
use std::{
    ffi::OsString,
    io::{stderr, stdout},
    path::Path,
    process::ExitCode,
};

/// A demo takes minutes; with questions to a class it takes as long as the class.
const LIMIT: u64 = 1800;
const LIMIT_OF_A_CLASS: u64 = 6 * 3600;

/// In version 2 a group that holds processes hands no controller down: whoever was given one goes into another inside it
/// first, as `stage3-cgroups info` says. Where none was given, there is nothing to step aside from.
const STEP_ASIDE: &str = r#"stage3-cgroups create stage3-leaf >/dev/null 2>&1 && stage3-cgroups attach stage3-leaf $$
exec "$@""#;

/// `demo --vm`
pub(super) fn play(arguments: &DemoArguments, layout: Layout, lang: Lang) -> Outcome {
    let stop = vm::stop_flag()?;
    let own = std::env::current_exe()?;
    let mut order = Order::new(Path::new(vm::DEBIAN), layout, words(arguments, &own, lang));
    order.account = arguments.user;
    order.input = arguments.pause;
    order.timeout = if arguments.pause { LIMIT_OF_A_CLASS } else { LIMIT };
    if arguments.user == Account::Learner {
        order.command.splice(0..0, ["sh", "-c", STEP_ASIDE, "sh"].map(OsString::from));
    }
    order.programs.push((None, own));
    // There is no terminal inside: what it should look like is told.
    let colour = if page::colour_wanted() { "CLICOLOR_FORCE" } else { "NO_COLOR" };
    order.set(colour, "1");
    order.set("COLUMNS", page::columns().to_string());
    order.set("TMPDIR", "/var/tmp"); // which is on a disk
    let output = Output { out: Box::new(stdout()), err: Box::new(stderr()) };
    match vm::run(&order, output, &stop) {
        Ok(status) => Ok(ExitCode::from(status)),
        Err(trouble) => trouble.told(&stop),
    }
}

fn words(arguments: &DemoArguments, own: &Path, lang: Lang) -> Vec<OsString> {
    let lang = if lang == Lang::Ko { "ko" } else { "en" };
    let mut words: Vec<OsString> = vec![own.into(), "demo".into(), "--lang".into(), lang.into()];
    words.extend(arguments.stage.iter().map(OsString::from));
    words.extend(arguments.step.iter().flat_map(|slug| ["--step".into(), slug.into()]));
    words.extend(arguments.pause.then(|| "--pause".into()));
    if arguments.format == Format::Json {
        words.extend(["--format".into(), "json".into()]);
    }
    words
}

/// What makes no sense in a machine that is gone afterwards.
pub(super) fn refuse(arguments: &DemoArguments) -> Result<(), Error> {
    let refused =
        |option: &str, why: &str| Err(Error::Usage(format!("{option} does not go with --vm: {why}")));
    match () {
        () if arguments.keep => refused("--keep", "the machine is gone when the demo ends"),
        () if arguments.record.is_some() => {
            refused("--record", "the machine has no such file; record with `asciinema rec` around it")
        }
        () => Ok(()),
    }
}
