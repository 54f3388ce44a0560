//! A call that was told as a pattern for calls that were seen.
//!
//! No kernel calls. Invariant: flags may be in any order; `<x>` is a number or AT_FDCWD, `…` is anything.

/// What was told.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub text: String,
    /// In brackets?
    pub optional: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Descriptor,
    Anything,
}

impl Pattern {
    pub fn of(told: &str) -> Self {
        let optional = told.starts_with('[') && told.ends_with(']');
        let text = if optional { &told[1..told.len() - 1] } else { told };
        Pattern { text: told.to_owned(), optional, parts: parts(&with_sorted_flags(text)) }
    }

    /// `seen` has sorted flags.
    pub fn is(&self, seen: &str) -> bool {
        fits(&self.parts, seen)
    }
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let special = match c {
            '…' => Some((Part::Anything, '…'.len_utf8())),
            // `1<<CAP_KILL` is a number.
            '<' if !rest.starts_with("<<") && !plain.ends_with('<') => {
                rest.find('>').map(|end| (Part::Descriptor, end + 1))
            }
            _ => None,
        };
        let length = match special {
            Some((part, length)) => {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(part);
                length
            }
            None => {
                plain.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    parts.push(Part::Text(plain));
    parts
}

fn fits(parts: &[Part], text: &str) -> bool {
    match parts {
        [] => text.is_empty(),
        [Part::Text(plain), rest @ ..] => {
            text.strip_prefix(plain.as_str()).is_some_and(|text| fits(rest, text))
        }
        [Part::Descriptor, rest @ ..] => match text.strip_prefix("AT_FDCWD") {
            Some(text) => fits(rest, text),
            None => {
                let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                digits > 0 && fits(rest, &text[digits..])
            }
        },
        [Part::Anything, rest @ ..] => {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| fits(rest, &text[at..]))
        }
    }
}

/// `B|A` as `A|B`, wherever flags stand.
pub fn with_sorted_flags(text: &str) -> String {
    let is_flag = |c: char| c.is_ascii_alphanumeric() || "_<|".contains(c);
    let mut sorted = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_flag(c)).unwrap_or(rest.len());
        let mut flags: Vec<&str> = rest[..end].split('|').collect();
        flags.sort_unstable();
        sorted += &flags.join("|");
        rest = &rest[end..];
        let next = rest.find(is_flag).unwrap_or(rest.len());
        sorted += &rest[..next];
        rest = &rest[next..];
    }
    sorted
}

#[test]
fn explain_patterns_tell_calls_apart() {
    let told = Pattern::of("openat2(<rootfs>, \"proc\", {flags=O_PATH|O_CLOEXEC}, 24)");
    let seen = |text: &str| told.is(&with_sorted_flags(text));
    assert!(seen("openat2(24, \"proc\", {flags=O_CLOEXEC|O_PATH}, 24)"));
    assert!(!seen("openat2(24, \"sys\", {flags=O_CLOEXEC|O_PATH}, 24)"));
    assert!(!seen("openat2(24, \"proc\", {flags=O_CLOEXEC}, 24)"));
    assert!(!seen("openat2(x, \"proc\", {flags=O_CLOEXEC|O_PATH}, 24)"));
    assert!(Pattern::of("[setgroups(0, [])]").optional);
    let sets = Pattern::of("capset(…, {effective=1<<CAP_KILL|1<<CAP_CHOWN, permitted=0})");
    assert!(
        sets.is(&with_sorted_flags("capset({pid=0}, {effective=1<<CAP_CHOWN|1<<CAP_KILL, permitted=0})"))
    );
    assert!(!sets.is(&with_sorted_flags("capset({pid=0}, {effective=1<<CAP_CHOWN, permitted=0})")));
}
