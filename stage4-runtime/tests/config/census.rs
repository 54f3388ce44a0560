//! Does the complete example have every field of every type? The types themselves say which they have.
//!
//! No kernel calls; the fields are those that serde's derived code asks for. Book: "config.json, field by field" (`config`).
//! Invariant: a field that is added to a type and not to the example fails here.

use super::{COMPLETE, complete};
use serde::Deserialize;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};
use stage4_runtime::config::Config;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// By type and field: was it there?
type Seen = RefCell<BTreeMap<(&'static str, &'static str), bool>>;

#[derive(Clone, Copy)]
struct Census<'a> {
    value: &'a Value,
    seen: &'a Seen,
}

impl<'a> Census<'a> {
    fn of(self, value: &'a Value) -> Self {
        Census { value, ..self }
    }
}

impl<'de> Deserializer<'de> for Census<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) if number.is_u64() => visitor.visit_u64(number.as_u64().unwrap()),
            Value::Number(number) => visitor.visit_i64(number.as_i64().unwrap()),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(list) => {
                visitor.visit_seq(SeqDeserializer::new(list.iter().map(|value| self.of(value))))
            }
            Value::Object(map) => {
                let entries = map.iter().map(|(key, value)| (key.as_str(), self.of(value)));
                visitor.visit_map(MapDeserializer::new(entries))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        for field in fields {
            *self.seen.borrow_mut().entry((name, field)).or_default() |= self.value.get(field).is_some();
        }
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Census<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[test]
fn config_example_has_every_field_of_every_type() {
    let (value, seen) = (complete(), Seen::default());
    Config::deserialize(Census { value: &value, seen: &seen }).unwrap();
    let seen = seen.into_inner();
    let missing: Vec<_> = seen.iter().filter(|(_, there)| !**there).map(|(field, _)| field).collect();
    assert!(missing.is_empty(), "not in the example: {missing:?}");
    assert!(seen.len() > 150, "the census counted {} fields only", seen.len());
}

#[test]
fn config_example_goes_round() {
    let config: Config = stage4_runtime::config::parse("config.json", COMPLETE.as_bytes()).unwrap();
    assert_eq!(serde_json::to_value(&config).unwrap(), complete());
    let again = serde_json::to_string_pretty(&config).unwrap();
    assert_eq!(stage4_runtime::config::parse::<Config>("config.json", again.as_bytes()).unwrap(), config);
}
