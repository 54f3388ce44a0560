//! Enumerations that are names in config.json, and what is said where a name is none of them.
//!
//! No kernel calls. Book: "config.json, field by field" (`config`).
//! Invariant: a name is written here as the specification has it, once; nothing else is accepted for it.

/// Declares an enumeration: its variants, how config.json names them, and what one of them is called.
macro_rules! names {
    ($(#[$doc:meta])* $kind:ident, $what:literal { $($(#[$about:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind { $($(#[$about])* $variant,)+ }

        impl $kind {
            /// All of them, in the order of the specification.
            pub const ALL: &'static [$kind] = &[$($kind::$variant),+];

            /// As config.json has it.
            pub fn name(self) -> &'static str {
                match self { $($kind::$variant => $name,)+ }
            }

            /// The one that config.json calls `name`.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Name;
                impl serde::de::Visitor<'_> for Name {
                    type Value = $kind;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(f, "the name of {}", $what)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$kind, E> {
                        $kind::named(text).ok_or_else(|| E::custom($crate::config::names::no_name(
                            text, $what, $kind::ALL.iter().map(|one| one.name()),
                        )))
                    }
                }
                deserializer.deserialize_str(Name)
            }
        }
    };
}

pub(crate) use names;

/// `"nett" is not a kind of namespace (one of pid, network, …)`.
pub(crate) fn no_name<'a>(text: &str, what: &str, names: impl Iterator<Item = &'a str>) -> String {
    format!("{text:?} is not {what} (one of {})", names.collect::<Vec<_>>().join(", "))
}
