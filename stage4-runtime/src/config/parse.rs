//! From the bytes of a file to its types.
//!
//! No kernel calls; RFC 8259. Book: "config.json, field by field" (`config`).
//! Invariant: pure; a text that is not wholly understood is refused where it is wrong, by its path; no text panics.

use super::fault::{Fault, Faults, segment};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::Segment;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// Where to read what is asked of every one of these files.
const JSON: &str = "RFC 8259";

/// Reads a JSON text; `file` is what the errors call it: `config.json`.
///
/// `T` is a [`Config`](super::Config), or what `exec --process` and `update --resources` are given: a
/// [`Process`](super::Process), a [`Resources`](super::Resources).
///
/// # Errors
/// No JSON, a property of the wrong type, a name that is none, a property that is missing or there twice.
pub fn parse<T: DeserializeOwned>(file: &str, text: &[u8]) -> Result<T, Faults> {
    match serde_json::from_slice(text) {
        Ok(parsed) => Ok(parsed),
        // The path costs a third more time, so it is looked for only where it is wanted.
        Err(error) => Err(Faults::one(file, locate::<T>(text, &error))),
    }
}

/// The same error, with the path of the property.
fn locate<T: DeserializeOwned>(text: &[u8], first: &serde_json::Error) -> Fault {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) if error.inner().is_data() => {
            let text = error.inner().to_string();
            let (rule, place) = split(&text);
            Fault::new(path(error.path()), format!("{rule} ({place})"), "config.md")
        }
        _ => malformed(text, first),
    }
}

/// No JSON at all, or with something after it.
fn malformed(text: &[u8], error: &serde_json::Error) -> Fault {
    let error = error.to_string();
    let (what, place) = split(&error);
    let why = match text {
        [] => "the file is empty".to_owned(),
        [0xef, 0xbb, 0xbf, ..] => "a byte order mark is before the text; JSON has none".to_owned(),
        _ => format!("no JSON: {what} ({place})"),
    };
    Fault::new(String::new(), why, JSON)
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
