//! The list of mounts of a process, with their peer groups.
//!
//! /proc/PID/mountinfo, proc_pid_mountinfo(5); Linux 2.6.26, 2008. Book: "Propagation" (`propagation`).
//! Invariant: pure but for `read`; a line that cannot be understood is an error, not left out.

use crate::refusal::{require_proc, require_process};
use crate::{Error, Result};
use std::fmt;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its number.
    pub id: u32,
    /// The number of the mount it is attached to.
    pub parent: u32,
    /// Which directory of its file system is seen.
    pub root: String,
    /// Where it is attached.
    pub target: String,
    /// Which events travel.
    pub peers: Peers,
    /// Type of the file system.
    pub kind: String,
    /// The device, or a name in its place.
    pub source: String,
    /// The options of the file system itself; a version 1 cgroup hierarchy names its controllers here.
    pub options: String,
}

/// The propagation type of a mount, told by the groups it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peers {
    /// `shared:N`: events go to and come from the group N.
    pub shared: Option<u32>,
    /// `master:N`: events come from the group N.
    pub master: Option<u32>,
    /// Cannot be copied by a bind mount.
    pub unbindable: bool,
}

impl Peers {
    /// `private`, `shared`, `slave`, `slave, shared` or `unbindable`.
    pub fn propagation(self) -> &'static str {
        match (self.shared, self.master, self.unbindable) {
            (Some(_), Some(_), _) => "slave, shared",
            (Some(_), None, _) => "shared",
            (None, Some(_), _) => "slave",
            (None, None, true) => "unbindable",
            (None, None, false) => "private",
        }
    }
}

/// As mountinfo has it: `shared:1 master:2`, `unbindable`, or `-`.
impl fmt::Display for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |name, number: Option<u32>| number.map(|n| format!("{name}:{n}"));
        let words = [
            group("shared", self.shared),
            group("master", self.master),
            self.unbindable.then(|| "unbindable".to_owned()),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        f.pad(&if words.is_empty() { "-".to_owned() } else { words.join(" ") })
    }
}

/// The mounts that the process `pid` sees.
pub fn read(pid: i32) -> Result<Vec<Mount>> {
    require_process(pid)?;
    read_from(&format!("/proc/{pid}/mountinfo"))
}

/// The mounts that we see. By name, not by number: in a /proc from outside of our pid namespace that is another's.
pub fn own() -> Result<Vec<Mount>> {
    require_proc()?;
    read_from("/proc/self/mountinfo")
}

fn read_from(path: &str) -> Result<Vec<Mount>> {
    let text = std::fs::read(path).map_err(|e| {
        Error::io(format!("open({path:?})"), &e)
            .with_hint("only the user of that process and root may read it")
    })?;
    parse(&String::from_utf8_lossy(&text))
}

/// The mounts of the text of a mountinfo file.
pub fn parse(text: &str) -> Result<Vec<Mount>> {
    text.lines()
        .map(|line| {
            parse_line(line).ok_or_else(|| Error::refused(format!("mountinfo line not understood: {line:?}")))
        })
        .collect()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse_line(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ');
    let (id, parent) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let (_device, root, target) = (fields.next()?, unescape(fields.next()?), unescape(fields.next()?));
    let _options = fields.next()?;
    let mut peers = Peers::default();
    for word in fields {
        match word.split_once(':') {
            Some(("shared", group)) => peers.shared = Some(group.parse().ok()?),
            Some(("master", group)) => peers.master = Some(group.parse().ok()?),
            _ if word == "unbindable" => peers.unbindable = true,
            // propagate_from:N, and words that later kernels may add.
            _ => (),
        }
    }
    let mut fields = after.split(' ');
    let (kind, source) = (fields.next()?.to_owned(), unescape(fields.next()?));
    let options = fields.next().unwrap_or_default().to_owned();
    Some(Mount { id, parent, root, target, peers, kind, source, options })
}

/// Blank, tab, newline and backslash are written as three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn propagation_is_read_from_the_groups() {
        let of = |optional: &str| {
            let text = format!("36 35 98:0 / /mnt\\040two rw{optional} - ext4 /dev/vda rw");
            parse(&text).unwrap().remove(0)
        };
        let cases = [
            ("", "private", "-"),
            (" shared:1", "shared", "shared:1"),
            (" master:7", "slave", "master:7"),
            (" shared:3 master:2", "slave, shared", "shared:3 master:2"),
            (" master:2 propagate_from:9", "slave", "master:2"),
            (" unbindable", "unbindable", "unbindable"),
        ];
        for (optional, propagation, groups) in cases {
            let mount = of(optional);
            assert_eq!(mount.peers.propagation(), propagation, "{optional}");
            assert_eq!(mount.peers.to_string(), groups);
            assert_eq!(mount.target, "/mnt two");
        }
    }

    #[test]
    fn propagation_of_a_broken_line_is_an_error() {
        for broken in
            ["", "x", "1 2 0:1 / /a rw", "1 2 0:1 / /a rw shared:x - a b", "a 2 0:1 / /a rw - a b c"]
        {
            assert!(parse(&format!("{broken}\n")).is_err(), "{broken:?}");
        }
        assert_eq!(unescape("a\\134b\\0\\999\\"), "a\\b\\0\\999\\");
    }
}
