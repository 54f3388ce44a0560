//! Which version of the specification a bundle is written for.
//!
//! No kernel calls; config.md, "Specification version"; semver.org 2.0.0. Book: `config`.
//! Invariant: pure; a version that is no SemVer, or of another major, is refused.

use super::Findings;
use crate::config::VERSION;
use crate::config::fault::At;

const RULE: &str = "config.md, Specification version";

/// A later minor version is still ours, but for what is new in it.
pub(super) fn check(text: &str, at: At<'_>, found: &mut Findings) {
    let Some((major, minor)) = semver(text) else {
        let what = format!("{text:?} is no version as SemVer 2.0.0 has them: MAJOR.MINOR.PATCH");
        return found.refuse(&at, what, RULE);
    };
    let known = semver(VERSION).unwrap_or_default();
    if major != known.0 {
        found.refuse(&at, format!("{text:?} is of another major version than {VERSION}"), RULE);
    } else if minor > known.1 {
        found.warn(&at, format!("{text:?} is later than {VERSION}; what is new in it is ignored"), RULE);
    }
}

/// Major and minor of MAJOR.MINOR.PATCH[-PRE][+BUILD].
fn semver(text: &str) -> Option<(u64, u64)> {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let numbers: Vec<u64> = core.split('.').map(number).collect::<Option<_>>()?;
    let sound = build.is_none_or(|build| build.split('.').all(identifier))
        && pre.is_none_or(|pre| pre.split('.').all(|part| identifier(part) && no_leading_zero(part)));
    match numbers[..] {
        [major, minor, _patch] if sound => Some((major, minor)),
        _ => None,
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && no_leading_zero(text)).then(|| text.parse().ok()).flatten()
}

fn identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Of numbers only: `rc01` is a word.
fn no_leading_zero(text: &str) -> bool {
    text == "0" || !text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_versions_are_semver() {
        for good in
            ["1.0.0", "1.0.2-dev", "1.0.0-rc5", "1.3.0", "1.0.0-rc.1+build.007", "1.0.0-01a", "1.10.0+-"]
        {
            assert_eq!(semver(good).map(|version| version.0), Some(1), "{good}");
        }
        for bad in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "v1.0.0",
            "1.0.x",
            "01.0.0",
            "1.0.0-",
            "1.0.0-01",
            "1.0.0+",
            "1.0.0-a..b",
            " 1.0.0",
            "1.0.+1",
            "1.0.0-ü",
            "1..0",
        ] {
            assert_eq!(semver(bad), None, "{bad}");
        }
    }
}
