//! What is asked of texts of many sections: paths, names of interfaces, lists of numbers, environments.
//!
//! No kernel calls; path_resolution(7), cpuset(7), netdevice(7). Book: `config`.
//! Invariant: pure; no text is set right.

use super::Findings;
use crate::config::fault::At;

/// A path from the root on.
pub(super) fn absolute(path: &str, at: &At<'_>, rule: &'static str, found: &mut Findings) {
    if !path.starts_with('/') {
        found.refuse(at, format!("{path:?} is no absolute path"), rule);
    }
}

/// A path inside the container: it is walked name by name, and its names are made where they are missing, so that
/// one that leads upwards would depend on what is there.
pub(super) fn downwards(path: &str, at: &At<'_>, found: &mut Findings) {
    if leads_upwards(path) {
        found.refuse(at, format!("{path:?} leads upwards; write where it leads to"), "path_resolution(7)");
    }
}

/// Is one of its components `..`?
pub(super) fn leads_upwards(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// A text that is one line of one of the kernel's files.
pub(super) fn line(text: &str, at: &At<'_>, rule: &'static str, found: &mut Findings) {
    if text.is_empty() {
        found.refuse(at, "is empty; leave it out", rule);
    } else if text.contains(char::is_control) {
        found.refuse(at, format!("{text:?} holds a control character"), rule);
    }
}

/// net/core/dev.c, dev_valid_name(): 1 to 15 bytes, of which none is `/`, `:` or blank.
pub(super) fn interface(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        "." | ".." => Some("is a directory's name"),
        _ if name.len() > 15 => Some("is longer than 15 bytes"),
        _ if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) => {
            Some("holds a slash, a colon, a blank or a control character")
        }
        _ => None,
    }
}

/// A list of processors or memory nodes below `end`: `0-3,7`; empty is none.
pub(super) fn list(text: &str, end: u32, at: &At<'_>, rule: &'static str, found: &mut Findings) {
    listed(text, end, range(end), at, rule, found);
}

/// The same as cpuset(7) takes it: the numbers of a range may be thinned out, `0-31:2/4`.
pub(super) fn cpuset(text: &str, end: u32, at: &At<'_>, rule: &'static str, found: &mut Findings) {
    listed(text, end, thinned(end), at, rule, found);
}

fn listed(
    text: &str,
    end: u32,
    sound: impl Fn(&str) -> bool,
    at: &At<'_>,
    rule: &'static str,
    found: &mut Findings,
) {
    if !text.is_empty() && !text.split(',').all(sound) {
        let what = format!("{text:?} is no list of numbers below {end} and of ranges, such as 0-3,7");
        found.refuse(at, what, rule);
    }
}

/// N, N-M.
fn range(end: u32) -> impl Fn(&str) -> bool {
    move |text| {
        let bounds = match text.split_once('-') {
            Some((first, last)) => number(first).zip(number(last)),
            None => number(text).map(|one| (one, one)),
        };
        bounds.is_some_and(|(first, last)| first <= last && last < end)
    }
}

/// lib/bitmap-str.c, bitmap_parselist(): N-M:USED/GROUP, too.
fn thinned(end: u32) -> impl Fn(&str) -> bool {
    move |text| match text.split_once(':') {
        None => range(end)(text),
        Some((numbers, pattern)) => {
            let parts = pattern.split_once('/').and_then(|(used, group)| number(used).zip(number(group)));
            let sound = parts.is_some_and(|(used, group)| used <= group && group > 0);
            numbers.contains('-') && range(end)(numbers) && sound
        }
    }
}

/// `str::parse` would take `+1`, too.
pub(super) fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// include/uapi/linux/binfmts.h, MAX_ARG_STRLEN, with its NUL: 32 pages.
const LONGEST: usize = 131_072;

/// Arguments of execve(2).
pub(super) fn arguments(list: &[String], at: At<'_>, found: &mut Findings) {
    for (number, text) in list.iter().enumerate().filter(|(_, text)| text.len() >= LONGEST) {
        let what = format!(
            "{} bytes are more than the kernel takes for one string ({LONGEST} with its NUL)",
            text.len()
        );
        found.refuse(&at.index(number), what, "execve(2)");
    }
}

/// environ(7): every entry is NAME=VALUE.
pub(super) fn environment(list: &[String], at: At<'_>, found: &mut Findings) {
    for (number, entry) in list.iter().enumerate() {
        if entry.find('=').is_none_or(|place| place == 0) {
            found.refuse(&at.index(number), format!("{entry:?} is no NAME=VALUE"), "environ(7)");
        }
    }
    arguments(list, at, found);
}

/// 4294967295 is -1, and means no id.
pub(super) fn id(id: u32, at: &At<'_>, found: &mut Findings) {
    if id == u32::MAX {
        found.refuse(at, format!("{id} is -1, which means no id"), "setresuid(2)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_lists_are_the_kernels() {
        let all = |text: &str, sound: &dyn Fn(&str) -> bool| text.split(',').all(sound);
        for good in ["0", "0-3,7", "8191", "1,1,0-0"] {
            assert!(all(good, &range(8192)) && all(good, &thinned(8192)), "{good}");
        }
        for bad in ["a", "-1", "1-", "3-1", "8192", "0-8192", "+1", " 1", "0x1", "1-2-3", "1,", ",", ""] {
            assert!(!all(bad, &range(8192)) && !all(bad, &thinned(8192)), "{bad}");
        }
        assert!(all("0-31:2/4,7", &thinned(32)) && !all("0-31:2/4", &range(32)));
        for bad in ["1:1/2", "0-3:2", "0-3:3/2", "0-3:1/0", "0-3:1/2/3"] {
            assert!(!all(bad, &thinned(8192)), "{bad}");
        }
    }

    #[test]
    fn config_interfaces_have_names_that_the_kernel_takes() {
        for good in ["eth0", "br-0", "a", "fifteen_letters", "eth%d", "веть"] {
            assert_eq!(interface(good), None, "{good}");
        }
        for bad in ["", ".", "..", "sixteen_letters_", "a/b", "a:b", "a b", "a\n", "\u{85}"] {
            assert!(interface(bad).is_some(), "{bad:?}");
        }
    }
}
