//! What a registry asks for, who does not answer everybody.
//!
//! No kernel calls; RFC 9110, 11.3; the distribution project's token authentication. Book: "Images" (`images`).
//! Invariant: what cannot be read asks for nothing.

use std::collections::BTreeMap;

/// How somebody is to show who he is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// By a token, that somebody else gives out.
    Bearer {
        /// Who that is.
        realm: String,
        /// For whom he gives it out.
        service: Option<String>,
        /// For what.
        scope: Option<String>,
    },
    /// By name and password.
    Basic,
}

impl Challenge {
    /// Of several, a token: a password is shown to fewer then.
    pub fn read<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for header in headers {
            let (scheme, rest) = header.trim_start().split_once(' ').unwrap_or((header.trim(), ""));
            if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            } else if scheme.eq_ignore_ascii_case("bearer") {
                let mut words = words(rest)?;
                let realm = words.remove("realm")?;
                let (service, scope) = (words.remove("service"), words.remove("scope"));
                return Some(Challenge::Bearer { realm, service, scope });
            }
        }
        basic
    }
}

/// `name="value",name=value`.
fn words(mut rest: &str) -> Option<BTreeMap<String, String>> {
    let mut words = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(words);
        }
        let (name, after) = rest.split_once('=')?;
        let value;
        (value, rest) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim_end().to_owned(), &after[end..])
            }
        };
        words.insert(name.trim().to_ascii_lowercase(), value);
    }
}

/// What is before the closing quote, and what is behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_ask_in_several_ways() {
        let read = |headers: &[&str]| Challenge::read(headers.iter().copied());
        let bearer = |service: Option<&str>, scope: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            Some(Challenge::Bearer {
                realm: "https://a.io/t".into(),
                service: owned(service),
                scope: owned(scope),
            })
        };
        let whole = r#"Bearer realm="https://a.io/t",service="q.io", scope="repository:a/b:pull,push""#;
        assert_eq!(read(&[whole]), bearer(Some("q.io"), Some("repository:a/b:pull,push")));
        assert_eq!(read(&["Basic realm=x", "bearer Realm=https://a.io/t"]), bearer(None, None));
        assert_eq!(read(&[r#"Bearer realm="https://a.io\/t""#]), bearer(None, None));
        assert_eq!(read(&["basic"]), Some(Challenge::Basic));
        for nothing in ["", "Negotiate", "Bearer", "Bearer service=x", r#"Bearer realm="x"#, "Bearer realm"] {
            assert_eq!(read(&[nothing]), None, "{nothing}");
        }
    }
}
