//! The same matrix in a virtual machine: another kernel, and the layout of control groups that is asked for.
//!
//! Boots a machine in which this program runs again. Book: "The matrix".
//! Invariant: what is printed is what was seen inside.

use super::MatrixArguments;
use crate::{
    Outcome, language,
    vm::{self, Layout},
};
use clap::ValueEnum;
use observe::script::Lang;
use std::ffi::OsString;

/// `matrix --vm`
pub(super) fn observe(arguments: &MatrixArguments, layout: Layout, lang: Lang) -> Outcome {
    let mut words: Vec<OsString> = vec!["matrix".into(), "--lang".into(), language::name(lang).into()];
    let mut option = |name: &str, values: &[String]| {
        words.extend(values.iter().flat_map(|value| [OsString::from(name), value.into()]));
    };
    option("--row", &arguments.row);
    option("--column", &arguments.column);
    option("--explain", arguments.explain.as_slice());
    let format = arguments.format.to_possible_value().map(|value| value.get_name().to_owned());
    option("--format", format.as_slice());
    vm::again(layout, words, |_| ())
}
