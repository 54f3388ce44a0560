//! `stage1-chroot build`: the arguments, and what is told afterwards.
//!
//! No kernel calls of its own; mkdir, cp and ldd did this by hand. Book: `build`.
//! Invariant: a program that is refused leaves no root behind; data goes to stdout.

mod tree;

use crate::closure::trail::Step;
use crate::closure::{Closure, Node, Why};
use crate::copy::{Method, Outcome};
use crate::rootfs::{Placed, Report, Rootfs};
use crate::{Error, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;

/// Make a root directory with programs and everything they need to run
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stage1-chroot build new-root bash ls
  stage1-chroot build new-root ./my-script.py --format json | jq -r '.files[].path'

Libraries are found by reading ELF files as ld.so would; nothing is executed.
A build that was interrupted, or that lacked a program, can be repeated.")]
pub struct BuildArgs {
    /// The directory to fill; made when it is missing
    #[arg(value_name = "NEW_ROOT")]
    pub new_root: PathBuf,
    /// Paths, or names to be found in PATH
    #[arg(value_name = "PROGRAM", required = true)]
    pub programs: Vec<PathBuf>,
    /// How to print what was copied and why
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How the report is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: who needs what
    #[default]
    Tree,
    /// For programs
    Json,
}

/// Fills the root and prints what was done; the exit status is 0.
pub fn build(args: &BuildArgs) -> Result<u8> {
    // The programs first: a root that cannot be filled is not made.
    let closure = Closure::of(&args.programs)?;
    let root = Rootfs::create(&args.new_root)?;
    let report = root.fill(closure)?;
    let text = match args.format {
        Format::Tree => tree::draw(&root, &report),
        Format::Json => format!("{:#}\n", as_json(&root, &report)),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Error::io("write(1)", &error))?;
    Ok(0)
}

fn as_json(root: &Rootfs, report: &Report) -> Value {
    let nodes = &report.closure.nodes;
    json!({
        "root": lossy(root.path().as_os_str()),
        "needs": nodes.iter().map(|node| need(nodes, node)).collect::<Vec<_>>(),
        "files": report.placed.iter().map(|placed| file(nodes, placed)).collect::<Vec<_>>(),
        "copied": report.count(|outcome| matches!(outcome, Outcome::Copied(..))),
        "kept": report.count(|outcome| outcome == Outcome::Kept),
        "bytes": report.bytes(),
    })
}

fn need(nodes: &[Node], node: &Node) -> Value {
    json!({
        "name": lossy(&node.name),
        "why": keyword(&node.why),
        "detail": node.why.to_string(),
        "by": node.by.map(|by| lossy(&nodes[by].name)),
        "path": lossy(node.trail.end.as_os_str()),
    })
}

fn file(nodes: &[Node], placed: &Placed) -> Value {
    let (kind, target) = match &placed.step {
        Step::File(_) | Step::Moved(..) => ("file", None),
        Step::Directory(_) => ("directory", None),
        Step::Link(_, target) => ("link", Some(lossy(target.as_os_str()))),
    };
    let (outcome, method, bytes) = match placed.outcome {
        Outcome::Copied(method, bytes) => ("copied", Some(method_name(method)), Some(bytes)),
        Outcome::Linked => ("linked", None, None),
        Outcome::Made => ("made", None, None),
        Outcome::Kept => ("kept", None, None),
    };
    json!({
        "path": lossy(placed.step.path().as_os_str()),
        "kind": kind,
        "target": target,
        "outcome": outcome,
        "method": method,
        "bytes": bytes,
        "needed_as": lossy(&nodes[placed.node].name),
    })
}

fn keyword(why: &Why) -> &'static str {
    match why {
        Why::Program { .. } => "program",
        Why::Interpreter => "interpreter",
        Why::Needed(_) => "needed",
        Why::Script => "script",
        Why::Env => "env",
        Why::List(_) => "list",
        Why::Layout => "layout",
    }
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Reflink => "reflink",
        Method::CopyFileRange => "copy_file_range",
        Method::ReadWrite => "read-write",
    }
}

fn lossy(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}
