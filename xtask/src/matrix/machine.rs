//! The same matrix in a virtual machine: another kernel, and the layout of control groups that is asked for.
//!
//! Boots a machine in which this program runs again. Book: "The matrix".
//! Invariant: what is printed is what was seen inside.

use super::MatrixArguments;
use crate::{
    Outcome,
    vm::{self, Layout, Order, Output},
};
use clap::ValueEnum;
use observe::script::Lang;
use std::{
    ffi::OsString,
    io::{stderr, stdout},
    path::Path,
    process::ExitCode,
};

/// In seconds. A machine is emulated: what takes a second here may take ten there.
const LIMIT: u64 = 900;

/// `matrix --vm`
pub(super) fn observe(arguments: &MatrixArguments, layout: Layout, lang: Lang) -> Outcome {
    let stop = vm::stop_flag()?;
    let own = std::env::current_exe()?;
    let lang = if lang == Lang::Ko { "ko" } else { "en" };
    let mut words: Vec<OsString> = vec![own.clone().into(), "matrix".into(), "--lang".into(), lang.into()];
    let mut option = |name: &str, values: &[String]| {
        words.extend(values.iter().flat_map(|value| [OsString::from(name), value.into()]));
    };
    option("--row", &arguments.row);
    option("--column", &arguments.column);
    option("--explain", arguments.explain.as_slice());
    let format = arguments.format.to_possible_value().map(|value| value.get_name().to_owned());
    option("--format", format.as_slice());
    let mut order = Order::new(Path::new(vm::DEBIAN), layout, words);
    (order.timeout, order.memory) = (LIMIT, 1536);
    order.programs.push((None, own));
    let output = Output { out: Box::new(stdout()), err: Box::new(stderr()) };
    match vm::run(&order, output, &stop) {
        Ok(status) => Ok(ExitCode::from(status)),
        Err(trouble) => trouble.told(&stop),
    }
}
