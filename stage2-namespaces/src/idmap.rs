//! Id maps: which id inside a user namespace is which id outside.
//!
//! /proc/PID/uid_map and gid_map; Linux 3.8, 2013. Book: "Id maps" (`idmap`).
//! Invariant: pure; a map that exists obeys every rule the kernel would check, so the one write succeeds.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// `count` ids from `inside` on are the ids from `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First id inside the namespace.
    pub inside: u32,
    /// First id in the namespace's parent.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// A whole map, as `uid_map` or `gid_map` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap(Vec<Extent>);

/// Since Linux 4.15 a map holds 340 lines; before, 5. user_namespaces(7).
pub const MAX_LINES: usize = 340;

/// The whole map goes into the kernel in one write of less than a page. user_namespaces(7).
const MAX_BYTES: usize = 4096;

// ANCHOR: idmap
impl IdMap {
    /// Checks what the kernel's `map_write` checks, so that nothing is begun that cannot be finished.
    pub fn new(extents: Vec<Extent>) -> Result<Self> {
        if extents.is_empty() {
            return Err(Error::refused("an id map needs at least one line"));
        }
        if extents.len() > MAX_LINES {
            return Err(Error::refused(format!("an id map of {} lines", extents.len()))
                .with_hint(format!("the kernel takes at most {MAX_LINES} (5 before Linux 4.15)")));
        }
        for (i, extent) in extents.iter().enumerate() {
            extent.check()?;
            if let Some(other) = extents[..i].iter().find(|other| extent.overlaps(other)) {
                return Err(Error::refused(format!("id map lines {other} and {extent} overlap"))
                    .with_hint("no id may be mapped twice, on either side"));
            }
        }
        let map = IdMap(extents);
        match map.to_string().len() {
            size if size >= MAX_BYTES => Err(Error::refused(format!("an id map of {size} bytes"))
                .with_hint("the kernel takes less than a page, 4096 bytes, in the one write it allows")),
            _ => Ok(map),
        }
    }

    /// One id: `inside` is `outside`. All that a user without subordinate ids may write.
    pub fn single(inside: u32, outside: u32) -> Self {
        IdMap(vec![Extent { inside, outside, count: 1 }])
    }

    /// Which id outside is `inside`?
    pub fn outside(&self, inside: u32) -> Option<u32> {
        self.0.iter().find_map(|e| {
            let offset = inside.checked_sub(e.inside)?;
            (offset < e.count).then(|| e.outside + offset)
        })
    }

    /// Which id inside is `outside`? None: it appears as the overflow id, 65534.
    pub fn inside(&self, outside: u32) -> Option<u32> {
        self.0.iter().find_map(|e| {
            let offset = outside.checked_sub(e.outside)?;
            (offset < e.count).then(|| e.inside + offset)
        })
    }

    /// May user `own` write this map without CAP_SETUID outside? Only one line, of one id, its own.
    pub fn is_only(&self, own: u32) -> bool {
        matches!(self.0[..], [Extent { outside, count: 1, .. }] if outside == own)
    }

    /// The lines.
    pub fn extents(&self) -> &[Extent] {
        &self.0
    }
}
// ANCHOR_END: idmap

impl Extent {
    /// The ids must exist: 4294967295 is -1, "no id", and numbers do not wrap around.
    fn check(&self) -> Result<()> {
        let whole = |first: u32| first.checked_add(self.count).is_some();
        match self.count {
            0 => Err(Error::refused(format!("id map line {self} maps nothing"))
                .with_hint("the count is at least 1")),
            _ if whole(self.inside) && whole(self.outside) => Ok(()),
            _ => Err(Error::refused(format!("id map line {self} runs past the last id"))
                .with_hint("the last id is 4294967294; 4294967295 is -1, which means no id")),
        }
    }

    fn overlaps(&self, other: &Extent) -> bool {
        let meet = |a: u32, b: u32| a < b + other.count && b < a + self.count;
        meet(self.inside, other.inside) || meet(self.outside, other.outside)
    }
}

