//! Conventions of the code: module heads, rooms of unsafe, names, sizes.
//!
//! No kernel calls. Book: none.
//! Invariant: over the limit no reason is good enough; what wants one below it is for review (`ARCHITECTURE.md`).

use super::sources::{Source, Sources};

/// Lines of a file, without its unit tests; over 300 wants a reason.
const FILE_LIMIT: usize = 400;

/// Lines of a function; over 40 wants a reason.
const FUNCTION_LIMIT: usize = 60;

const NAMES: [&str; 5] = ["utils", "util", "helpers", "common", "manager"];

/// Findings about the code.
pub(super) fn check(sources: &Sources) -> Vec<String> {
    sources
        .code()
        .flat_map(|file| [head(file), unsafe_room(file), name(file), size(file), functions(file)])
        .flatten()
        .collect()
}

/// What it does; the calls and the year; the book section; the invariant.
fn head(file: &Source) -> Option<String> {
    let lines: Vec<_> =
        file.text.lines().take_while(|line| line.starts_with("//!") || line.starts_with("#!")).collect();
    let generated = file.path.ends_with("build.rs")
        || file.path.ends_with("/tests.rs")
        || file.path.ends_with("lib.rs")
        || file.path.contains("/commands/");
    let says = |word: &str| lines.iter().any(|line| line.contains(word));
    match () {
        () if lines.is_empty() => Some(format!("{}:1: no module head (//!)", file.path)),
        () if generated => None,
        () if !says("Invariant:") => {
            Some(format!("{}:1: the module head names no invariant (`Invariant: …`)", file.path))
        }
        () if !says("Book:") => {
            Some(format!("{}:1: the module head names no section (`Book: …`)", file.path))
        }
        () => None,
    }
}

fn unsafe_room(file: &Source) -> Option<String> {
    let room = file.path.ends_with("/sys.rs") || file.path.contains("/sys/");
    let quote = concat!("allow(", "unsafe_code");
    let line = file.text.lines().position(|line| line.contains(quote)).filter(|_| !room)?;
    Some(format!("{}:{}: unsafe is allowed in rooms named sys only", file.path, line + 1))
}

fn name(file: &Source) -> Option<String> {
    let parts = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
    let wrong = parts.into_iter().find(|part| NAMES.contains(part))?;
    Some(format!("{}: a room is named by what it holds, not {wrong:?}", file.path))
}

fn without_tests(file: &Source) -> &str {
    file.text.split("#[cfg(test)]").next().unwrap_or_default()
}

fn size(file: &Source) -> Option<String> {
    let lines = without_tests(file).lines().count();
    (lines > FILE_LIMIT).then(|| format!("{}: {lines} lines, more than {FILE_LIMIT}", file.path))
}

/// The first function that is too long; rustfmt's indentation tells where one ends.
fn functions(file: &Source) -> Option<String> {
    let lines: Vec<_> = without_tests(file).lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| opens_function(line));
    let length = |(start, line): (usize, &&str)| {
        let indent = line.len() - line.trim_start().len();
        let close = format!("{:indent$}}}", "");
        let end = lines[start..].iter().position(|line| *line == close)?;
        Some((start + 1, end + 1))
    };
    let (line, length) = starts.filter_map(length).find(|(_, length)| *length > FUNCTION_LIMIT)?;
    Some(format!("{}:{line}: a function of {length} lines, more than {FUNCTION_LIMIT}", file.path))
}

fn opens_function(line: &str) -> bool {
    let words = line.trim_start().split(' ').take_while(|word| !word.contains('('));
    line.trim_end().ends_with(['{', '('])
        && (line.trim_start().starts_with("fn ") || words.into_iter().any(|word| word == "fn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_long_function_is_found_with_its_line() {
        let body = "    let x = 1;\n".repeat(70);
        let found = functions(&file("a.rs", &format!("//! head\npub fn long() {{\n{body}}}\n"))).unwrap();
        assert_eq!(found, "a.rs:2: a function of 72 lines, more than 60");
    }

    #[test]
    fn unsafe_is_allowed_in_sys_only() {
        let text = concat!("#![allow(", "unsafe_code)]");
        assert!(unsafe_room(&file("x/src/sys.rs", text)).is_none());
        assert!(unsafe_room(&file("x/src/mounts.rs", text)).is_some());
    }

    #[test]
    fn a_module_head_names_section_and_invariant() {
        assert!(head(&file("x/src/a.rs", "//! A.\n//!\n//! B. Book: c.\n//! Invariant: d.\n")).is_none());
        assert!(head(&file("x/src/a.rs", "//! A.\n")).unwrap().contains("invariant"));
        assert!(head(&file("x/src/a.rs", "fn a() {}\n")).is_some());
    }
}
