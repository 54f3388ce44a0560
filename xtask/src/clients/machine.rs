//! The same operations in a virtual machine: another kernel, and the layout of control groups that is asked for.
//!
//! Boots a machine with Debian's podman, in which this program runs again. Book: "Under podman, Docker and containerd".
//! Invariant: what is printed is what was seen inside.

use super::ClientsArguments;
use crate::{
    Error, Outcome, language,
    vm::{self, Layout},
};
use clap::ValueEnum;
use observe::{clients::PATIENCE, script::Lang};
use std::ffi::OsString;

/// The clients that come along; Docker's daemons are too much for a machine whose every instruction is emulated.
const COME_ALONG: [&str; 3] = ["podman", "rootless", "machine"];

/// `clients --vm`
pub(super) fn play(arguments: &ClientsArguments, layout: Layout, lang: Lang) -> Outcome {
    if let Some(other) = arguments.client.iter().find(|name| !COME_ALONG.contains(&name.as_str())) {
        let names = COME_ALONG.join(", ");
        return Err(Error::Usage(format!("{other} is in no machine: {names}")));
    }
    let mut words: Vec<OsString> = vec!["clients".into(), "--lang".into(), language::name(lang).into()];
    let mut option = |name: &str, values: &[String]| {
        words.extend(values.iter().flat_map(|value| [OsString::from(name), value.into()]));
    };
    let usual = |values: &[String], usual: &[&str]| match values {
        [] => usual.iter().map(|name| (*name).to_owned()).collect(),
        some => some.to_vec(),
    };
    option("--client", &usual(&arguments.client, &COME_ALONG[..2]));
    option("--runtime", &usual(&arguments.runtime, &["ours"]));
    option("--operation", &arguments.operation);
    let format = arguments.format.to_possible_value().map(|value| value.get_name().to_owned());
    option("--format", format.as_slice());
    words.extend(arguments.explain.then(|| "--explain".into()));
    vm::again(layout, words, |order| {
        (order.timeout, order.memory, order.clients) = (3600, 3072, true);
        order.set(PATIENCE, "10");
    })
}
