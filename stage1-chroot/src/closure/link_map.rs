//! The objects of one process, in the order in which ld.so would load them.
//!
//! open(2), fstat(2); the `link_map` of glibc, the `dso` list of musl, 1995. Book: `build`.
//! Invariant: breadth first, each name answered once, as ld.so does it.

use crate::loader::object::Object;
use crate::loader::{Found, Loader, conf};
use crate::{Error, Result};
use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// The program and its libraries.
#[derive(Debug)]
pub struct LinkMap {
    /// The program first.
    pub links: Vec<Link>,
}

/// One name and the file that answers to it.
#[derive(Debug)]
pub struct Link {
    /// The name that was needed.
    pub name: OsString,
    /// Which link needs it; the program names itself.
    pub by: usize,
    /// What led the loader to it.
    pub found: Found,
    /// The file.
    pub object: Object,
    /// Whether the file was loaded before under another name.
    pub again: bool,
}

impl LinkMap {
    // ANCHOR: build
    /// Loads `program` on paper: follows what it needs, then what that needs, in the order of ld.so.
    pub fn load(program: Object, loader: &Loader) -> Result<LinkMap> {
        let name = program.path.clone().into_os_string();
        let mut map =
            LinkMap { links: vec![Link { name, by: 0, found: Found::Path, object: program, again: false }] };
        let mut by = 0;
        while by < map.links.len() {
            for name in map.needs_of(by) {
                // A library that is loaded already answers to its soname: two versions of it cannot meet.
                if loader.is_itself(&name) || map.answers_to(&name) {
                    continue;
                }
                let chain = map.chain(by);
                let Some((object, found)) = loader.find(&name, &chain)? else {
                    return Err(not_found(&name, &chain, loader));
                };
                let again = map.links.iter().any(|link| link.object.identity == object.identity);
                map.links.push(Link { name, by, found, object, again });
            }
            by += 1;
        }
        Ok(map)
    }
    // ANCHOR_END: build

    fn needs_of(&self, index: usize) -> Vec<OsString> {
        let link = &self.links[index];
        if link.again { Vec::new() } else { link.object.elf.needed.clone() }
    }

    fn answers_to(&self, name: &OsStr) -> bool {
        self.links.iter().any(|link| link.name == name || link.object.elf.soname.as_deref() == Some(name))
    }

    /// The object at `index`, the one that brought it, and so on up to the program.
    fn chain(&self, mut index: usize) -> Vec<&Object> {
        let mut chain = vec![&self.links[index].object];
        while index != 0 {
            index = self.links[index].by;
            chain.push(&self.links[index].object);
        }
        chain
    }
}

fn not_found(name: &OsStr, chain: &[&Object], loader: &Loader) -> Error {
    let name = name.to_string_lossy();
    let by: Vec<String> = chain.iter().map(|object| object.path.display().to_string()).collect();
    let candidates = loader.candidates(OsStr::new(&*name), chain);
    let mut places: Vec<String> = candidates.iter().map(|(_, found)| found.to_string()).collect();
    places.dedup();
    if !candidates.iter().any(|(_, found)| matches!(found, Found::Listed(_) | Found::Path)) {
        places.insert(0, format!("{} (not listed)", loader.list().display()));
    }
    let what =
        format!("{name}: not found, needed by {}; searched: {}", by.join(", needed by "), places.join(", "));
    Error::refused(what).with_hint(remedy(&name, chain))
}

/// A stale cache is the usual reason for a library that is there and not found; else a package is missing.
fn remedy(name: &str, chain: &[&Object]) -> String {
    let target = chain.first().map(|object| object.elf.target);
    let stale = conf::directories(Path::new("/etc/ld.so.conf")).into_iter().find(|directory| {
        let found = target.map(|target| Object::fitting(&directory.join(name), target));
        matches!(found, Some(Ok(Some(_))))
    });
    if let Some(directory) = stale {
        return format!(
            "{} has it, but /etc/ld.so.cache does not list it: run ldconfig",
            directory.display()
        );
    }
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let ask = match system {
        text if text.contains("debian") => format!("apt-file search {name}"),
        text if text.contains("fedora") => format!("dnf provides '*/{name}'"),
        text if text.contains("arch") => format!("pacman -F {name}"),
        text if text.contains("alpine") => format!("apk search so:{name}"),
        _ => return "install the package that holds it".to_owned(),
    };
    format!("this names the package that holds it: {ask}")
}
