//! A configuration, changed in some of its values.
//!
//! No kernel calls; RFC 7396, JSON Merge Patch. Book: "config.json, field by field" (`config`).
//! Invariant: pure.

use serde_json::{Value, json};

/// An object is merged, `null` takes a property away, anything else takes its place.
pub fn merge(into: &mut Value, patch: Value) {
    match patch {
        Value::Object(patch) => {
            if !into.is_object() {
                *into = json!({});
            }
            for (name, value) in patch {
                match value {
                    Value::Null => drop(into.as_object_mut().unwrap().remove(&name)),
                    value => merge(&mut into[name.as_str()], value),
                }
            }
        }
        value => *into = value,
    }
}
