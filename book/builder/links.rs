//! The rendered book, checked: links and anchors resolve, nothing is fetched from a network.
//!
//! open(2), stat(2). Book: all rendered pages.
//! A reader may be on a train: pages, styles, scripts, fonts and pictures all come from the output directory.
//! Invariant: a book that passes has no dead internal link; links to the world are `<a href>` only.

use crate::fault::Fault;
use crate::markup::{Tag, tags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// What one page offers and asks for.
struct Page {
    ids: BTreeSet<String>,
    asks: Vec<(usize, String)>,
}

/// Checks all pages and styles below `out`.
pub fn check(out: &Path) -> io::Result<Vec<Fault>> {
    let mut faults = Vec::new();
    let mut pages = BTreeMap::new();
    for name in files(out)? {
        let is = |extension: &str| name.extension().is_some_and(|it| it == extension);
        if is("html") {
            let text = fs::read_to_string(out.join(&name))?;
            pages.insert(name.clone(), read(&name, &text, &mut faults));
        } else if is("css") {
            let text = fs::read_to_string(out.join(&name))?;
            style(out, &name, &text, &mut faults);
        }
    }
    for (name, page) in &pages {
        for (line, target) in &page.asks {
            if let Some(why) = dead(out, name, target, &pages) {
                faults.push(Fault::new(name.display().to_string(), *line, why));
            }
        }
    }
    Ok(faults)
}

/// The names of all files below `out`, relative to it.
fn files(out: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![out.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            match path.strip_prefix(out) {
                _ if path.is_dir() => open.push(path),
                Ok(name) => found.push(name.to_owned()),
                Err(_) => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(name: &Path, text: &str, faults: &mut Vec<Fault>) -> Page {
    let mut page = Page { ids: BTreeSet::new(), asks: Vec::new() };
    let file = name.display().to_string();
    if let Some(at) = text.find("{{#") {
        let line = text[..at].matches('\n').count() + 1;
        faults.push(Fault::new(&file, line, "a directive was left over: {{#"));
    }
    for tag in tags(text) {
        if let Some(id) = tag.get("id").filter(|id| !page.ids.insert((*id).to_owned())) {
            faults.push(Fault::new(&file, tag.line, format!("the id {id:?} is on this page twice")));
        }
        for (attribute, target) in targets(&tag) {
            if !is_external(target) {
                page.asks.push((tag.line, target.to_owned()));
            } else if tag.name != "a" && !target.starts_with("data:") {
                let why = format!("<{} {attribute}> would be loaded from a network: {target}", tag.name);
                faults.push(Fault::new(&file, tag.line, why));
            }
        }
    }
    page
}

fn targets(tag: &Tag) -> impl Iterator<Item = (&'static str, &str)> {
    ["href", "src", "srcset", "poster", "xlink:href"].into_iter().filter_map(|key| Some((key, tag.get(key)?)))
}

fn is_external(target: &str) -> bool {
    let scheme = target.split_once(':').map_or("", |(scheme, _)| scheme);
    target.starts_with("//") || (!scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// Why `target`, asked for by `page`, does not resolve.
fn dead(out: &Path, page: &Path, target: &str, pages: &BTreeMap<PathBuf, Page>) -> Option<String> {
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let path = percent_decoded(path.split('?').next().unwrap_or(""));
    let name = match path.as_str() {
        "" => page.to_owned(),
        path => match normal(&page.parent().unwrap_or(Path::new("")).join(path)) {
            Some(name) => name,
            None => return Some(format!("{target:?} leads out of the book")),
        },
    };
    let name = if out.join(&name).is_dir() { name.join("index.html") } else { name };
    if !out.join(&name).is_file() {
        return Some(format!("{target:?} leads nowhere: no {}", name.display()));
    }
    let fragment = percent_decoded(fragment);
    let there = |page: &Page| fragment.is_empty() || page.ids.contains(&fragment);
    match pages.get(&name) {
        Some(page) if !there(page) => Some(format!("{target:?}: no id {fragment:?} in {}", name.display())),
        _ => None,
    }
}

/// `path` without `.` and `..`; nothing where it would climb out or is absolute.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => clean.push(name),
            Component::ParentDir if clean.pop() => {}
            _ => return None,
        }
    }
    Some(clean)
}

/// `%41` -> `A`. What is no escape stays as it is.
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Checks what a style sheet would load.
fn style(out: &Path, name: &Path, text: &str, faults: &mut Vec<Fault>) {
    let file = name.display().to_string();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("@import") {
            faults.push(Fault::new(&file, number, "@import: list the style in book.toml instead"));
        }
        for part in line.split("url(").skip(1) {
            let target = part.split(')').next().unwrap_or("").trim_matches(['"', '\'', ' ']);
            if target.starts_with("data:") {
            } else if is_external(target) {
                faults.push(Fault::new(&file, number, format!("would be loaded from a network: {target}")));
            } else if let Some(why) = dead(out, name, target, &BTreeMap::new()) {
                faults.push(Fault::new(&file, number, why));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_pages(name: &str, files: &[(&str, &str)]) -> Vec<String> {
        let out = std::env::temp_dir().join(format!("book-links-{}-{name}", std::process::id()));
        for (name, text) in files {
            let path = out.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let faults = check(&out).unwrap().iter().map(Fault::to_string).collect();
        fs::remove_dir_all(&out).unwrap();
        faults
    }

    #[test]
    fn links_that_resolve_pass() {
        let faults = check_pages(
            "good",
            &[
                (
                    "index.html",
                    "<p id=top><a href='#top'>x</a><a href='sub/b.html#%EA%B0%80'>x</a><a href='sub'>x</a>",
                ),
                (
                    "sub/b.html",
                    "<h2 id='가'></h2><a href='../index.html#top'>x</a><a href='https://e.org/x#y'>x</a><img src='data:x'>",
                ),
                ("sub/index.html", ""),
                ("a.css", "a { background: url('sub/b.html') }"),
            ],
        );
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn dead_links_and_anchors_are_faults() {
        for (link, why) in [
            ("b.html", "leads nowhere"),
            ("#nothing", "no id \"nothing\""),
            ("sub/b.html#x", "no id \"x\" in sub/b.html"),
            ("../outside.html", "leads out of the book"),
            ("/index.html", "leads out of the book"),
        ] {
            let page = format!("<p>\n<a href='{link}'>x</a>");
            let faults = check_pages("dead", &[("index.html", &page), ("sub/b.html", "")]);
            assert_eq!(faults.len(), 1, "{link}: {faults:?}");
            assert!(faults[0].starts_with("index.html:2: ") && faults[0].contains(why), "{link}: {faults:?}");
        }
    }

    #[test]
    fn nothing_may_come_from_a_network() {
        for page in [
            "<script src='https://e.org/x.js'></script>",
            "<link rel=stylesheet href='//e.org/x.css'>",
            "<img src='http://e.org/x.png'>",
        ] {
            let faults = check_pages("net", &[("index.html", page)]);
            assert!(faults.len() == 1 && faults[0].contains("network"), "{page}: {faults:?}");
        }
        let faults = check_pages("net-css", &[("a.css", "@font-face { src: url(https://e.org/f.woff2) }")]);
        assert!(faults.len() == 1 && faults[0].contains("network"), "{faults:?}");
    }

    #[test]
    fn an_id_stands_once_and_no_directive_is_left() {
        let faults = check_pages("twice", &[("index.html", "<p id=a><p id=a>\n{{#listing x}}")]);
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
