//! From the bytes of a file to its types.
//!
//! No kernel calls; RFC 8259. Book: "config.json, field by field" (`config`).
//! Invariant: pure; a text that is not wholly understood is refused where it is wrong, by its path; no text panics.

use super::fault::{At, Fault, Faults, segment};
use super::strict::Strict;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::Segment;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// Where it is written what a text has to be.
const JSON: &str = "RFC 8259";

/// serde_json's own limit, which it does not apply to what is ignored.
const DEEPEST: usize = 128;

/// Reads a JSON text; `file` is what the errors call it: `config.json`.
///
/// `T` is a [`Config`](super::Config), or what `exec --process` and `update --resources` are given: a
/// [`Process`](super::Process), a [`Resources`](super::Resources).
///
/// # Errors
/// No JSON, a property of the wrong type, a name that is none, a property that is missing or there twice; a text that
/// holds NUL, which would end each string that the kernel is given.
pub fn parse<T: DeserializeOwned>(file: &str, text: &[u8]) -> Result<T, Faults> {
    let refused = |fault| Faults::one(file, fault);
    let text = std::str::from_utf8(text)
        .map_err(|error| refused(whole(format!("no UTF-8 after byte {}", error.valid_up_to()))))?;
    if depth(text) > DEEPEST {
        return Err(refused(whole(format!("nested more than {DEEPEST} deep"))));
    }
    // To keep the path costs time, so it is looked for only where it is wanted.
    let parsed = strictly(text).map_err(|error| refused(locate::<T>(text, &error)))?;
    match text.contains("\\u0000").then(|| nul(text)).flatten() {
        Some(path) => {
            Err(refused(Fault::new(path, "holds NUL, which ends a string of the kernel's", "execve(2)")))
        }
        None => Ok(parsed),
    }
}

fn strictly<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = T::deserialize(Strict(&mut deserializer))?;
    deserializer.end().map(|()| parsed)
}

/// A fault of the file as a whole.
fn whole(what: impl fmt::Display) -> Fault {
    Fault::new("", what, JSON)
}

/// The same error, with the path of the property.
fn locate<T: DeserializeOwned>(text: &str, first: &serde_json::Error) -> Fault {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(Strict(&mut deserializer)) {
        Err(error) if error.inner().is_data() => {
            let sentence = error.inner().to_string();
            let (rule, place) = split(&sentence);
            Fault::new(path(error.path()), format!("{rule} ({place})"), "config.md")
        }
        _ => malformed(text, first),
    }
}

/// No JSON at all, or with something after it.
fn malformed(text: &str, error: &serde_json::Error) -> Fault {
    let sentence = error.to_string();
    let (what, place) = split(&sentence);
    match text.chars().next() {
        None => whole("the file is empty"),
        Some('\u{feff}') => whole("a byte order mark is before the text; JSON has none"),
        Some(_) => whole(format!("no JSON: {what} ({place})")),
    }
}

/// How many brackets and braces are open at once, at most.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => open += 1,
            b']' | b'}' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// The path of the first text, or name of a property, that holds NUL.
fn nul(text: &str) -> Option<String> {
    fn find(value: &serde_json::Value, at: &At<'_>) -> Option<String> {
        match value {
            serde_json::Value::String(text) => text.contains('\0').then(|| at.to_string()),
            serde_json::Value::Array(list) => {
                list.iter().enumerate().find_map(|(number, value)| find(value, &at.index(number)))
            }
            serde_json::Value::Object(map) => map.iter().find_map(|(key, value)| {
                let at = at.key(key);
                if key.contains('\0') { Some(at.to_string()) } else { find(value, &at) }
            }),
            _ => None,
        }
    }
    find(&serde_json::from_str(text).ok()?, &At::Top)
}

/// serde_json's sentence and its place, which are one text.
fn split(error: &str) -> (&str, &str) {
    error.rsplit_once(" at ").filter(|(_, place)| place.starts_with("line ")).unwrap_or((error, "somewhere"))
}

fn path(path: &serde_path_to_error::Path) -> String {
    path.iter().fold(String::new(), |mut text, part| {
        match part {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } => segment(&mut text, key),
            Segment::Enum { variant } => segment(&mut text, variant),
            Segment::Unknown => segment(&mut text, "?"),
        }
        text
    })
}

/// A map in which no key is there twice; serde's own would keep the last one, another reader the first.
pub(super) fn unique<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    struct Unique<K, V>(PhantomData<(K, V)>);

    impl<'de, K, V> Visitor<'de> for Unique<K, V>
    where
        K: Deserialize<'de> + Ord + fmt::Display,
        V: Deserialize<'de>,
    {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some(key) = access.next_key::<K>()? {
                if map.contains_key(&key) {
                    return Err(serde::de::Error::custom(format!("duplicate field `{key}`")));
                }
                map.insert(key, access.next_value()?);
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Unique(PhantomData))
}
