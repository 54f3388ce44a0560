//! Subordinate ids: which ids of the host an ordinary user was given to map.
//!
//! subuid(5), subgid(5), newuidmap(1); shadow 4.2, 2014. Book: "Id maps" (`idmap`).
//! Invariant: pure but for reading the two files; what is not granted is found before anything is made.

use crate::idmap::{Extent, IdMap};
use crate::{Error, Result};
use std::path::Path;

/// One range of ids granted to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The first id.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// The two kinds of ids, and where each is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// User ids.
    Uid,
    /// Group ids.
    Gid,
}

impl Side {
    /// `/etc/subuid` or `/etc/subgid`.
    pub fn file(self) -> &'static str {
        match self {
            Side::Uid => "/etc/subuid",
            Side::Gid => "/etc/subgid",
        }
    }

    /// The file below `/proc/PID` that takes the map.
    pub fn map_file(self) -> &'static str {
        match self {
            Side::Uid => "uid_map",
            Side::Gid => "gid_map",
        }
    }

    /// The set-user-ID program that writes such a map for ordinary users.
    pub fn helper(self) -> &'static str {
        match self {
            Side::Uid => "newuidmap",
            Side::Gid => "newgidmap",
        }
    }
}

/// The ranges that `text`, lines of `name:first:count`, grants to the user called `name` or numbered `uid`.
///
/// Lines that are not of this form grant nothing, as for newuidmap.
pub fn parse(text: &str, name: Option<&str>, uid: u32) -> Vec<Grant> {
    let uid = uid.to_string();
    let grant = |line: &str| {
        let mut fields = line.split(':');
        let user = fields.next()?;
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let whole = fields.next().is_none() && count > 0 && u32::checked_add(first, count).is_some();
        let ours = Some(user) == name || user == uid;
        (whole && ours).then_some(Grant { first, count })
    };
    text.lines().filter_map(grant).collect()
}

/// What this machine grants to the user `uid`.
pub fn granted(side: Side, uid: u32) -> Result<Vec<Grant>> {
    let path = Path::new(side.file());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io(format!("open({path:?})"), &error)),
    };
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    Ok(parse(&text, user.as_ref().map(|user| user.name.as_str()), uid))
}

/// Root inside is `own`; from 1 on inside are all ids that are granted.
pub fn everything(side: Side, own: u32, grants: &[Grant]) -> Result<IdMap> {
    let mut extents = vec![Extent { inside: 0, outside: own, count: 1 }];
    let mut inside: u32 = 1;
    for (position, grant) in grants.iter().enumerate() {
        // The same line twice, as user tools have left it in some files, grants nothing more.
        let again = grants[..position].iter().any(|g| (g.first, g.count) == (grant.first, grant.count));
        if again {
            continue;
        }
        extents.push(Extent { inside, outside: grant.first, count: grant.count });
        inside = inside
            .checked_add(grant.count)
            .ok_or_else(|| Error::refused(format!("{} grants more ids than there are", side.file())))?;
    }
    match extents.len() {
        1 => Err(Error::refused(format!("{} grants you no ids", side.file())).with_hint(format!(
            "an administrator may add a line such as {own}:100000:65536; or use --map-root"
        ))),
        _ => IdMap::new(extents),
    }
}

/// Is every id outside of `map` either `own` or granted? newuidmap would refuse it only after the process is made.
pub fn check(side: Side, map: &IdMap, own: u32, grants: &[Grant]) -> Result<()> {
    let inside = |e: &Extent, g: &Grant| g.first <= e.outside && e.outside + e.count <= g.first + g.count;
    let allowed = |e: &Extent| (e.count == 1 && e.outside == own) || grants.iter().any(|g| inside(e, g));
    let Some(bad) = map.extents().iter().find(|extent| !allowed(extent)) else { return Ok(()) };
    let ranges: Vec<String> =
        grants.iter().map(|g| format!("{} to {}", g.first, g.first + g.count - 1)).collect();
    let ranges = if ranges.is_empty() { "nothing".to_owned() } else { ranges.join(", ") };
    Err(Error::refused(format!("id map line {bad} reaches ids that are not yours"))
        .with_hint(format!("yours are {own} and what {} grants: {ranges}", side.file())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# comment\nroot:1:2\nlearner:100000:65536\n1000:300000:10\nlearner:x:1\nlearner:5\n\
                        learner:1:2:3\nlearner:4294967295:2\nlearner:7:0\nlearnerx:9:9\n";

    #[test]
    fn idmap_subordinate_ids_are_found_by_name_and_by_number() {
        let both = [Grant { first: 100_000, count: 65536 }, Grant { first: 300_000, count: 10 }];
        assert_eq!(parse(FILE, Some("learner"), 1000), both);
        assert_eq!(parse(FILE, None, 1000), both[1..]);
        assert_eq!(parse(FILE, Some("nobody"), 65534), []);
    }

    #[test]
    fn idmap_everything_is_root_and_all_that_is_granted() {
        let map = everything(Side::Uid, 1000, &parse(FILE, Some("learner"), 1000)).unwrap();
        assert_eq!(map.to_string(), "0 1000 1\n1 100000 65536\n65537 300000 10\n");
        assert!(everything(Side::Uid, 1000, &[]).is_err());
    }

    #[test]
    fn idmap_beyond_the_grant_is_refused_with_the_range_named() {
        let grants = [Grant { first: 100_000, count: 10 }];
        let check =
            |line: &str| check(Side::Uid, &IdMap::new(vec![line.parse().unwrap()]).unwrap(), 1000, &grants);
        assert!(check("0:1000:1").is_ok());
        assert!(check("5:100000:10").is_ok());
        assert!(check("0:1000:2").is_err(), "own id and its neighbour");
        assert!(check("0:99999:1").is_err());
        let error = check("0:100000:11").unwrap_err();
        assert!(error.hint().unwrap().contains("100000 to 100009"), "{error:?}");
    }
}
