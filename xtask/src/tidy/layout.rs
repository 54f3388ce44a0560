//! The top level, and who leans on whom.
//!
//! No kernel calls. Book: none.
//! Invariant: dependencies point backward in history only; xtask links no stage.

use super::sources::Sources;
use std::collections::BTreeSet;

const FOLDERS: [&str; 6] =
    ["stage1-chroot", "stage2-namespaces", "stage3-cgroups", "stage4-runtime", "xtask", "book"];

const FILES: [&str; 14] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "README.ko.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "rust-toolchain.toml",
    "clippy.toml",
    "rustfmt.toml",
    "deny.toml",
    "typos.toml",
];

/// What each crate may name of ours in its manifest.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("stage1-chroot", &["observe"]),
    ("stage2-namespaces", &["observe", "stage1-chroot"]),
    ("stage3-cgroups", &["observe", "stage1-chroot", "stage2-namespaces"]),
    ("stage4-runtime", &["observe", "stage1-chroot", "stage2-namespaces", "stage3-cgroups"]),
    ("xtask", &["observe"]),
    ("xtask/observe", &[]),
    ("xtask/probe", &["stage1-chroot"]),
    ("book", &[]),
];

/// Findings about the layout.
pub(super) fn check(sources: &Sources) -> Vec<String> {
    let mut findings = top_level(sources);
    findings.extend(MAY_USE.iter().flat_map(|(member, allowed)| leaning(sources, member, allowed)));
    findings.extend(readmes(sources));
    findings
}

fn top_level(sources: &Sources) -> Vec<String> {
    let tops: BTreeSet<_> = sources
        .files
        .iter()
        .map(|file| file.path.split_once('/').map_or((false, file.path.as_str()), |(top, _)| (true, top)))
        .collect();
    let fits = |(folder, name): &(bool, &str)| {
        name.starts_with('.') || if *folder { FOLDERS.contains(name) } else { FILES.contains(name) }
    };
    tops.iter()
        .filter(|top| !fits(top))
        .map(|(_, name)| format!("{name}: not of the fixed top level"))
        .collect()
}

fn leaning(sources: &Sources, member: &str, allowed: &[&str]) -> Vec<String> {
    let path = format!("{member}/Cargo.toml");
    let Some(manifest) = sources.find(&path) else { return vec![format!("{path}: missing")] };
    let ours = MAY_USE.iter().map(|(member, _)| member.rsplit('/').next().unwrap_or(member));
    let names = |name: &str| {
        manifest
            .text
            .lines()
            .any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '='])))
    };
    let wrong = ours.filter(|name| !allowed.contains(name) && names(name));
    wrong.map(|name| format!("{path}: {member} must not use {name} (ARCHITECTURE.md, Rooms)")).collect()
}

/// The two READMEs say the same: they have the same headings and the same commands.
fn readmes(sources: &Sources) -> Option<String> {
    let shape = |path: &str| {
        let text = sources.find(path).map(|file| file.text.as_str()).unwrap_or_default();
        let mut code = false;
        let mut shape = Vec::new();
        for line in text.lines() {
            if line.starts_with("```") {
                code = !code;
            } else if code {
                shape.push(line.split('#').next().unwrap_or_default().trim().to_owned());
            } else if line.starts_with('#') {
                shape.push(line.chars().take_while(|c| *c == '#').collect());
            }
        }
        shape
    };
    (shape("README.md") != shape("README.ko.md")).then(|| {
        "README.ko.md: headings and commands are not those of README.md, in the same order".to_owned()
    })
}
