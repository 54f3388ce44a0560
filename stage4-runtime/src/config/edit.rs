//! A config.json that differs: properties set and removed, by the paths that the errors write.
//!
//! No kernel calls. Book: "A bundle" (`bundle`).
//! Invariant: pure; what comes out has passed every check, and every property that was set is one that is read.

mod path;

pub use path::Path;

use super::check::{self, Verb};
use super::{Config, Fault, parse};
use crate::bundle::CONFIG;
use crate::{Error, Result};
use path::Part;
use serde_json::{Value, json};
use std::str::FromStr;

/// `PATH=VALUE`: the value is JSON where it is some, and else a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    path: Path,
    value: Value,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, rest) = Path::begin(text)?;
        let value = rest.strip_prefix('=').ok_or_else(|| format!("PATH=VALUE is wanted; {path} has no ="))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        Ok(Assignment { path, value })
    }
}

/// What is to be different.
#[derive(Debug, Default)]
pub struct Edits<'a> {
    /// Removed first, in this order.
    pub remove: &'a [Path],
    /// Set then, in this order.
    pub set: &'a [Assignment],
    /// What is run instead of a shell, without a terminal; empty: the shell.
    pub command: &'a [String],
}

/// The configuration as it is to be, and what of it is ignored.
///
/// # Errors
/// A path that leads nowhere, a property that nobody reads, and every fault of what comes out.
pub fn apply(config: &Config, edits: &Edits<'_>) -> Result<(Config, Vec<Fault>)> {
    let mut value = serde_json::to_value(config).map_err(|e| Error::refused(format!("{CONFIG}: {e}")))?;
    if !edits.command.is_empty() {
        value["process"]["args"] = json!(edits.command);
        value["process"]["terminal"] = json!(false);
    }
    for path in edits.remove {
        remove(&mut value, path).map_err(|error| at(error, "--remove", path))?;
    }
    let mut places = Vec::new();
    for Assignment { path, value: wanted } in edits.set {
        let place = place(&mut value, &path.parts).map_err(|error| at(error, "--set", path))?;
        *place.slot = wanted.clone();
        places.push((path, place.pointer));
    }
    let config = parsed(&value)?;
    let warnings = check::config(&config, Verb::Start).verdict(CONFIG)?;
    match places.into_iter().find(|(_, pointer)| !is_read(&value, pointer)) {
        Some((path, _)) => {
            let nobody = Error::refused(format!("--set {path}: the specification knows no such property"));
            Err(nobody
                .with_hint("config.md and config-linux.md list them; the rest is ignored, as they demand"))
        }
        None => Ok((config, warnings)),
    }
}

fn parsed(value: &Value) -> Result<Config> {
    let text = serde_json::to_vec_pretty(value).map_err(|e| Error::refused(format!("{CONFIG}: {e}")))?;
    parse(CONFIG, &text).map_err(Error::from)
}

/// What is wrong, with the option and the path before it; the hint stays.
fn at(error: Error, option: &str, path: &Path) -> Error {
    let told = Error::refused(format!("{option} {path}: {error}"));
    match error.hint() {
        Some(hint) => told.with_hint(hint.to_owned()),
        None => told,
    }
}

/// Whether anybody reads what is there. The specification demands that unknown properties are ignored, so a slip of
/// the pen would say nothing; but no property is read as a truth value and as an array as well.
fn is_read(config: &Value, pointer: &str) -> bool {
    let takes = |other: Value| {
        let mut config = config.clone();
        let place = config.pointer_mut(pointer).map(|value| *value = other);
        place.is_some() && parsed(&config).is_ok()
    };
    !(takes(json!(true)) && takes(json!([])))
}

/// A value in the file, and its JSON pointer (RFC 6901).
struct Place<'a> {
    slot: &'a mut Value,
    pointer: String,
}

/// Walks to the place and makes what is missing on the way: objects for properties, an array for `[+]`.
fn place<'a>(value: &'a mut Value, parts: &[Part]) -> Result<Place<'a>> {
    let mut here = Place { slot: value, pointer: String::new() };
    for part in parts {
        let (slot, name) = match part {
            Part::Key(name) => {
                if here.slot.is_null() {
                    *here.slot = json!({});
                }
                (object(here.slot)?.entry(name).or_insert(Value::Null), name.clone())
            }
            part => {
                if here.slot.is_null() && *part == Part::Next {
                    *here.slot = json!([]);
                }
                let list = array(here.slot)?;
                let index = index(list, part)?;
                if index == list.len() {
                    list.push(Value::Null);
                }
                (&mut list[index], index.to_string())
            }
        };
        here = Place {
            slot,
            pointer: format!("{}/{}", here.pointer, name.replace('~', "~0").replace('/', "~1")),
        };
    }
    Ok(here)
}

fn remove(value: &mut Value, path: &Path) -> Result<()> {
    let missing = || Error::refused("is not there");
    let Some((last, parents)) = path.parts.split_last() else { return Err(missing()) };
    let mut here = value;
    for part in parents {
        here = match part {
            Part::Key(name) => object(here)?.get_mut(name).ok_or_else(missing)?,
            part => {
                let list = array(here)?;
                let index = index(list, part)?;
                list.get_mut(index).ok_or_else(missing)?
            }
        };
    }
    match last {
        Part::Key(name) => object(here)?.remove(name).map(drop).ok_or_else(missing),
        Part::Next => Err(missing()),
        part => {
            let list = array(here)?;
            list.remove(index(list, part)?);
            Ok(())
        }
    }
}

fn object(value: &mut Value) -> Result<&mut serde_json::Map<String, Value>> {
    value.as_object_mut().ok_or_else(|| Error::refused("leads through a value that is no object"))
}

fn array(value: &mut Value) -> Result<&mut Vec<Value>> {
    value.as_array_mut().ok_or_else(|| {
        Error::refused("leads through a value that is no array").with_hint("[+] makes an array where none is")
    })
}

/// Which entry is meant; one behind the last for `[+]`.
fn index(list: &[Value], part: &Part) -> Result<usize> {
    let word = match part {
        Part::Next => return Ok(list.len()),
        Part::Index(index) if *index < list.len() => return Ok(*index),
        Part::Index(index) => index.to_string(),
        Part::Named(word) | Part::Key(word) => word.clone(),
    };
    let found: Vec<_> =
        (0..list.len()).filter(|index| names(&list[*index]).any(|name| name == word)).collect();
    match (found.as_slice(), part) {
        ([index], _) => Ok(*index),
        ([], Part::Index(_)) => {
            Err(Error::refused(format!("there are {} entries, counted from 0", list.len())))
        }
        ([], _) => {
            let all: Vec<_> = list.iter().filter_map(|entry| names(entry).next()).collect();
            Err(Error::refused(format!("no entry is called {word:?}"))
                .with_hint(format!("there are: {}; [+] is one more", all.join(", "))))
        }
        (several, _) => Err(Error::refused(format!("{} entries are called {word:?}", several.len()))
            .with_hint(format!("take one by its number: {several:?}"))),
    }
}

/// What an entry is called: the text itself, or the property that tells it from its neighbours.
fn names(entry: &Value) -> impl Iterator<Item = &str> {
    let properties =
        ["destination", "type", "path", "name"].into_iter().filter_map(|key| entry[key].as_str());
    entry.as_str().into_iter().chain(properties)
}
