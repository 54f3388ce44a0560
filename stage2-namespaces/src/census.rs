//! A census: which namespaces are there, who is in them, who owns them, what keeps them.
//!
//! /proc/PID/ns, /proc/self/mountinfo, ioctl_ns(2). Book: "Who owns whom" (`list`).
//! Invariant: only what /proc shows us; what it hides is counted, not guessed.

use crate::kind::Kind;
use crate::mountinfo;
use crate::nsfs::Namespace;
use crate::refusal::require_proc;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

/// One namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resident {
    /// Its kind.
    pub kind: Kind,
    /// Its number.
    pub inode: u64,
    /// The processes in it, by number.
    pub pids: Vec<i32>,
    /// The user namespace that owns it; None: outside of what we may see.
    pub owner: Option<u64>,
    /// Of pid and user namespaces the one above; None: outside of what we may see.
    pub parent: Option<u64>,
    /// Of user namespaces the user who made it.
    pub owner_uid: Option<u32>,
    /// Paths that keep it, though no process may be in it.
    pub handles: Vec<PathBuf>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Census {
    /// Namespaces by kind and number.
    pub residents: BTreeMap<(Kind, u64), Resident>,
    /// Processes that would not be looked into.
    pub hidden: usize,
}

impl Census {
    /// Looks at all processes and all handles that can be seen from here.
    pub fn take() -> Result<Self> {
        require_proc()?;
        let mut census = Census::default();
        for pid in processes()? {
            census.visit(pid)?;
        }
        census.find_handles()?;
        census.find_ancestors()?;
        Ok(census)
    }

    fn visit(&mut self, pid: i32) -> Result<()> {
        let mut hidden = false;
        for kind in Kind::ALL {
            let path = PathBuf::from(format!("/proc/{pid}/ns/{kind}"));
            match fs::read_link(&path).map(|link| number(&link)) {
                Ok(Some(inode)) => self.settle(kind, inode, &path)?.pids.push(pid),
                // Of a process that ended meanwhile, or a kind that this kernel lacks, there is nothing to tell.
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => hidden = true,
                _ => (),
            }
        }
        self.hidden += usize::from(hidden);
        Ok(())
    }

    /// The entry of a namespace; the ioctls are asked once for each.
    fn settle(&mut self, kind: Kind, inode: u64, path: &Path) -> Result<&mut Resident> {
        match self.residents.entry((kind, inode)) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => Ok(new.insert(ask(kind, inode, path)?)),
        }
    }

    /// Namespaces that a bind mount keeps: `nsfs` mounts whose root is `net:[4026531840]`.
    fn find_handles(&mut self) -> Result<()> {
        for mount in mountinfo::own()?.into_iter().filter(|mount| mount.kind == "nsfs") {
            let Some((kind, inode)) = named(&mount.root) else { continue };
            let target = PathBuf::from(mount.target);
            let resident = self.settle(kind, inode, &target)?;
            // A shared /run/netns lists each handle twice.
            if !resident.handles.contains(&target) {
                resident.handles.push(target);
            }
        }
        Ok(())
    }

    /// A parent or owner without processes of its own is there all the same.
    fn find_ancestors(&mut self) -> Result<()> {
        let known: Vec<Resident> = self.residents.values().cloned().collect();
        for resident in known {
            let Some(pid) = resident.pids.first() else { continue };
            let Ok(namespace) = Namespace::open(Path::new(&format!("/proc/{pid}/ns/{}", resident.kind)))
            else {
                continue;
            };
            self.climb(namespace)?;
        }
        Ok(())
    }

    fn climb(&mut self, from: Namespace) -> Result<()> {
        let above = |of: &Namespace| Result::Ok([of.owner()?, of.parent()?].into_iter().flatten());
        let mut open: Vec<Namespace> = above(&from)?.collect();
        while let Some(namespace) = open.pop() {
            if let Entry::Vacant(new) = self.residents.entry((namespace.kind(), namespace.inode())) {
                new.insert(describe(&namespace)?);
                open.extend(above(&namespace)?);
            }
        }
        Ok(())
    }
}

/// The processes that this /proc lists.
pub fn processes() -> Result<Vec<i32>> {
    let entries = fs::read_dir("/proc").map_err(|e| Error::io("open(\"/proc\")", &e))?;
    let mut pids: Vec<i32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// `net:[4026531840]`: the kind, which may be called `pid_for_children`, too, and the number.
fn named(text: &str) -> Option<(Kind, u64)> {
    let (kind, rest) = text.split_once(":[")?;
    Some((Kind::named(kind)?, rest.strip_suffix(']')?.parse().ok()?))
}

fn number(link: &Path) -> Option<u64> {
    named(link.to_str()?).map(|(_, inode)| inode)
}

/// Opening needs no more than reading the link did, but the process may end in between: then it stays unasked.
fn ask(kind: Kind, inode: u64, path: &Path) -> Result<Resident> {
    match Namespace::open(path) {
        Ok(namespace) if namespace.inode() == inode => describe(&namespace),
        _ => Ok(Resident {
            kind,
            inode,
            pids: Vec::new(),
            owner: None,
            parent: None,
            owner_uid: None,
            handles: Vec::new(),
        }),
    }
}

fn describe(namespace: &Namespace) -> Result<Resident> {
    let kind = namespace.kind();
    Ok(Resident {
        kind,
        inode: namespace.inode(),
        pids: Vec::new(),
        owner: namespace.owner()?.map(|owner| owner.inode()),
        parent: namespace.parent()?.map(|parent| parent.inode()),
        owner_uid: (kind == Kind::User).then(|| namespace.owner_uid()).transpose()?,
        handles: Vec::new(),
    })
}

/// The command line of `pid`, or its name in brackets where it has none, as for kernel threads.
pub fn command(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    match words.is_empty() {
        true => format!("[{}]", fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim()),
        false => words.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_reads_the_names_of_namespaces() {
        assert_eq!(named("net:[4026531840]"), Some((Kind::Net, 4_026_531_840)));
        for bad in ["", "net", "net:[]", "net:[1", "nets:[1]", "pid_for_children:[1]"] {
            assert_eq!(named(bad), None, "{bad:?}");
        }
    }
}
