//! The way to a property, written as the errors write it: `linux.namespaces[2].path`.
//!
//! No kernel calls. Book: "A bundle" (`bundle`).
//! Invariant: pure; what is parsed is written back with the same letters.

use std::fmt;
use std::str::FromStr;

/// Where something is, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    pub(super) parts: Vec<Part>,
}

/// One part of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// `.key`, or `["net.ipv4.ip_forward"]` where a dot would mean something else: a property of an object.
    Key(String),
    /// `[2]`: an entry of an array, counted from 0.
    Index(usize),
    /// `[network]`, `[/proc]`: the entry that is, or is called, so.
    Named(String),
    /// `[+]`: one more entry, behind the last.
    Next,
}

impl Path {
    /// The path at the beginning of `text`, and what comes after it.
    ///
    /// # Errors
    /// A sentence that says what a path is.
    pub(super) fn begin(text: &str) -> Result<(Path, &str), String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while !rest.is_empty() && !rest.starts_with('=') {
            let (part, after) = match rest.strip_prefix('[') {
                Some(inside) => bracket(inside)?,
                None => key(rest, parts.is_empty())?,
            };
            parts.push(part);
            rest = after;
        }
        if parts.is_empty() {
            return Err("a path begins with a property: hostname, linux.namespaces[network].path".to_owned());
        }
        let text = text[..text.len() - rest.len()].to_owned();
        Ok((Path { text, parts }, rest))
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Path::begin(text)? {
            (path, "") => Ok(path),
            (path, rest) => Err(format!("{rest:?} comes after the path {path}")),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `.key`, the first without its dot.
fn key(text: &str, is_first: bool) -> Result<(Part, &str), String> {
    let name = match text.strip_prefix('.') {
        Some(name) if !is_first => name,
        None if is_first => text,
        _ => return Err(format!("a dot or a bracket is wanted before {text:?}")),
    };
    let end = name.find(['.', '[', '=']).unwrap_or(name.len());
    match name.split_at(end) {
        ("", _) => Err(format!("the name of a property is wanted in {text:?}")),
        (name, rest) => Ok((Part::Key(name.to_owned()), rest)),
    }
}

/// What is between brackets, and what comes after them.
fn bracket(inside: &str) -> Result<(Part, &str), String> {
    let open = || format!("a bracket is not closed: [{inside}");
    if inside.starts_with('"') {
        let mut texts = serde_json::Deserializer::from_str(inside).into_iter::<String>();
        let name = texts.next().and_then(Result::ok).ok_or_else(open)?;
        let rest = inside[texts.byte_offset()..].strip_prefix(']').ok_or_else(open)?;
        return Ok((Part::Key(name), rest));
    }
    let (word, rest) = inside.split_once(']').ok_or_else(open)?;
    let part = match word {
        "" => return Err("[] names no entry: [0], [network], [+] for one more".to_owned()),
        "+" => Part::Next,
        _ => word.parse().map(Part::Index).unwrap_or_else(|_| Part::Named(word.to_owned())),
    };
    Ok((part, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_errors() {
        let parts = |text: &str| text.parse::<Path>().map(|path| path.parts);
        let key = |name: &str| Part::Key(name.to_owned());
        assert_eq!(
            parts("linux.namespaces[2].path"),
            Ok(vec![key("linux"), key("namespaces"), Part::Index(2), key("path")])
        );
        assert_eq!(
            parts("linux.sysctl[\"net.ipv4.ip]=\"]"),
            Ok(vec![key("linux"), key("sysctl"), key("net.ipv4.ip]=")])
        );
        assert_eq!(parts("mounts[/proc]"), Ok(vec![key("mounts"), Part::Named("/proc".to_owned())]));
        assert_eq!(parts("mounts[+]"), Ok(vec![key("mounts"), Part::Next]));
        for wrong in ["", ".a", "a.", "a..b", "a[", "a[\"b]", "a[]", "a[0]b", "a=b", "a[\"b\"c]"] {
            assert!(parts(wrong).is_err(), "{wrong:?}");
        }
    }
}
