//! `list`: the containers of one directory of state.
//!
//! Book: "The life cycle" (`state`).
//! Invariant: a container that is deleted meanwhile, or damaged, keeps nobody from seeing the others.

use super::{Desk, print};
use crate::Result;
use crate::id::ContainerId;
use crate::log::Level;
use crate::state::{Home, Status};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::fmt::Write;

/// List containers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stage4-runtime list --format json")]
pub struct ListArgs {
    /// How they are listed
    #[arg(long, short, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Their names only
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For eyes
    Table,
    /// For programs
    Json,
}

pub(super) fn list(desk: &Desk, args: &ListArgs) -> Result<u8> {
    let home = desk.home()?;
    let ids = home.as_ref().map_or(Ok(Vec::new()), Home::ids)?;
    if args.quiet {
        return print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>()).map(|()| 0);
    }
    let rows: Vec<Value> = ids.iter().filter_map(|id| row(desk, home.as_ref()?, id)).collect();
    match args.format {
        Form::Json => print(&format!("{}\n", Value::Array(rows))),
        Form::Table => print(&table(&rows)),
    }
    .map(|()| 0)
}

/// None: it has gone meanwhile.
fn row(desk: &Desk, home: &Home, id: &ContainerId) -> Option<Value> {
    let place = home.find(id).ok()?;
    let told = place.read().and_then(|record| match record {
        Some(record) => {
            let state = record.state(desk.status(&place, &record)?);
            Ok(serde_json::from_slice(&state).ok())
        }
        None => Ok(home.has(id).then(|| {
            let status = if place.is_locked() { Status::Creating } else { Status::Stopped };
            json!({ "id": id.as_str(), "pid": 0, "status": status.to_string() })
        })),
    });
    told.unwrap_or_else(|error| {
        desk.log.say(Level::Warning, &error.to_string());
        None
    })
}

const COLUMNS: [(&str, &str); 6] = [
    ("ID", "id"),
    ("PID", "pid"),
    ("STATUS", "status"),
    ("BUNDLE", "bundle"),
    ("CREATED", "created"),
    ("OWNER", "owner"),
];

fn table(rows: &[Value]) -> String {
    let cell = |row: &Value, key: &str| match &row[key] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let head = COLUMNS.map(|(title, _)| title.to_owned());
    let lines: Vec<[String; 6]> =
        std::iter::once(head).chain(rows.iter().map(|row| COLUMNS.map(|(_, key)| cell(row, key)))).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        // A String takes everything.
        writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end()).ok();
    }
    text
}