/// `inside:outside:count`, all decimal.
impl FromStr for Extent {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::refused(format!("{text:?} is not a line of an id map"))
                .with_hint("write INSIDE:OUTSIDE:COUNT, as in 0:100000:65536")
        };
        let numbers: Option<Vec<u32>> = text.split(':').map(number).collect();
        let extent = match numbers.as_deref() {
            Some(&[inside, outside, count]) => Extent { inside, outside, count },
            _ => return Err(bad()),
        };
        extent.check().map(|()| extent)
    }
}

/// `str::parse` would take `+1`, too.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.inside, self.outside, self.count)
    }
}

/// As the kernel wants it written: a line an extent, numbers parted by blanks.
impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|e| writeln!(f, "{} {} {}", e.inside, e.outside, e.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[&str]) -> Result<IdMap> {
        IdMap::new(lines.iter().map(|line| line.parse()).collect::<Result<_>>()?)
    }

    #[test]
    fn idmap_refuses_what_the_kernel_would() {
        for bad in
            ["", "0", "0:0", "0:0:0", "0:0:1:1", "a:0:1", "-1:0:1", "+0:0:1", " 0:0:1", "0:0:4294967296"]
        {
            assert!(bad.parse::<Extent>().is_err(), "{bad:?}");
        }
        for past in ["4294967295:0:1", "0:4294967295:1", "1:0:4294967295", "4294967294:0:2"] {
            assert!(past.parse::<Extent>().is_err(), "{past:?}");
        }
        assert!("0:0:4294967295".parse::<Extent>().is_ok(), "the initial namespace's own map");
        assert!(map(&[]).is_err());
        assert!(map(&["0:1000:1", "0:2000:1"]).is_err(), "one id inside, twice");
        assert!(map(&["0:1000:1", "1:1000:1"]).is_err(), "one id outside, twice");
        assert!(map(&["0:1000:10", "9:5000:1"]).is_err());
        assert!(map(&["0:1000:10", "10:5000:1"]).is_ok(), "neighbours do not overlap");
    }

    #[test]
    fn idmap_has_at_most_340_lines_in_less_than_a_page() {
        let lines = |n: u32| (0..n).map(|i| Extent { inside: i, outside: i, count: 1 }).collect::<Vec<_>>();
        assert!(IdMap::new(lines(340)).is_ok());
        assert!(IdMap::new(lines(341)).is_err());
        let long = (0..340).map(|i| Extent { inside: 4_000_000_000 + i, outside: i, count: 1 }).collect();
        assert!(IdMap::new(long).is_err(), "340 lines of this length are more than a page");
    }

    #[test]
    fn idmap_goes_back_and_forth() {
        let map = map(&["0:1000:1", "1:100000:65536", "100000:7:3"]).unwrap();
        for inside in (0..=65536).chain(100_000..100_003) {
            let outside = map.outside(inside).unwrap();
            assert_eq!(map.inside(outside), Some(inside));
        }
        for unmapped in [65537, 99_999, 100_003, u32::MAX] {
            assert_eq!(map.outside(unmapped), None);
        }
        assert_eq!(map.inside(0), None, "the host's root is nobody inside");
    }

    #[test]
    fn idmap_overlap_is_found_exactly_where_an_id_is_mapped_twice() {
        let small = |n: u32| Extent { inside: n % 4, outside: n / 4 % 4, count: n / 16 % 3 + 1 };
        for a in 0..48 {
            for b in 0..48 {
                let (a, b) = (small(a), small(b));
                let twice = |first: fn(&Extent) -> u32| {
                    (first(&a)..first(&a) + a.count).any(|id| (first(&b)..first(&b) + b.count).contains(&id))
                };
                let expected = twice(|e| e.inside) || twice(|e| e.outside);
                assert_eq!(IdMap::new(vec![a, b]).is_err(), expected, "{a} {b}");
            }
        }
    }

    #[test]
    fn idmap_of_an_ordinary_user_is_one_line_of_one_id() {
        assert!(IdMap::single(0, 1000).is_only(1000));
        assert!(!IdMap::single(0, 1001).is_only(1000));
        assert!(!map(&["0:1000:1", "1:1001:1"]).unwrap().is_only(1000));
        assert!(!map(&["0:1000:2"]).unwrap().is_only(1000));
        assert_eq!(IdMap::single(0, 1000).to_string(), "0 1000 1\n");
    }
}
